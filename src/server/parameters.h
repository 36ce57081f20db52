#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "net/http.h"

namespace millrace {

/// Refuse a misspelt parameter, with the one that was probably meant. Errors: kInvalid.
Status refuse_unknown(const QueryParameters& query, const std::vector<std::string_view>& known);

/// Read `text`, of the parameter `name`, as a time (ISO 8601) or as how long before `now` ("90s", "24h");
/// nothing for "". Errors: kInvalid.
Result<std::optional<TimeUs>> time_or_ago(std::string_view name, std::string_view text, TimeUs now);

}  // namespace millrace
