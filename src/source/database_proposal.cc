#include "source/database_proposal.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "source/contract_proposal.h"
#include "source/mapping_proposal.h"
#include "source/mysql_connection.h"
#include "source/mysql_tables.h"

namespace millrace {
namespace {

constexpr std::array<std::string_view, 8> kCursorNames{"updated_at",   "modified_at", "last_update",
                                                       "last_updated", "changed_at",  "updated",
                                                       "modified",     "row_version"};
constexpr std::array<std::string_view, 5> kIntegers{"tinyint", "smallint", "mediumint", "int", "bigint"};

/// What information_schema says beside what an extraction asks for.
struct Catalogue {
  std::set<std::pair<std::string, std::string>> nullable;                 ///< table, column
  std::map<std::pair<std::string, std::string>, std::string> references;  ///< "customers.id"
};

bool is_integer_type(std::string_view type) {
  return std::ranges::find(kIntegers, type) != kIntegers.end();
}

/// Return the logicalType of a column's values in the warehouse; empty for what contracts have no word for.
std::string logical_type(const ColumnSchema& column) {
  const std::string& type = column.data_type;
  if (is_integer_type(type) || type == "year" || type == "bit") return "integer";
  if (type == "decimal") return column.precision > 38 ? "string" : "number";
  if (type == "float" || type == "double") return "number";
  if (type == "date") return "date";
  if (type == "datetime" || type == "timestamp") return "timestamp";
  const bool is_text = type.contains("char") || type.contains("text") || type == "enum" || type == "set" ||
                       type == "json" || type == "uuid";
  return is_text ? "string" : "";
}

/// Return the values of "enum('a','b''c')".
std::vector<std::string> enum_values(const ColumnSchema& column) {
  std::vector<std::string> values;
  if (column.data_type != "enum") return values;
  const std::string& text = column.column_type;
  for (std::size_t at = text.find('\''); at != std::string::npos; at = text.find('\'', at)) {
    std::string value;
    for (++at; at < text.size(); ++at) {
      if (text[at] == '\'' && text.substr(at, 2) != "''") break;
      if (text[at] == '\'') ++at;
      value += text[at];
    }
    values.push_back(std::move(value));
    if (at < text.size()) ++at;
  }
  return values;
}

Result<Catalogue> read_catalogue(MysqlConnection& connection, const std::string& database) {
  Catalogue catalogue;
  const auto schema = sql_literal(database);
  MILLRACE_ASSIGN(const auto columns,
                  connection.query("SELECT table_name, column_name FROM information_schema.columns WHERE "
                                   "is_nullable = 'YES' AND table_schema = " +
                                   schema));
  for (const auto& row : columns) catalogue.nullable.emplace(row[0].value_or(""), row[1].value_or(""));
  MILLRACE_ASSIGN(
      const auto keys,
      connection.query("SELECT table_name, column_name, referenced_table_name, referenced_column_name FROM "
                       "information_schema.key_column_usage WHERE referenced_table_name IS NOT NULL AND "
                       "referenced_table_schema = table_schema AND table_schema = " +
                       schema));
  for (const auto& row : keys)
    catalogue.references[{row[0].value_or(""), row[1].value_or("")}] =
        row[2].value_or("") + "." + row[3].value_or("");
  return catalogue;
}

std::string cursor_of(const MysqlTable& table) {
  for (const auto name : kCursorNames)
    for (const auto& column : table.schema.columns) {
      const bool grows = column.data_type == "timestamp" || column.data_type == "datetime" ||
                         (name == "row_version" && is_integer_type(column.data_type));
      if (column.name == name && grows) return column.name;
    }
  return "";
}

std::string contract_of(const MysqlSource& source, const MysqlTable& table, const Catalogue& catalogue) {
  std::string yaml = contract_head(source.name + "_" + table.name,
                                   fmt::format("the table {} of the source {}", table.name, source.name), "");
  yaml += fmt::format("  - name: {}\n    physicalName: {}\n    physicalType: table\n    properties:\n",
                      yaml_text(table.name), yaml_text(source.name + "." + table.name));
  for (const auto& column : table.schema.columns) {
    const std::pair place{table.name, column.name};
    ContractColumn made{.name = column.name, .type = logical_type(column)};
    made.required = !catalogue.nullable.contains(place);
    made.in_key = std::ranges::find(table.schema.key, column.name) != table.schema.key.end();
    if (column.is_unsigned && is_integer_type(column.data_type)) made.minimum = "0";
    made.values = enum_values(column);
    if (const auto found = catalogue.references.find(place); found != catalogue.references.end())
      made.reference = source.name + "." + found->second;
    yaml += contract_property(made, 6);
  }
  return yaml;
}

TableProposal propose_table(const MysqlSource& source, const MysqlTable& table, const Catalogue& catalogue) {
  TableProposal proposal{.name = table.name,
                         .rows_estimate = table.rows_estimate,
                         .columns = table.schema.columns.size(),
                         .key = table.schema.key,
                         .cursor = cursor_of(table),
                         .problem = table.problem ? table.problem->message : ""};
  if (!proposal.cursor.empty())
    proposal.notes.push_back(
        fmt::format("{} seems to grow whenever a row changes; it wants an index", proposal.cursor));
  proposal.contract = contract_of(source, table, catalogue);
  return proposal;
}

std::string config_of(const MysqlSource& source, const std::vector<TableProposal>& tables) {
  std::string yaml = fmt::format(
      "# Proposed by `millrace discover {0}`: goes below  sources: {0}:  in millrace.yaml.\ntables:\n",
      without_controls(source.name));
  for (const auto& table : tables) {
    std::vector<std::string> options;
    if (!table.cursor.empty()) options.push_back("cursor: " + yaml_text(table.cursor));
    if (table.key.empty()) options.emplace_back("whole: true");
    yaml += fmt::format("  {}: {{{}}}\n", yaml_text(table.name), fmt::join(options, ", "));
  }
  return yaml;
}

}  // namespace

Result<DatabaseProposal> propose_database(const MysqlSource& source) {
  MILLRACE_ASSIGN(const auto connection, MysqlConnection::connect(source));
  MILLRACE_ASSIGN(const auto tables, read_mysql_tables(*connection, source, {}));
  MILLRACE_ASSIGN(const auto catalogue, read_catalogue(*connection, source.database));
  DatabaseProposal proposal;
  for (const auto& table : tables) proposal.tables.push_back(propose_table(source, table, catalogue));
  proposal.config = config_of(source, proposal.tables);
  return proposal;
}

}  // namespace millrace
