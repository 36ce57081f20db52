#include "warehouse/source_history.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "event/source_state.h"
#include "warehouse/source_columns.h"
#include "warehouse/source_sql.h"

namespace millrace {
namespace {

using source_sql::quote_name;

std::string schema_of(std::string_view source) {
  return quote_name(std::string(source) + std::string(kHistorySuffix));
}

std::string raw_table(const std::string& source, const std::string& table) {
  return schema_of(source) + "." + quote_name(std::string(kOwnPrefix) + table);
}

std::string list(const std::vector<std::string>& names, std::string_view before = "") {
  std::string out;
  for (const std::string& name : names)
    out += (out.empty() ? "" : ", ") + std::string(before) + quote_name(name);
  return out;
}

std::vector<std::string> names_of(const TableSchema& schema) {
  std::vector<std::string> names;
  for (const ColumnSchema& column : schema.columns) names.push_back(column.name);
  return names;
}

std::string same_key(const TableSchema& schema, std::string_view a, std::string_view b) {
  std::string out;
  for (const std::string& name : schema.key)
    out += fmt::format("{}{}.{} IS NOT DISTINCT FROM {}.{}", out.empty() ? "" : " AND ", a, quote_name(name),
                       b, quote_name(name));
  return out;
}

/// Return `name`, or where the table has a column of that name, with as many _ behind it as it takes.
std::string free_name(const TableSchema& schema, std::string name) {
  const auto is_taken = [&](const ColumnSchema& column) { return to_lower(column.name) == name; };
  while (std::ranges::any_of(schema.columns, is_taken)) name += '_';
  return name;
}

/// All versions: those that ended, each from when the one before it did or the row came; then the present
/// rows.
std::string view_sql(const std::string& source, const std::string& table, const TableSchema& schema) {
  return fmt::format(
      "CREATE OR REPLACE VIEW {view} AS "
      "SELECT * EXCLUDE (_millrace_ended, _millrace_time, _millrace_seq) FROM (SELECT *, lag(_millrace_time) "
      "OVER w AS {from}, _millrace_time AS {to} FROM {raw} WINDOW w AS (PARTITION BY {keys} ORDER BY "
      "_millrace_seq)) WHERE _millrace_ended "
      "UNION ALL BY NAME "
      "SELECT t.*, m._millrace_since AS {from}, NULL::TIMESTAMP AS {to} FROM {now} t LEFT JOIN (SELECT "
      "{keys}, max_by(_millrace_time, _millrace_seq) AS _millrace_since FROM {raw} GROUP BY {keys}) m ON "
      "{same}",
      fmt::arg("view", schema_of(source) + "." + quote_name(table)),
      fmt::arg("raw", raw_table(source, table)),
      fmt::arg("from", quote_name(free_name(schema, "valid_from"))),
      fmt::arg("to", quote_name(free_name(schema, "valid_to"))),
      fmt::arg("now", quote_name(source) + "." + quote_name(table)), fmt::arg("keys", list(schema.key)),
      fmt::arg("same", same_key(schema, "t", "m")));
}

/// Return whether values of the two are kept alike.
bool same_type(const ColumnSchema& a, const ColumnSchema& b) {
  return SourceColumn::of(a).sql_type() == SourceColumn::of(b).sql_type();
}

}  // namespace

Result<std::map<std::string, std::string>> SourceHistory::columns_of(const std::string& source,
                                                                     const std::string& table) {
  MILLRACE_ASSIGN(auto rows,
                  connection_.query("SELECT column_name, data_type FROM duckdb_columns() WHERE "
                                    "schema_name = ? AND table_name = ? AND NOT internal",
                                    {source + std::string(kHistorySuffix), std::string(kOwnPrefix) + table}));
  std::map<std::string, std::string> columns;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return columns;
    for (std::size_t i = 0; i < rows.size(); ++i)
      columns[to_lower(rows.text(0, i))] = std::string(rows.text(1, i));
  }
}

/// Have the history a place for every column there is, and what columns were before: one whose type is
/// another now is text from then on.
Status SourceHistory::make_columns(const std::string& source, const std::string& table,
                                   const TableSchema& schema) {
  const std::string raw = raw_table(source, table);
  MILLRACE_ASSIGN(const auto there, columns_of(source, table));
  std::string sql;
  if (there.empty()) {
    sql = fmt::format(
        "CREATE SCHEMA IF NOT EXISTS {}; CREATE TABLE {} ({}, _millrace_ended BOOLEAN, _millrace_time "
        "TIMESTAMP, "
        "_millrace_seq BIGINT);",
        schema_of(source), raw, source_sql::columns_with_types(schema));
  }
  for (const ColumnSchema& column : schema.columns) {
    const auto found = there.find(to_lower(column.name));
    const std::string type = SourceColumn::of(column).sql_type();
    if (!there.empty() && found == there.end())
      sql += fmt::format("ALTER TABLE {} ADD COLUMN {} {};", raw, quote_name(column.name), type);
    if (found != there.end() && found->second != type && found->second != "VARCHAR")
      sql += fmt::format("ALTER TABLE {} ALTER {} TYPE VARCHAR;", raw, quote_name(column.name));
  }
  return sql.empty() ? Status() : connection_.execute(sql);
}

