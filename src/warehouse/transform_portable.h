#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace millrace {

/// Say why a node of DuckDB's syntax tree would mean something else to Spark, or nothing; "" when it is of
/// the subset of SQL in which both give the same. docs/how-to/transforms.md has the list.
std::string why_unportable(const nlohmann::json& node);

}  // namespace millrace
