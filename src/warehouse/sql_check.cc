#include "warehouse/sql_check.h"

#include <fmt/format.h>

#include "event/source_state.h"
#include "warehouse/sql_guard.h"

namespace millrace {
namespace {

/// Return the names that a query of one column gives.
Result<std::set<std::string>> names(duck::Connection& connection, const std::string& sql) {
  MILLRACE_ASSIGN(auto rows, connection.query(sql));
  std::set<std::string> names;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return names;
    for (std::size_t i = 0; i < rows.size(); ++i) names.emplace(rows.text(0, i));
  }
}

Result<std::set<std::string>> table_names(duck::Connection& connection) {
  return names(connection,
               "SELECT lower(table_name) FROM information_schema.tables "
               "WHERE table_schema = 'main' AND table_catalog = current_database()");
}

/// Of transforms and sources: not the schemas of replays, nor those that are ours alone, nor snapshots on
/// their way.
Result<std::set<std::string>> other_table_names(duck::Connection& connection) {
  return names(
      connection,
      fmt::format("SELECT lower(table_schema || '.' || table_name) FROM information_schema.tables "
                  "WHERE table_catalog = current_database() AND table_schema <> 'main' AND "
                  "table_schema <> 'information_schema' AND NOT starts_with(table_schema, 'replay_') AND "
                  "NOT starts_with(table_schema, '_') AND NOT starts_with(table_name, '{}')",
                  kStagingPrefix));
}

Status check(duck::Connection& connection, std::string_view sql, SqlRules rules) {
  MILLRACE_ASSIGN(rules.tables, table_names(connection));
  MILLRACE_ASSIGN(rules.others, other_table_names(connection));
  MILLRACE_ASSIGN(auto tree, connection.query("SELECT json_serialize_sql(?::VARCHAR)", {sql}));
  MILLRACE_TRY(tree.next_chunk());
  return check_query(tree.text(0, 0), rules);
}

}  // namespace

Status check_select(duck::Connection& connection, std::string_view sql,
                    const std::function<bool(std::string_view table)>& may_read) {
  return check(connection, sql, {.tables = {}, .others = {}, .may_read = may_read, .unsteady = {}});
}

Status check_steady_select(duck::Connection& connection, std::string_view sql) {
  MILLRACE_ASSIGN(auto unsteady, unsteady_functions(connection));
  return check(connection, sql,
               {.tables = {}, .others = {}, .may_read = nullptr, .unsteady = std::move(unsteady)});
}

Result<std::set<std::string>> unsteady_functions(duck::Connection& connection) {
  MILLRACE_ASSIGN(auto found, names(connection,
                                    "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE "
                                    "stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"));
  found.insert({"today", "version", "pg_postmaster_start_time"});
  return found;
}

}  // namespace millrace