/// The view knows the columns that the table had when it was made.
Status SourceHistory::make_ready(const std::string& source, const std::string& table,
                                 const TableSchema& schema) {
  const std::uint64_t id = schema_id(schema);
  auto& ready = ready_[{source, table}];
  if (ready == id) return {};
  MILLRACE_TRY(make_columns(source, table, schema));
  MILLRACE_TRY(connection_.execute(view_sql(source, table, schema)));
  ready = id;
  return {};
}

Status SourceHistory::table_changed(const std::string& source, const std::string& table,
                                    const TableSchema& schema) {
  MILLRACE_ASSIGN(const auto there, columns_of(source, table));
  if (there.empty()) return {};
  ready_.erase({source, table});
  return make_ready(source, table, schema);
}

Status SourceHistory::add_changes(const std::string& source, const std::string& table,
                                  const TableSchema& schema, const std::string& changes) {
  MILLRACE_TRY(make_ready(source, table, schema));
  const std::string from = "temp." + quote_name(changes);
  return connection_.execute(fmt::format(
      "INSERT INTO {raw} BY NAME SELECT {all}, true AS _millrace_ended, make_timestamp(_millrace_time) AS "
      "_millrace_time, _millrace_seq FROM {from} WHERE _millrace_op = {deletion} AND _millrace_time > 0;"
      "INSERT INTO {raw} BY NAME SELECT {keys}, false AS _millrace_ended, make_timestamp(_millrace_time) AS "
      "_millrace_time, _millrace_seq FROM {from} WHERE _millrace_op = {insertion} AND _millrace_time > 0",
      fmt::arg("raw", raw_table(source, table)), fmt::arg("all", list(names_of(schema))),
      fmt::arg("keys", list(schema.key)), fmt::arg("from", from),
      fmt::arg("deletion", static_cast<int>(RowOp::kDelete)),
      fmt::arg("insertion", static_cast<int>(RowOp::kInsert))));
}

Status SourceHistory::add_snapshot(const std::string& source, const std::string& table,
                                   const TableSchema& before, const TableSchema& after, TimeUs time,
                                   std::int64_t sequence) {
  MILLRACE_ASSIGN(const auto there, columns_of(source, table));
  if (there.empty()) return {};
  MILLRACE_TRY(make_columns(source, table, before));
  MILLRACE_TRY(make_columns(source, table, after));
  std::vector<std::string> common;
  for (const ColumnSchema& column : before.columns) {
    const auto found = std::ranges::find(after.columns, column.name, &ColumnSchema::name);
    if (found != after.columns.end() && same_type(column, *found)) common.push_back(column.name);
  }
  const auto has_all = [&](const TableSchema& schema) {
    return std::ranges::all_of(
        schema.key, [&](const std::string& name) { return std::ranges::find(common, name) != common.end(); });
  };
  const bool same_keys = before.key == after.key && has_all(before);
  // A column that goes, or has another type, takes its values with it: then every row ends.
  const bool comparable = same_keys && common.size() == before.columns.size();
  const std::string was = quote_name(source) + "." + quote_name(table);
  const std::string is = quote_name(source) + "." + quote_name(source_sql::staging_name(table));
  std::string unchanged;
  for (const std::string& name : common)
    unchanged += fmt::format("{}t.{n} IS NOT DISTINCT FROM n.{n}", unchanged.empty() ? "" : " AND ",
                             fmt::arg("n", quote_name(name)));
  const std::string raw = raw_table(source, table);
  const auto at = [&](std::int64_t place) {
    return fmt::format("make_timestamp({}) AS _millrace_time, {} AS _millrace_seq", time, sequence + place);
  };
  return connection_.execute(
      fmt::format("INSERT INTO {} BY NAME SELECT t.*, true AS _millrace_ended, {} FROM {} t {};", raw, at(0),
                  was, comparable ? fmt::format("ANTI JOIN {} n ON {}", is, unchanged) : "") +
      fmt::format("INSERT INTO {} BY NAME SELECT {}, false AS _millrace_ended, {} FROM {} n {}", raw,
                  list(after.key, "n."), at(1), is,
                  same_keys ? fmt::format("ANTI JOIN {} t ON {}", was, same_key(after, "t", "n")) : ""));
}

}  // namespace millrace
