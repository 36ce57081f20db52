#include "warehouse/aggregation_check.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kExpressionBytesMax = 4000;

/// Of what an expression may be made; everything else (subqueries, windows, stars, parameters) looks beyond
/// its row.
constexpr std::array<std::string_view, 9> kClasses = {
    "COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION", "CAST", "CASE", "BETWEEN"};

/// Told by DuckDB to give the same for the same arguments, yet they tell about the process.
constexpr const char* kFunctions =
    "SELECT function_name FROM duckdb_functions() GROUP BY function_name "
    "HAVING (bool_and(function_type = 'scalar') AND bool_and(stability = 'CONSISTENT') "
    "AND function_name NOT IN ('current_setting', 'getenv', 'getvariable', 'version', "
    "'json_execute_serialized_sql', 'parse_duckdb_log_message', 'hll_count', 'topk_list')) "
    "OR function_name = 'nullif'";

/// DuckDB's complaint without its kind and the query that we made.
std::string complaint(const std::string& message) {
  auto line = message.substr(0, message.find('\n'));
  if (const auto colon = line.find("Error: "); colon != std::string::npos) line = line.substr(colon + 7);
  return line;
}

/// What `SELECT (expression)` may have besides its one expression: nothing.
bool is_lone_select(const Json& node) {
  const auto empty = [&](const char* key) {
    const auto found = node.find(key);
    return found == node.end() || found->is_null() || (found->is_array() && found->empty());
  };
  return node.value("type", "") == "SELECT_NODE" && node.contains("select_list") &&
         node["select_list"].size() == 1 && node.contains("from_table") &&
         node["from_table"].value("type", "") == "EMPTY" && empty("where_clause") &&
         empty("group_expressions") && empty("group_sets") && empty("having") && empty("sample") &&
         empty("qualify") && empty("modifiers") && node["cte_map"]["map"].empty();
}

}  // namespace

Status AggregationChecker::learn_functions() {
  MILLRACE_ASSIGN(auto rows, connection_.query(kFunctions));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) functions_.emplace(rows.text(0, i));
  }
}

Status AggregationChecker::learn_columns(const AggregationInput& input) {
  from_ = input.all;
  columns_.clear();
  MILLRACE_ASSIGN(auto rows, connection_.query(fmt::format("SELECT * FROM {} LIMIT 0", input.all)));
  for (std::size_t i = 0; i < rows.column_count(); ++i) columns_.push_back(to_lower(rows.column_name(i)));
  return {};
}

Status AggregationChecker::check(const AggregationSource& source, const AggregationInput& input) {
  if (functions_.empty()) MILLRACE_TRY(learn_functions());
  MILLRACE_TRY(learn_columns(input));
  const auto& aggregation = source.aggregation();
  if (!aggregation.filter.empty()) {
    if (auto fine = check_condition(aggregation.filter); !fine)
      source.error_at("filter", fine.error().message);
  }
  for (const auto& key : aggregation.keys) {
    auto fine = check_expression(key.expression);
    if (fine) {
      if (auto type = type_of(key.expression); !type) fine = fail(std::move(type).error());
    }
    if (!fine) source.error_in_column(key.name, fine.error().message);
  }
  for (const auto& measure : aggregation.measures) {
    if (auto fine = check_measure(measure); !fine) source.error_in_column(measure.name, fine.error().message);
  }
  return {};
}

Status AggregationChecker::check_measure(const Measure& measure) const {
  if (measure.kind == Measure::Kind::kCount)
    return measure.expression.empty() ? Status{} : check_condition(measure.expression);
  MILLRACE_TRY(check_expression(measure.expression));
  MILLRACE_ASSIGN(const auto type, type_of(measure.expression));
  const auto id = duckdb_get_type_id(type.get());
  if (measure.kind != Measure::Kind::kSum) {
    const bool nested = id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_MAP;
    return nested ? fail(Code::kInvalid, "takes one plain value, not a list or struct") : Status{};
  }
  constexpr std::array kNumbers = {DUCKDB_TYPE_TINYINT,  DUCKDB_TYPE_SMALLINT, DUCKDB_TYPE_INTEGER,
                                   DUCKDB_TYPE_BIGINT,   DUCKDB_TYPE_UTINYINT, DUCKDB_TYPE_USMALLINT,
                                   DUCKDB_TYPE_UINTEGER, DUCKDB_TYPE_FLOAT,    DUCKDB_TYPE_DOUBLE};
  const bool small = id == DUCKDB_TYPE_DECIMAL && duckdb_decimal_width(type.get()) <= 18;
  if (small || std::ranges::find(kNumbers, id) != kNumbers.end()) return {};
  return fail(Code::kInvalid,
              "sum takes a whole number, a DOUBLE or a DECIMAL of at most 18 digits: cast it, for example "
              "TRY_CAST(… AS DECIMAL(18,4))");
}

