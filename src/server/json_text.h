#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace millrace {

/// Write a value as one line; bytes that are no UTF-8, which may stand in people's data, as U+FFFD.
std::string json_text(const nlohmann::json& value);

}  // namespace millrace
