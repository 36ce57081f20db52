#include "source/mysql_tables.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "event/source_state.h"

namespace millrace {
namespace {

using TextRow = MysqlConnection::Row;
using Form = KeyColumn::Form;

/// A column as information_schema tells it.
struct Column {
  ColumnSchema schema;
  std::string charset;
  std::string collation;
  bool is_virtual = false;
  bool is_null_at_first = false;
};

/// A unique or other index.
struct Index {
  std::string name;
  bool is_unique = false;
  bool fits = true;  ///< every column is whole, in order, and none may be NULL
  std::vector<std::string> columns;
};

struct Described {
  bool is_table = true;       ///< else a view
  bool is_versioned = false;  ///< WITH SYSTEM VERSIONING
  std::uint64_t rows_estimate = 0;
  std::vector<Column> columns;
  std::vector<Index> indexes;
};

using Database = std::map<std::string, Described, std::less<>>;

std::string text(const TextRow& row, std::size_t i) {
  return row[i].value_or("");
}

std::uint64_t number(const TextRow& row, std::size_t i) {
  return row[i] ? std::strtoull(row[i]->c_str(), nullptr, 10) : 0;
}

/// Return the database's name as SQL that holds nothing but hexadecimal digits.
Result<std::string> name_literal(const MysqlSource& source) {
  MILLRACE_ASSIGN(const std::string bytes, key_literal({"database", Form::kBytes, "", ""}, source.database));
  return "CONVERT(" + bytes + " USING utf8mb4)";
}

Status read_columns(MysqlConnection& connection, const std::string& database, Database& tables) {
  MILLRACE_ASSIGN(
      const auto rows,
      connection.query(
          "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, NUMERIC_PRECISION, "
          "NUMERIC_SCALE, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, IS_NULLABLE, COLUMN_DEFAULT FROM "
          "information_schema.COLUMNS WHERE TABLE_SCHEMA = " +
          database + " ORDER BY TABLE_NAME, ORDINAL_POSITION"));
  for (const TextRow& row : rows) {
    const auto found = tables.find(text(row, 0));
    if (found == tables.end()) continue;
    Column column;
    column.schema.name = text(row, 1);
    column.schema.data_type = to_lower(text(row, 2));
    column.schema.column_type = text(row, 3);
    column.schema.is_unsigned = to_lower(text(row, 3)).find("unsigned") != std::string::npos;
    if (column.schema.data_type == "decimal") {
      column.schema.precision = static_cast<std::uint32_t>(number(row, 4));
      column.schema.scale = static_cast<std::uint32_t>(number(row, 5));
    }
    column.charset = text(row, 6);
    column.collation = text(row, 7);
    const std::string extra = to_lower(text(row, 8));
    column.is_virtual = extra.find("virtual") != std::string::npos;
    column.is_null_at_first = text(row, 9) == "YES" && (!row[10] || *row[10] == "NULL") &&
                              extra.find("generated") == std::string::npos;
    found->second.columns.push_back(std::move(column));
  }
  return {};
}

Status read_indexes(MysqlConnection& connection, const std::string& database, Database& tables) {
  MILLRACE_ASSIGN(
      const auto rows,
      connection.query("SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, NULLABLE, "
                       "INDEX_TYPE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = " +
                       database +
                       " ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, "
                       "SEQ_IN_INDEX"));
  for (const TextRow& row : rows) {
    const auto found = tables.find(text(row, 0));
    if (found == tables.end()) continue;
    auto& indexes = found->second.indexes;
    if (indexes.empty() || indexes.back().name != text(row, 1))
      indexes.push_back({.name = text(row, 1), .is_unique = text(row, 2) == "0", .columns = {}});
    Index& index = indexes.back();
    index.columns.push_back(text(row, 3));
    index.fits = index.fits && row[3] && !row[4] && text(row, 6) == "BTREE";
    if (text(row, 5) == "YES") index.is_unique = false;
  }
  return {};
}

Result<Database> describe(MysqlConnection& connection, const MysqlSource& source) {
  MILLRACE_ASSIGN(const std::string database, name_literal(source));
  MILLRACE_ASSIGN(const auto rows,
                  connection.query("SELECT TABLE_NAME, TABLE_TYPE, TABLE_ROWS FROM information_schema.TABLES "
                                   "WHERE TABLE_SCHEMA = " +
                                   database));
  Database tables;
  for (const TextRow& row : rows) {
    const bool is_table = text(row, 1) == "BASE TABLE" || text(row, 1) == "SYSTEM VERSIONED";
    tables[text(row, 0)] = {.is_table = is_table,
                            .is_versioned = text(row, 1) == "SYSTEM VERSIONED",
                            .rows_estimate = number(row, 2),
                            .columns = {},
                            .indexes = {}};
  }
  MILLRACE_TRY(read_columns(connection, database, tables));
  MILLRACE_TRY(read_indexes(connection, database, tables));
  return tables;
}

/// Return how a column's value is written as part of a key; nothing for a type whose text does not order as
/// the column does.
std::optional<KeyColumn> key_column(const Column& column) {
  constexpr std::array<std::string_view, 7> kNumbers = {"tinyint", "smallint", "mediumint", "int",
                                                        "bigint",  "decimal",  "year"};
  constexpr std::array<std::string_view, 4> kTimes = {"date", "datetime", "timestamp", "time"};
  constexpr std::array<std::string_view, 3> kPlain = {"uuid", "inet4", "inet6"};
  constexpr std::array<std::string_view, 2> kBytes = {"binary", "varbinary"};
  const std::string& type = column.schema.data_type;
  const auto is_one_of = [&](const auto& types) { return std::ranges::find(types, type) != types.end(); };
  KeyColumn key{.name = column.schema.name, .charset = column.charset, .collation = column.collation};
  if (is_one_of(kNumbers)) {
    key.form = Form::kNumber;
  } else if (is_one_of(kTimes) || is_one_of(kPlain)) {
    key.form = Form::kQuoted;
  } else if (is_one_of(kBytes)) {
    key.form = Form::kBytes;
  } else if ((type == "char" || type == "varchar") && !column.charset.empty()) {
    key.form = Form::kText;
  } else {
    return std::nullopt;
  }
  return key;
}

/// What to select so that the text loses nothing: a FLOAT prints six digits, a BIT raw bytes.
std::string expression(const ColumnSchema& column) {
  const std::string name = mysql_name(column.name);
  if (column.data_type == "float") return fmt::format("({} + 0e0)", name);
  if (column.data_type == "bit") return fmt::format("({} + 0)", name);
  return name;
}

bool may_be_large(const ColumnSchema& column) {
  constexpr std::array<std::string_view, 8> kLarge = {"mediumtext", "longtext", "mediumblob", "longblob",
                                                      "json",       "geometry", "polygon",    "multipolygon"};
  return std::ranges::find(kLarge, column.data_type) != kLarge.end();
}

/// Have the server not even send what no record can hold: the library would give the connection up.
void guard_large(MysqlTable& table) {
  std::vector<std::string> sizes;
  for (const ColumnSchema& column : table.schema.columns) {
    if (!may_be_large(column)) continue;
    table.large.push_back(column.name);
    sizes.push_back(fmt::format("COALESCE(OCTET_LENGTH({}), 0)", mysql_name(column.name)));
  }
  if (sizes.empty()) return;
  const std::string is_large = fmt::format("{} > {}", fmt::join(sizes, " + "), kMysqlRowBytesMax);
  for (std::size_t i = 0; i < table.expressions.size(); ++i)
    if (may_be_large(table.schema.columns[i]))
      table.expressions[i] = fmt::format("IF({}, NULL, {})", is_large, table.expressions[i]);
  table.sizes_expression = fmt::format("IF({}, CONCAT_WS(' ', {}), NULL)", is_large, fmt::join(sizes, ", "));
}

const Column* find_column(const Described& described, std::string_view name) {
  const auto found = std::ranges::find_if(described.columns,
                                          [&](const Column& column) { return column.schema.name == name; });
  return found == described.columns.end() ? nullptr : &*found;
}

/// Take the columns that the choice wants.
Status choose_columns(const MysqlTableChoice& choice, const Described& described, MysqlTable& table) {
  std::vector<std::string> known;
  for (const Column& column : described.columns) known.push_back(column.schema.name);
  std::vector<std::string> named = choice.columns;
  named.insert(named.end(), choice.exclude.begin(), choice.exclude.end());
  if (!choice.cursor.empty()) named.push_back(choice.cursor);
  for (const std::string& name : named) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    return fail(Code::kNotFound, fmt::format("there is no column {}{}", name,
                                             nearest.empty() ? "" : "; did you mean " + nearest));
  }
  const auto wanted = [&](const std::string& name) {
    if (std::ranges::find(choice.exclude, name) != choice.exclude.end()) return false;
    return choice.columns.empty() || std::ranges::find(choice.columns, name) != choice.columns.end();
  };
  for (const Column& column : described.columns) {
    const bool is_read = wanted(column.schema.name);
    table.columns.push_back({.schema = column.schema,
                             .charset = column.charset,
                             .is_read = is_read,
                             .is_virtual = column.is_virtual,
                             .is_null_at_first = column.is_null_at_first});
    if (!is_read) continue;
    MILLRACE_TRY(check_source_column_name(column.schema.name));
    table.schema.columns.push_back(column.schema);
    table.expressions.push_back(expression(column.schema));
  }
  return {};
}

bool is_read(const MysqlTable& table, std::string_view column) {
  return std::ranges::find(table.schema.columns, column, &ColumnSchema::name) != table.schema.columns.end();
}

/// Find a key whose order can be followed.
Status choose_key(const Described& described, MysqlTable& table) {
  for (const Index& index : described.indexes) {
    if (!index.is_unique || !index.fits) continue;
    std::vector<KeyColumn> key;
    for (const std::string& name : index.columns) {
      const Column* column = find_column(described, name);
      auto part = column == nullptr || !is_read(table, name) ? std::nullopt : key_column(*column);
      if (!part) break;
      key.push_back(*std::move(part));
    }
    if (key.size() != index.columns.size()) continue;
    table.key = std::move(key);
    table.key_index = index.name;
    table.schema.key = index.columns;
    return {};
  }
  return fail(
      Code::kInvalid,
      "it has no primary key or unique index, over columns that are read and are not NULL, whose order "
      "can be followed (numbers, times, char, varchar, binary): give it one, or say whole: true for it, "
      "to read it in one piece");
}

Status choose_cursor(const MysqlTableChoice& choice, const Described& described, MysqlTable& table) {
  if (choice.cursor.empty()) return {};
  if (!is_read(table, choice.cursor))
    return fail(Code::kInvalid, "its cursor must be among the columns read");
  table.cursor = key_column(*find_column(described, choice.cursor));
  if (!table.cursor || table.cursor->form == Form::kBytes)
    return fail(Code::kInvalid,
                fmt::format("its cursor {} must be a number, a time or a short text, not {}", choice.cursor,
                            find_column(described, choice.cursor)->schema.data_type));
  const std::string& type = find_column(described, choice.cursor)->schema.data_type;
  table.cursor_is_time = type == "datetime" || type == "timestamp";
  for (const Index& index : described.indexes)
    if (!index.columns.empty() && index.columns.front() == choice.cursor && table.cursor_index.empty())
      table.cursor_index = index.name;
  return {};
}

Status plan(const MysqlTableChoice& choice, const Described& described, MysqlTable& table) {
  MILLRACE_TRY(check_source_table_name(table.name));
  MILLRACE_TRY(choose_columns(choice, described, table));
  guard_large(table);
  if (const Status key = choose_key(described, table); !key && !choice.whole) return key;
  table.whole = choice.whole || table.key.empty();
  if (table.key.empty() && !choice.cursor.empty())
    return fail(Code::kInvalid, "without a key it can be read whole, but not by a cursor");
  return choose_cursor(choice, described, table);
}

std::vector<MysqlTableChoice> choices(const MysqlSource& source, const Database& database) {
  if (source.tables) return *source.tables;
  std::vector<MysqlTableChoice> all;
  for (const auto& [name, described] : database) {
    const bool excluded = std::ranges::find(source.exclude_tables, name) != source.exclude_tables.end();
    if (described.is_table && !excluded) all.push_back({.name = name, .columns = {}, .exclude = {}});
  }
  return all;
}

/// Ask the server what each byte of a character set means to it.
Result<std::shared_ptr<const ByteCharset>> read_charset(MysqlConnection& connection,
                                                        const std::string& charset) {
  std::string select;
  for (unsigned byte = 0; byte < 256; ++byte)
    select += fmt::format("{}_{} X'{:02X}'", byte == 0 ? "SELECT " : ", ", charset, byte);
  MILLRACE_ASSIGN(const auto rows, connection.query(select));
  auto bytes = std::make_shared<ByteCharset>();
  for (std::size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = text(rows.at(0), i);
  return bytes;
}

/// Note what text means that is of one byte a character, in character sets that are not known here.
Status read_charsets(MysqlConnection& connection, std::vector<MysqlTable>& tables) {
  std::map<std::string, std::shared_ptr<const ByteCharset>> known;
  for (MysqlTable& table : tables) {
    for (MysqlColumn& column : table.columns) {
      if (!column.is_read || CharsetReader::knows(column.charset)) continue;
      if (const auto found = known.find(column.charset); found != known.end()) {
        column.bytes = found->second;
        continue;
      }
      MILLRACE_ASSIGN(const std::string name, key_literal({"charset", Form::kBytes, "", ""}, column.charset));
      MILLRACE_ASSIGN(const std::string size,
                      connection.value("SELECT MAXLEN FROM information_schema.CHARACTER_SETS WHERE "
                                       "CHARACTER_SET_NAME = CONVERT(" +
                                       name + " USING utf8mb4)"));
      if (size == "1") {
        MILLRACE_ASSIGN(column.bytes, read_charset(connection, column.charset));
      }
      known[column.charset] = column.bytes;
    }
  }
  return {};
}

/// Names that differ in case only are one in the warehouse.
void note_collisions(std::vector<MysqlTable>& tables) {
  std::map<std::string, std::string> seen;
  for (MysqlTable& table : tables) {
    const auto [other, is_new] = seen.emplace(to_lower(table.name), table.name);
    if (!is_new)
      table.problem = Error{
          Code::kInvalid, fmt::format("its name differs from {} in case alone: leave one out", other->second),
          table.name};
  }
}

Status check_only(const std::vector<std::string>& only, const std::vector<MysqlTableChoice>& chosen,
                  const MysqlSource& source) {
  std::vector<std::string> known;
  for (const auto& choice : chosen) known.push_back(choice.name);
  for (const std::string& name : only) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    return fail(Code::kNotFound, fmt::format("the source {} has no table {}{}", source.name, name,
                                             nearest.empty() ? "" : "; did you mean " + nearest));
  }
  return {};
}

}  // namespace

Result<std::vector<MysqlTable>> read_mysql_tables(MysqlConnection& connection, const MysqlSource& source,
                                                  const std::vector<std::string>& only) {
  MILLRACE_ASSIGN(const Database database, describe(connection, source));
  const auto chosen = choices(source, database);
  MILLRACE_TRY(check_only(only, chosen, source));
  std::vector<MysqlTable> tables;
  for (const MysqlTableChoice& choice : chosen) {
    if (!only.empty() && std::ranges::find(only, choice.name) == only.end()) continue;
    MysqlTable& table = tables.emplace_back();
    table.name = choice.name;
    table.schema.zone = source.zone;
    const auto found = database.find(choice.name);
    if (found == database.end()) {
      table.problem =
          Error{Code::kNotFound,
                fmt::format("the database {} has no such table, or the user may not see it", source.database),
                choice.name};
      continue;
    }
    table.rows_estimate = found->second.rows_estimate;
    table.is_versioned = found->second.is_versioned;
    if (auto planned = plan(choice, found->second, table); !planned) {
      table.problem = std::move(planned).error();
      table.problem->where = choice.name;
    }
  }
  note_collisions(tables);
  MILLRACE_TRY(read_charsets(connection, tables));
  return tables;
}

}  // namespace millrace