Status AggregationChecker::check_condition(std::string_view expression) const {
  MILLRACE_TRY(check_expression(expression));
  MILLRACE_ASSIGN(const auto type, type_of(expression));
  if (duckdb_get_type_id(type.get()) == DUCKDB_TYPE_BOOLEAN) return {};
  return fail(Code::kInvalid, "takes a condition that is true or false, such as type = 'page_view'");
}

Result<duck::LogicalType> AggregationChecker::type_of(std::string_view expression) const {
  auto rows = connection_.query(fmt::format("SELECT (\n{}\n) FROM {} LIMIT 0", expression, from_));
  if (!rows) return fail(rows.error().code, complaint(rows.error().message));
  return rows->column_type(0);
}

Status AggregationChecker::check_expression(std::string_view expression) const {
  if (expression.empty()) return fail(Code::kInvalid, "give an expression");
  if (expression.size() > kExpressionBytesMax)
    return fail(Code::kInvalid, fmt::format("is longer than {} bytes", kExpressionBytesMax));
  if (expression.find('\0') != std::string_view::npos || !is_utf8(expression))
    return fail(Code::kInvalid, "is not text in UTF-8");
  MILLRACE_ASSIGN(auto rows, connection_.query("SELECT json_serialize_sql(?::VARCHAR)",
                                               {fmt::format("SELECT (\n{}\n)", expression)}));
  MILLRACE_TRY(rows.next_chunk());
  const auto tree = Json::parse(rows.text(0, 0), nullptr, /*allow_exceptions=*/false);
  if (!tree.is_object() || tree.value("error", true)) {
    const auto message = tree.is_object() ? tree.value("error_message", "") : std::string();
    return fail(Code::kInvalid, "is not an expression: " + complaint(message));
  }
  if (tree["statements"].size() != 1 || !is_lone_select(tree["statements"][0]["node"]))
    return fail(Code::kInvalid, "must be exactly one expression, not a query");
  std::vector<const Json*> open{&tree["statements"][0]["node"]["select_list"][0]};
  while (!open.empty()) {
    const Json& node = *open.back();
    open.pop_back();
    if (node.is_object()) MILLRACE_TRY(check_node(node));
    if (!node.is_structured()) continue;
    for (const auto& child : node) open.push_back(&child);
  }
  return {};
}

Status AggregationChecker::check_node(const nlohmann::json& node) const {
  const auto found = node.find("class");
  if (found == node.end() || !found->is_string()) return {};
  const auto kind = found->get<std::string>();
  if (std::ranges::find(kClasses, kind) == kClasses.end())
    return fail(Code::kInvalid, fmt::format("may only speak of its own row: no {}", to_lower(kind)));
  // `true` and DATE '2026-01-31' are casts of constants, which are tried when the query is made.
  if (kind == "CAST" && !node.value("try_cast", false) && node["child"].value("class", "") != "CONSTANT")
    return fail(Code::kInvalid, "CAST fails on a value that does not fit: write TRY_CAST, which gives NULL");
  if (kind == "COLUMN_REF") {
    const auto& names = node["column_names"];
    const auto name = names.size() == 1 ? names[0].get<std::string>() : std::string();
    if (std::ranges::find(columns_, to_lower(name)) != columns_.end()) return {};
    const auto shown = names.size() == 1 ? name : names.dump();
    const auto nearest = nearest_name(to_lower(name), columns_);
    return fail(Code::kInvalid, fmt::format("there is no column {}{}", shown,
                                            nearest.empty() ? "; docs/schema.md lists them"
                                                            : "; did you mean " + nearest + "?"));
  }
  if (kind == "FUNCTION" && !functions_.contains(to_lower(node.value("function_name", "")))) {
    return fail(
        Code::kInvalid,
        fmt::format("{}() cannot be used here: only functions that give the same for the same row, and "
                    "no sums or counts within an expression",
                    node.value("function_name", "")));
  }
  return {};
}

}  // namespace millrace
