#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "event/json_writer.h"
#include "warehouse/duck.h"

namespace millrace {

enum class FeatureType : std::uint8_t { kBigint, kDouble, kDecimal, kBoolean, kVarchar, kTimestamp };

/// One value of a feature; which alternative goes with its type: BIGINT, DECIMAL (units of 1/10,000), BOOLEAN
/// and TIMESTAMP (µs) are whole numbers. `std::monostate`: NULL. Values of one type compare as SQL does.
using FeatureValue = std::variant<std::monostate, std::int64_t, double, std::string>;

inline bool is_null(const FeatureValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

/// Return "BIGINT", "DECIMAL(18,4)" …
std::string_view feature_type_sql(FeatureType type);

/// Read a cell of a column that has the SQL type of `type`.
FeatureValue feature_cell(const duck::Rows& rows, FeatureType type, std::size_t column, std::size_t row);

/// Write it: numbers as numbers, times as ISO 8601.
void write_feature(JsonWriter& json, FeatureType type, const FeatureValue& value);

/// Return what it takes up beyond its own size.
std::size_t bytes_beyond(const FeatureValue& value);

}  // namespace millrace
