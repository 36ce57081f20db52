#include "source/follow_tables.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "source/binlog_rows.h"

namespace millrace {
namespace {

std::uint64_t length_of(const std::string& column_type) {
  const std::size_t at = column_type.find('(');
  return at == std::string::npos ? 0 : std::strtoull(column_type.c_str() + at + 1, nullptr, 10);
}

/// Return whether every value of `before` is the same value of `after`.
bool holds_all(const ColumnSchema& before, const ColumnSchema& after) {
  ColumnSchema alike = after;
  alike.column_type = before.column_type;
  if (alike != before) return false;
  if (before.column_type == after.column_type) return true;
  if (before.data_type == "varchar" || before.data_type == "varbinary")
    return length_of(after.column_type) >= length_of(before.column_type);
  if (before.data_type != "enum" && before.data_type != "set") return false;
  const auto had = read_enum_names(before.column_type);
  const auto has = read_enum_names(after.column_type);
  return had.size() <= has.size() && std::equal(had.begin(), had.end(), has.begin());
}

}  // namespace

std::optional<std::string> follow_obstacle(const MysqlTable& table) {
  if (table.problem) return table.problem->message;
  if (table.key.empty())
    return "it has no key, without which a change finds no row: give it a primary key; until then it is as "
           "it was "
           "extracted";
  if (table.is_versioned)
    return "it is a table WITH SYSTEM VERSIONING, whose changes cannot be told from its history: it is as it "
           "was "
           "extracted";
  return std::nullopt;
}

bool only_grew(const TableSchema& before, const MysqlTable& table) {
  const auto& after = table.schema.columns;
  if (before.key != table.schema.key || before.zone != table.schema.zone ||
      before.columns.size() > after.size())
    return false;
  for (std::size_t i = 0; i < before.columns.size(); ++i)
    if (!holds_all(before.columns[i], after[i])) return false;
  const std::size_t added = after.size() - before.columns.size();
  std::size_t seen = 0;
  for (auto column = table.columns.rbegin(); seen < added; ++column) {
    if (!column->is_read) continue;
    if (!column->is_null_at_first) return false;
    ++seen;
  }
  return true;
}

std::string largest_column(const TableSchema& schema, std::string_view payload) {
  std::string name = "its large column";
  std::size_t most = 0;
  CellReader cells(payload);
  std::vector<RowCell> row(schema.columns.size());
  while (!cells.done()) {
    const auto op = cells.next_op();
    for (int rows = op == RowOp::kUpdate ? 2 : 1; rows > 0; --rows) {
      if (!op || !cells.next_row(row)) return name;
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (!row[i] || row[i]->size() <= most) continue;
        most = row[i]->size();
        name = schema.columns[i].name;
      }
    }
  }
  return name;
}

}  // namespace millrace
