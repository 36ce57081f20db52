#include "warehouse/source_sql.h"

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/source_columns.h"

namespace millrace::source_sql {
namespace {

std::string full(std::string_view source, std::string_view table) {
  return quote_name(source) + "." + quote_name(table);
}

std::string names(const TableSchema& schema) {
  std::string out;
  for (const ColumnSchema& column : schema.columns)
    out += (out.empty() ? "" : ", ") + quote_name(column.name);
  return out;
}

std::string keys(const TableSchema& schema) {
  std::string out;
  for (const std::string& name : schema.key) out += (out.empty() ? "" : ", ") + quote_name(name);
  return out;
}

std::string same_key(const TableSchema& schema) {
  std::string out;
  for (const std::string& name : schema.key)
    out += fmt::format("{}t.{} IS NOT DISTINCT FROM c.{}", out.empty() ? "" : " AND ", quote_name(name),
                       quote_name(name));
  return out;
}

std::string text_at(const duck::Rows& rows, std::size_t column, std::size_t row) {
  return std::string(rows.text(column, row));
}

}  // namespace

const char* const kMakeProgress =
    "CREATE SCHEMA IF NOT EXISTS _sources;"
    "CREATE TABLE IF NOT EXISTS _sources.offsets (source_name VARCHAR NOT NULL, next_offset BIGINT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS _sources.tables (source_name VARCHAR NOT NULL, table_name VARCHAR NOT NULL,"
    " run VARCHAR, schema_id BIGINT, schema_json VARCHAR, cursor_value VARCHAR, position VARCHAR,"
    " row_count BIGINT, rejected BIGINT, loaded_time TIMESTAMP,"
    " next_run VARCHAR, next_schema_id BIGINT, next_schema_json VARCHAR, next_resume BLOB,"
    " next_cursor VARCHAR, next_position VARCHAR, next_rows BIGINT, next_complete BOOLEAN,"
    " next_problem VARCHAR);"
    "CREATE TABLE IF NOT EXISTS _sources.streams (source_name VARCHAR NOT NULL, position VARCHAR NOT NULL,"
    " commit_time TIMESTAMP);"
    "CREATE SEQUENCE IF NOT EXISTS _sources.due_numbers;"
    "CREATE TABLE IF NOT EXISTS _sources.orders_due (source_name VARCHAR NOT NULL, order_key VARCHAR NOT "
    "NULL, due_time TIMESTAMP NOT NULL, number BIGINT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS _sources.orders_told (source_name VARCHAR NOT NULL, order_key VARCHAR NOT "
    "NULL, order_id VARCHAR NOT NULL, hash BIGINT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS _sources.order_versions (source_name VARCHAR NOT NULL, version BIGINT NOT "
    "NULL)";

const char* const kReadStreams = "SELECT source_name, position, commit_time FROM _sources.streams";

const char* const kReadStates =
    "SELECT source_name, table_name, run, schema_id, schema_json, cursor_value, position, row_count,"
    " rejected, loaded_time, next_run, next_schema_id, next_schema_json, next_resume, next_cursor,"
    " next_position, next_rows, next_complete, next_problem FROM _sources.tables";

SourceTableState read_state(const duck::Rows& rows, std::size_t row) {
  SourceTableState state;
  const auto number = [&](std::size_t column) { return static_cast<std::uint64_t>(rows.int64(column, row)); };
  if (!rows.is_null(2, row)) {
    state.published = SourceTableState::Published{.run = text_at(rows, 2, row),
                                                  .schema_id = number(3),
                                                  .schema = text_at(rows, 4, row),
                                                  .cursor = text_at(rows, 5, row),
                                                  .position = text_at(rows, 6, row),
                                                  .rows = number(7),
                                                  .rejected = number(8),
                                                  .loaded_time = rows.int64(9, row)};
  }
  if (!rows.is_null(10, row)) {
    state.filling = SourceTableState::Filling{.run = text_at(rows, 10, row),
                                              .schema_id = number(11),
                                              .schema = text_at(rows, 12, row),
                                              .resume = text_at(rows, 13, row),
                                              .cursor = text_at(rows, 14, row),
                                              .position = text_at(rows, 15, row),
                                              .rows = number(16),
                                              .complete = rows.boolean(17, row),
                                              .problem = text_at(rows, 18, row)};
  }
  return state;
}

Status write_state(duck::Connection& connection, const std::string& source, const std::string& table,
                   const SourceTableState& state) {
  MILLRACE_TRY(connection.query("DELETE FROM _sources.tables WHERE source_name = ? AND table_name = ?",
                                {std::string_view(source), std::string_view(table)}));
  MILLRACE_ASSIGN(auto row, duck::TableAppender::open(connection, "tables", "_sources"));
  const auto nulls = [&](int count) {
    for (int i = 0; i < count; ++i) row->null();
  };
  row->text(source).text(table);
  if (const auto& is = state.published) {
    row->text(is->run).int64(static_cast<std::int64_t>(is->schema_id)).text(is->schema).text(is->cursor);
    row->text(is->position).int64(static_cast<std::int64_t>(is->rows));
    row->int64(static_cast<std::int64_t>(is->rejected)).time(is->loaded_time);
  } else {
    nulls(8);
  }
  if (const auto& next = state.filling) {
    row->text(next->run).int64(static_cast<std::int64_t>(next->schema_id)).text(next->schema);
    row->blob(next->resume).text(next->cursor).text(next->position);
    row->int64(static_cast<std::int64_t>(next->rows)).boolean(next->complete).text(next->problem);
  } else {
    nulls(9);
  }
  MILLRACE_TRY(row->end_row());
  return row->flush();
}

std::string quote_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string columns_with_types(const TableSchema& schema) {
  std::string out;
  for (const ColumnSchema& column : schema.columns) {
    if (!out.empty()) out += ", ";
    out += quote_name(column.name) + " " + SourceColumn::of(column).sql_type();
  }
  return out;
}

std::string staging_name(std::string_view table) {
  return std::string(kStagingPrefix) + std::string(table);
}

std::string make_schema(std::string_view source) {
  return fmt::format(
      "CREATE SCHEMA IF NOT EXISTS {0};"
      "CREATE TABLE IF NOT EXISTS {0}.{1} (table_name VARCHAR, row_key VARCHAR, column_name VARCHAR,"
      " value VARCHAR, value_bytes BLOB, reason VARCHAR, run VARCHAR, sequence BIGINT, key_hash BIGINT,"
      " loaded_time TIMESTAMP)",
      quote_name(source), kRejectedTable);
}

std::string make_staging(std::string_view source, std::string_view table, const TableSchema& schema) {
  return fmt::format("DROP TABLE IF EXISTS {0}; CREATE TABLE {0} ({1})", full(source, staging_name(table)),
                     columns_with_types(schema));
}

std::string exchange(std::string_view source, std::string_view table) {
  return fmt::format("DROP TABLE IF EXISTS {}; ALTER TABLE {} RENAME TO {}", full(source, table),
                     full(source, staging_name(table)), quote_name(table));
}

std::string alter(std::string_view source, std::string_view table, const TableSchema& before,
                  const TableSchema& after) {
  std::string sql;
  for (std::size_t i = before.columns.size(); i < after.columns.size(); ++i)
    sql += fmt::format("ALTER TABLE {} ADD COLUMN {} {};", full(source, table),
                       quote_name(after.columns[i].name), SourceColumn::of(after.columns[i]).sql_type());
  return sql;
}

std::string make_changes(std::string_view name, const TableSchema& schema) {
  return fmt::format(
      "CREATE TEMP TABLE {} ({}, _millrace_op BIGINT, _millrace_seq BIGINT, _millrace_key BIGINT, "
      "_millrace_time BIGINT)",
      quote_name(name), columns_with_types(schema));
}

std::string merge(std::string_view source, std::string_view table, std::string_view changes,
                  const TableSchema& schema) {
  const std::string to = full(source, table);
  const std::string from = "temp." + quote_name(changes);
  return fmt::format(
      "DELETE FROM {to} AS t USING (SELECT DISTINCT {keys} FROM {from}) AS c WHERE {same};"
      "INSERT INTO {to} SELECT {names} FROM {from} QUALIFY row_number() OVER (PARTITION BY {keys} "
      "ORDER BY _millrace_seq DESC) = 1 AND _millrace_op <> {deletion};"
      "DELETE FROM {rejected} AS r USING (SELECT _millrace_key, max(_millrace_seq) AS newest FROM {from} "
      "GROUP BY ALL) AS c WHERE r.table_name = {table} AND r.key_hash = c._millrace_key "
      "AND r.sequence < c.newest;"
      "DROP TABLE {from}",
      fmt::arg("to", to), fmt::arg("from", from), fmt::arg("keys", keys(schema)),
      fmt::arg("names", names(schema)), fmt::arg("same", same_key(schema)),
      fmt::arg("deletion", static_cast<int>(RowOp::kDelete)),
      fmt::arg("rejected", full(source, kRejectedTable)), fmt::arg("table", sql_literal(table)));
}

std::string forget_rejected(std::string_view source, std::string_view table, std::string_view run) {
  return fmt::format("DELETE FROM {} WHERE table_name = {} AND run <> {}", full(source, kRejectedTable),
                     sql_literal(table), sql_literal(run));
}

std::string count_rows(std::string_view source, std::string_view table) {
  return fmt::format("SELECT count(*) FROM {}", full(source, table));
}

std::string count_rejected(std::string_view source, std::string_view table) {
  return fmt::format("SELECT count(*) FROM {} WHERE table_name = {}", full(source, kRejectedTable),
                     sql_literal(table));
}

}  // namespace millrace::source_sql
