#include "warehouse/transform_portable.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using Json = nlohmann::json;
using Reason = std::pair<std::string_view, std::string_view>;

/// Functions that both have and that differ, or that Spark lacks.
constexpr std::array kFunctions = {
    Reason{"dayofweek", "counts from 0 here and from 1 in Spark: use isodow of a dates table"},
    Reason{"concat", "skips NULL here and gives NULL in Spark: use ||"},
    Reason{"regexp_replace", "replaces the first match here and all in Spark"},
    Reason{"split", "takes a literal here and a pattern in Spark"},
    Reason{"string_split", "is called split in Spark, which takes a pattern"},
    Reason{"list_value", "is written array(…) in Spark"},
    Reason{"arg_min", "is called min_by in Spark"},
    Reason{"arg_max", "is called max_by in Spark"},
    Reason{"strftime", "is called date_format in Spark, with other patterns"},
    Reason{"epoch", "is called unix_timestamp in Spark"},
    Reason{"epoch_us", "is called unix_micros in Spark"},
    Reason{"time_bucket", "is not in Spark"},
    Reason{"array_extract", "counts from 1 here and from 0 in Spark"},
    Reason{"generate_series", "is called sequence in Spark"},
    Reason{"range", "gives a table of another shape in Spark"},
    Reason{"//", "is called DIV in Spark"},
    Reason{"->>", "is called get_json_object in Spark"},
    Reason{"->", "is called get_json_object in Spark"},
    Reason{"json_extract_string", "is called get_json_object in Spark"},
};

std::string text_of(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_given(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && !found->is_null() && !(found->is_structured() && found->empty());
}

std::string of_function(const Json& node) {
  const auto name = text_of(node, "function_name");
  const auto* found = std::ranges::find(kFunctions, name, &Reason::first);
  return found == kFunctions.end() ? std::string() : fmt::format("{} {}", found->first, found->second);
}

std::string of_star(const Json& node) {
  if (node.value("columns", false)) return "COLUMNS(…) is not in Spark: name the columns";
  const bool changed = is_given(node, "exclude_list") || is_given(node, "replace_list") ||
                       is_given(node, "rename_list") || is_given(node, "qualified_exclude_list");
  return changed ? "* EXCLUDE and REPLACE are not in Spark: name the columns" : "";
}

/// `CAST(2.7 AS INTEGER)` rounds here and cuts in Spark; from which type cannot be seen here.
std::string of_cast(const Json& node) {
  if (!node.contains("cast_type")) return {};
  const auto type = text_of(node["cast_type"], "id");
  // INTERVAL '1' DAY is a cast of trunc('1') to DuckDB's parser.
  if (node["child"].value("class", "") == "CONSTANT" || text_of(node["child"], "function_name") == "trunc")
    return {};
  const bool whole = type == "INTEGER" || type == "SMALLINT" || type == "TINYINT";
  return whole ? "CAST to a small whole number rounds here and cuts in Spark: use BIGINT of what is whole"
               : "";
}

std::string of_order(const Json& node) {
  const auto orders = node.find("orders");
  if (orders == node.end()) return {};
  for (const auto& order : *orders)
    if (text_of(order, "null_order") == "ORDER_DEFAULT")
      return "ORDER BY puts NULLs last here and first in Spark: say NULLS FIRST or NULLS LAST";
  return {};
}

}  // namespace

std::string why_unportable(const Json& node) {
  const auto type = text_of(node, "type");
  const auto kind = text_of(node, "class");
  if (is_given(node, "qualify")) return "QUALIFY is not in Spark SQL before 4: use a subquery";
  if (kind == "FUNCTION") return of_function(node);
  if (kind == "LAMBDA") return "lambdas are written otherwise in Spark";
  if (kind == "STAR") return of_star(node);
  if (kind == "CAST") return of_cast(node);
  if (kind == "WINDOW" && node.value("ignore_nulls", false)) return "IGNORE NULLS stands elsewhere in Spark";
  if (type == "ORDER_MODIFIER") return of_order(node);
  if (type == "JOIN" && text_of(node, "ref_type") == "ASOF") return "ASOF joins are not in Spark";
  if (type == "JOIN" && text_of(node, "ref_type") == "POSITIONAL") return "POSITIONAL joins are not in Spark";
  if (type == "DISTINCT_MODIFIER" && is_given(node, "distinct_on_targets"))
    return "DISTINCT ON is not in Spark";
  if (type == "PIVOT" || type == "SHOW_REF") return "PIVOT is written otherwise in Spark";
  if (text_of(node, "aggregate_handling") == "FORCE_AGGREGATES") return "GROUP BY ALL: name the columns";
  return {};
}

}  // namespace millrace
