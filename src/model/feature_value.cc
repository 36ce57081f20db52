#include "model/feature_value.h"

namespace millrace {

std::string_view feature_type_sql(FeatureType type) {
  switch (type) {
    case FeatureType::kBigint:
      return "BIGINT";
    case FeatureType::kDouble:
      return "DOUBLE";
    case FeatureType::kDecimal:
      return "DECIMAL(18,4)";
    case FeatureType::kBoolean:
      return "BOOLEAN";
    case FeatureType::kVarchar:
      return "VARCHAR";
    case FeatureType::kTimestamp:
      return "TIMESTAMP";
  }
  return "";
}

FeatureValue feature_cell(const duck::Rows& rows, FeatureType type, std::size_t column, std::size_t row) {
  if (rows.is_null(column, row)) return {};
  switch (type) {
    case FeatureType::kDouble:
      return rows.real(column, row);
    case FeatureType::kVarchar:
      return std::string(rows.text(column, row));
    case FeatureType::kBoolean:
      return std::int64_t{rows.boolean(column, row)};
    case FeatureType::kBigint:
    case FeatureType::kDecimal:
    case FeatureType::kTimestamp:
      break;
  }
  return rows.int64(column, row);
}

void write_feature(JsonWriter& json, FeatureType type, const FeatureValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    json.text(*text);
  } else if (const auto* real = std::get_if<double>(&value)) {
    json.number(*real);
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (type == FeatureType::kBoolean)
      json.boolean(*number != 0);
    else if (type == FeatureType::kDecimal)
      json.decimal(Decimal::from_units(*number));
    else if (type == FeatureType::kTimestamp)
      json.time(*number);
    else
      json.integer(*number);
  } else {
    json.null();
  }
}

std::size_t bytes_beyond(const FeatureValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  constexpr std::size_t kInPlace = 15;
  return text == nullptr || text->size() <= kInPlace ? 0 : text->capacity() + 1;
}

}  // namespace millrace
