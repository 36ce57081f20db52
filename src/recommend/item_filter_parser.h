#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "recommend/item_filter.h"

namespace millrace {

/// Read the clauses of a filter; ItemFilter::parse says which errors there are. No recursion; at most so many
/// clauses, values and bytes as ItemFilter allows.
Result<std::vector<FilterClause>> parse_filter_clauses(std::string_view text);

/// Return the names that mean something to a filter whatever the catalogue holds: fields, `has`, and states.
const std::vector<std::string>& known_filter_names();

}  // namespace millrace
