#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "event/json_writer.h"
#include "warehouse/aggregation.h"

namespace millrace {

__extension__ using Int128 = __int128;

/// What the value of a measure is made of.
enum class MeasureType : std::uint8_t {
  kInteger,  ///< whole numbers, decimals in their smallest unit, times: all that compares as a number
  kReal,
  kText,  ///< compares by its bytes
};

/// How a measure of one aggregation is added up and shown.
struct MeasureForm {
  std::string name;
  Measure::Kind kind = Measure::Kind::kCount;
  MeasureType type = MeasureType::kInteger;
  std::optional<unsigned> scale;  ///< of a sum of decimals: digits behind the point
};

/// A measure over some rows, in a form that can be added up: a cell of what AggregationSql::partial gives.
struct MeasureValue {
  Measure::Kind kind = Measure::Kind::kCount;
  MeasureType type = MeasureType::kInteger;
  bool known = false;  ///< not NULL
  Int128 number = 0;   ///< kInteger
  double real = 0;     ///< kReal
  TimeUs at = 0;       ///< of `first`: when
  std::string text;    ///< kText, and the bytes of a sketch
  std::string shown;   ///< of min, max and first: the value as JSON

  /// Add what another has of the same measure, as SQL would. A sketch that is none counts as nothing.
  void merge(const MeasureValue& other);

  /// Write it as the view of the aggregation would, in the forms of /v1/sql.
  void write(JsonWriter& json, const MeasureForm& form) const;

  std::size_t bytes() const { return text.size() + shown.size(); }
  bool operator==(const MeasureValue&) const = default;
};

/// All measures of one window and key over some rows.
struct MeasureValues {
  std::vector<MeasureValue> values;
  std::uint64_t events = 0;  ///< rows in them

  void merge(const MeasureValues& other);
  bool operator==(const MeasureValues&) const = default;
};

}  // namespace millrace
