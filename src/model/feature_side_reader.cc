#include "model/feature_side_reader.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "model/training_set_sql.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

/// What a column of a SQL type is read as; nothing for types that no feature is of.
std::optional<ColumnKind> kind_of_type(std::string_view type) {
  constexpr std::array<std::string_view, 12> kNumbers = {"TINYINT", "SMALLINT", "INTEGER",   "BIGINT",
                                                         "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                                                         "UBIGINT", "FLOAT",    "DOUBLE",    "UHUGEINT"};
  constexpr std::array<std::string_view, 3> kCategories = {"VARCHAR", "BOOLEAN", "UUID"};
  if (type.ends_with("]")) return std::nullopt;
  if (std::ranges::count(kNumbers, type) > 0 || type.starts_with("DECIMAL") ||
      type.starts_with("TIMESTAMP") || type == "DATE")
    return ColumnKind::kNumber;
  if (std::ranges::count(kCategories, type) > 0 || type.starts_with("ENUM")) return ColumnKind::kCategory;
  return std::nullopt;
}

/// Times count in days.
std::string expression_of(const std::string& name, std::string_view type, ColumnKind kind) {
  const std::string column = sql_identifier(name);
  // Numbers as categories are written as a caller of the API writes them: 1, not 1.0.
  if (kind != ColumnKind::kNumber && (type == "DOUBLE" || type == "FLOAT" || type.starts_with("DECIMAL")))
    return fmt::format(
        "CASE WHEN {0} = floor({0}) AND abs({0}) < 9e15 THEN {0}::BIGINT::VARCHAR ELSE {0}::DOUBLE::VARCHAR "
        "END",
        column);
  if (kind != ColumnKind::kNumber) return fmt::format("{}::VARCHAR", column);
  if (type == "DATE" || type.starts_with("TIMESTAMP")) return fmt::format("epoch({}) / 86400", column);
  return fmt::format("{}::DOUBLE", column);
}

}  // namespace

Status FeatureSideReader::begin(duck::Connection& connection, const std::string& interactions,
                                const std::string& id_column) {
  if (source_.id.empty()) source_.id = id_column;
  const auto in_side = [&](Error error) { return std::move(error).with_context(whose_); };
  if (source_.from.empty()) {
    if (source_.columns.empty()) source_.columns.push_back({id_column, ColumnKind::kCategory});
    source_.id = id_column;
    if (auto chosen = choose_columns(connection, interactions); !chosen)
      return fail(in_side(std::move(chosen).error()));
    for (const Column& column : columns_) expressions_.push_back(column.expression);
    return {};
  }
  const std::string own = fmt::format("model_{}", whose_);
  if (auto made = make_checked(
          connection, fmt::format("CREATE TEMP TABLE {} AS SELECT * FROM {}", own, from_sql(source_.from)));
      !made)
    return fail(in_side(std::move(made).error()));
  auto read = choose_columns(connection, own);
  if (read) read = read_table(connection, own);
  if (!read) return fail(in_side(std::move(read).error()));
  return {};
}

Status FeatureSideReader::choose_columns(duck::Connection& connection, const std::string& of_table) {
  std::vector<std::pair<std::string, std::string>> types;
  MILLRACE_ASSIGN(auto described, connection.query(fmt::format(
                                      "SELECT column_name, column_type FROM (DESCRIBE {})", of_table)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, described.next_chunk());
    if (!more) break;
    for (std::size_t row = 0; row < described.size(); ++row)
      types.emplace_back(described.text(0, row), described.text(1, row));
  }
  std::vector<std::string> names;
  for (const auto& [name, type] : types) names.push_back(name);
  const auto missing = [&](const std::string& name) {
    const std::string nearest = nearest_name(name, names);
    return fail(Code::kInvalid, fmt::format("there is no column {}{}", name,
                                            nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  };
  if (std::ranges::count(names, source_.id) == 0) return missing(source_.id);
  if (source_.columns.empty())
    for (const std::string& name : names)
      if (name != source_.id) source_.columns.push_back({name, {}});
  for (const auto& [name, wanted] : source_.columns) {
    const auto found = std::ranges::find(types, name, &std::pair<std::string, std::string>::first);
    if (found == types.end()) return missing(name);
    const auto by_type = name == source_.id ? ColumnKind::kCategory : kind_of_type(found->second);
    if (!by_type)
      return fail(Code::kInvalid,
                  fmt::format("the column {} is a {}, which no feature can be; give a SELECT that "
                              "makes a number or a text of it",
                              name, found->second));
    const ColumnKind kind = wanted.value_or(*by_type);
    columns_.push_back({name, kind, expression_of(name, found->second, kind)});
    table.columns.push_back({.name = name, .kind = kind});
  }
  return {};
}

Status FeatureSideReader::read_table(duck::Connection& connection, const std::string& of_table) {
  std::string list;
  for (const Column& column : columns_) list += ", " + column.expression;
  const std::string id = sql_identifier(source_.id);
  MILLRACE_ASSIGN(auto rows_read, connection.query(fmt::format(
                                      "SELECT {0}::VARCHAR{1} FROM {2} WHERE {0} IS NOT NULL ORDER BY 1", id,
                                      list, of_table)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows_read.next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows_read.size(); ++row) {
      const std::string one(rows_read.text(0, row));
      if (row_of_.contains(one))
        return fail(Code::kInvalid,
                    fmt::format("there are several rows of {} {}: give one of each", source_.id, one));
      row_of_[one] = append(rows_read, row, 1, one);
    }
  }
}

std::uint32_t FeatureSideReader::append(const duck::Rows& from, std::size_t row, std::size_t column,
                                        std::string_view id) {
  table.ids.emplace_back(id);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    FeatureColumn& into = table.columns[c];
    if (into.kind != ColumnKind::kNumber)
      into.texts.emplace_back(from.text(column + c, row));
    else
      into.numbers.push_back(from.is_null(column + c, row) ? std::nan("") : from.real(column + c, row));
  }
  return static_cast<std::uint32_t>(table.ids.size() - 1);
}

std::uint32_t FeatureSideReader::append_unknown(std::string_view id) {
  table.ids.emplace_back(id);
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    FeatureColumn& into = table.columns[c];
    if (into.kind == ColumnKind::kNumber)
      into.numbers.push_back(std::nan(""));
    else
      into.texts.emplace_back(into.name == source_.id ? id : "");
  }
  return static_cast<std::uint32_t>(table.ids.size() - 1);
}

void FeatureSideReader::add(const duck::Rows& from, std::size_t row, std::size_t column, std::string_view id,
                            std::uint32_t number) {
  std::string key(id);
  if (source_.from.empty())
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      key.push_back('\0');
      if (columns_[c].kind != ColumnKind::kNumber)
        key += from.text(column + c, row);
      else if (!from.is_null(column + c, row))
        key += fmt::format("{}", from.real(column + c, row));
    }
  const auto [found, fresh] = row_of_.try_emplace(std::move(key), 0);
  if (fresh) found->second = source_.from.empty() ? append(from, row, column, id) : append_unknown(id);
  rows.push_back(found->second);
  if (number == first.size()) first.push_back(found->second);
}

void FeatureSideReader::finish(IdMap& ids) {
  if (source_.from.empty()) {
    // What an interaction says of someone was not known before it: whoever has none yet is a stranger.
    if (!first.empty()) std::ranges::fill(first, append_unknown(""));
    return;
  }
  for (const std::string& id : table.ids) {
    const std::uint32_t number = ids.add(id);
    if (number == first.size()) first.push_back(row_of_.at(id));
  }
}

}  // namespace millrace
