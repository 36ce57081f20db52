#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace millrace {

/// What a query reads, taken from its syntax tree.
struct TableName {
  std::string catalog;
  std::string schema;
  std::string table;
};

struct SqlRules {
  std::set<std::string> tables;  ///< what exists: tables and views of the warehouse
  /// Those of transforms and of sources, as "schema.table", both in lower case.
  std::set<std::string> others;
  /// Says whether a table may be read: "events", "analytics.visits", "shop.orders".
  std::function<bool(std::string_view table)> may_read;
  /// Functions that give something else each time. When there are some they are refused, and all else that
  /// does not give the same of the same tables.
  std::set<std::string> unsteady;
};

/// Return whether a table function, by its name in small letters, only computes: it reads nothing.
bool is_computing_table_function(std::string_view name);

/// Return whether a function tells about the process, changes something or runs text as SQL.
bool is_denied_function(std::string_view name);

/// Return what a node of a syntax tree says, in small letters, that gives something else each time without
/// being a function: current_date, for example, or a sample; empty when it says nothing of the kind.
std::string unsteady_word(const nlohmann::json& node);

/// Return the query without a leading EXPLAIN [ANALYZE]; what follows is checked like any other.
std::string_view without_explain(std::string_view sql);

/// Check a query's syntax tree, the JSON that DuckDB's json_serialize_sql gives: one SELECT over tables that
/// exist and may be read, with no function that reads files, settings or secrets, or runs text as SQL.
/// Errors: kInvalid when it is not one SELECT or names an unknown table; kDenied.
Status check_query(std::string_view syntax_tree, const SqlRules& rules);

}  // namespace millrace
