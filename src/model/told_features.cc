#include "model/told_features.h"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& value) {
  if (value.is_string()) return value;
  if (value.is_number_float() && value == std::floor(value.get<double>()) &&
      std::abs(value.get<double>()) < 9e15)
    return std::to_string(std::llround(value.get<double>()));
  return value.is_null() ? std::string() : value.dump();  // 7 and true are categories as well
}

Status check_names(const FeatureEncoder& encoder, const Json& row) {
  std::vector<std::string> known;
  for (const EncoderColumn& column : encoder.columns()) known.push_back(column.name);
  for (const auto& [name, value] : row.items())
    if (std::ranges::find(known, name) == known.end())
      return fail(Code::kInvalid,
                  fmt::format("the model knows no feature {}: it knows {}", name, fmt::join(known, ", ")));
  return {};
}

}  // namespace

Result<FeatureTable> told_features(const FeatureEncoder& encoder, std::span<const Json> rows) {
  FeatureTable table;
  for (const EncoderColumn& column : encoder.columns())
    table.columns.push_back({.name = column.name, .kind = column.kind, .numbers = {}, .texts = {}});
  for (const Json& row : rows) {
    if (!row.is_object())
      return fail(Code::kInvalid, R"(features are an object, such as {"country":"France"})");
    MILLRACE_TRY(check_names(encoder, row));
    table.ids.emplace_back();
    for (FeatureColumn& column : table.columns) {
      const auto found = row.find(column.name);
      static const Json none;
      const Json& value = found == row.end() ? none : *found;
      if (value.is_structured())
        return fail(Code::kInvalid, fmt::format("the feature {} is one value, not several", column.name));
      if (column.kind != ColumnKind::kNumber) {
        column.texts.push_back(text_of(value));
        continue;
      }
      if (!value.is_null() && !value.is_number())
        return fail(Code::kInvalid, fmt::format("the feature {} is a number", column.name));
      column.numbers.push_back(value.is_null() ? std::nan("") : value.get<double>());
    }
  }
  return table;
}

}  // namespace millrace
