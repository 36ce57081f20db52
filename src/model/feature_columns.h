#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// What the values of a column are, and with that how a model reads them.
enum class ColumnKind : std::uint8_t {
  kNumber,    ///< how much: standardised
  kCategory,  ///< which one: a vector for each value
  kText,      ///< words: vectors of their letters, averaged
};

/// Return "number", "category" or "text".
std::string_view column_kind_name(ColumnKind kind);

/// One feature of many users or items. Of the two vectors the one of its kind holds a value for each row.
struct FeatureColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kNumber;
  std::vector<double> numbers;     ///< of a number; NaN: missing
  std::vector<std::string> texts;  ///< of a category or a text; empty: missing

  std::size_t size() const { return kind == ColumnKind::kNumber ? numbers.size() : texts.size(); }
};

/// Users or items with their features, column by column. An id that a model should learn something about
/// beyond the other features is a column of its own as well (a category).
struct FeatureTable {
  std::vector<std::string> ids;  ///< of each row
  std::vector<FeatureColumn> columns;

  std::size_t rows() const { return ids.size(); }

  /// Return the column of that name, or null.
  const FeatureColumn* find(std::string_view name) const;

  /// Return the rows with these numbers, in that order. Needs each below rows().
  FeatureTable take(std::span<const std::uint32_t> numbers) const;
};

/// Check that every column has a name of its own and a value for each row, and that numbers are finite or
/// missing. `whose` ("users") goes before the message. Errors: kInvalid.
Status check_features(const FeatureTable& table, std::string_view whose);

/// A user and an item, by their rows in the tables of features, and what came of it.
struct TwoTowerExample {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  float label = std::numeric_limits<float>::quiet_NaN();  ///< a rating; NaN: there is none
  float weight = 1;                                       ///< how much it counts
};

}  // namespace millrace
