#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace millrace {

/// Write a value as one line; bytes that are no UTF-8, which may stand in people's data, as U+FFFD.
std::string json_text(const nlohmann::json& value);

/// Read what a client sent. What is no JSON, or nested deeper than json::kDepthMax (copies of it would overflow
/// the stack), is a value for which `is_discarded` holds, and which is of no other type.
nlohmann::json json_of_body(std::string_view body);

}  // namespace millrace
