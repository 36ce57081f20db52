#include "model/feature_columns.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

Status check_column(const FeatureColumn& column, std::size_t rows, std::string_view whose) {
  if (column.name.empty() || !is_utf8(column.name))
    return fail(Code::kInvalid, fmt::format("{}: a column needs a name, in UTF-8", whose));
  if (column.size() != rows)
    return fail(Code::kInvalid, fmt::format("{}: the column '{}' has {} values for {} rows", whose,
                                            column.name, column.size(), rows));
  const auto infinite =
      std::ranges::find_if(column.numbers, [](double number) { return std::isinf(number); });
  if (infinite != column.numbers.end())
    return fail(Code::kInvalid, fmt::format("{}: '{}' of row {} is infinite; leave it empty if it is unknown",
                                            whose, column.name, infinite - column.numbers.begin()));
  return {};
}

}  // namespace

std::string_view column_kind_name(ColumnKind kind) {
  constexpr std::array<std::string_view, 3> kNames = {"number", "category", "text"};
  return kNames[static_cast<std::size_t>(kind)];
}

const FeatureColumn* FeatureTable::find(std::string_view name) const {
  const auto found = std::ranges::find(columns, name, &FeatureColumn::name);
  return found == columns.end() ? nullptr : &*found;
}

FeatureTable FeatureTable::take(std::span<const std::uint32_t> numbers) const {
  FeatureTable taken;
  for (const std::uint32_t row : numbers) taken.ids.push_back(ids[row]);
  for (const FeatureColumn& column : columns) {
    FeatureColumn& part = taken.columns.emplace_back();
    part.name = column.name;
    part.kind = column.kind;
    for (const std::uint32_t row : numbers)
      if (column.kind == ColumnKind::kNumber)
        part.numbers.push_back(column.numbers[row]);
      else
        part.texts.push_back(column.texts[row]);
  }
  return taken;
}

Status check_features(const FeatureTable& table, std::string_view whose) {
  std::set<std::string_view> names;
  for (const FeatureColumn& column : table.columns) {
    MILLRACE_TRY(check_column(column, table.rows(), whose));
    if (!names.insert(column.name).second)
      return fail(Code::kInvalid, fmt::format("{}: there are two columns '{}'", whose, column.name));
  }
  return {};
}

}  // namespace millrace
