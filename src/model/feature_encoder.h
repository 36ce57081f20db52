#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "linalg/matrix.h"
#include "model/feature_columns.h"
#include "model/text_grams.h"

namespace millrace {

struct EncoderSettings {
  std::size_t occurrences_min = 2;  ///< of a category's value among the examples, to get a vector of its own
  std::size_t buckets = 8;  ///< vectors that the other values of a category, and those never seen, share
  std::size_t text_buckets = 4'096;  ///< vectors that the pieces of texts share
  TextGrams grams;
  double number_limit = 10;  ///< deviations from the mean beyond which a number counts no more
};

/// One of the vectors of a field and how much it counts.
struct FieldWeight {
  std::uint32_t index = 0;
  float weight = 1;

  friend bool operator==(const FieldWeight&, const FieldWeight&) = default;
};

/// Rows as a model reads them.
struct EncodedRows {
  Matrix numbers;                    ///< rows × numbers
  std::size_t fields = 0;            ///< of each row
  std::vector<std::size_t> begin;    ///< of the entries of each row's fields, row after row, and the end
  std::vector<FieldWeight> entries;  ///< at least one for each field; their weights sum up to 1

  std::size_t rows() const { return numbers.rows; }
  std::span<const FieldWeight> field(std::size_t row, std::size_t f) const {
    const std::size_t at = row * fields + f;
    return std::span(entries).subspan(begin[at], begin[at + 1] - begin[at]);
  }
};

/// What an encoder knows of one column.
struct EncoderColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kNumber;

  // A number x becomes (x - mean) / deviation, within ±limit, a missing one 0; where the training had missing
  // ones, a second number says which (1: missing). With deviation 0 it is always 0.
  double mean = 0;
  double deviation = 0;
  double limit = 0;  ///< 0: none
  bool indicator = false;

  // A category takes vector 0 when it is missing, 1 + k for values[k], else 1 + values.size() +
  // feature_hash(value) mod buckets. Each piece of a text takes 1 + feature_hash(piece) mod buckets, the same
  // share each; 0 when there is none.
  std::vector<std::string> values;
  std::size_t buckets = 0;
  TextGrams grams;

  std::size_t vectors() const { return 1 + values.size() + buckets; }
};

/// Turns features into numbers and indices, by what was learnt from the rows of a training alone: so that
/// values never seen, and rows of tomorrow, are read the same way. Threads: const methods from any.
class FeatureEncoder {
 public:
  /// Learn from a table in which row i occurs `counts[i]` times among the examples (0: it is not looked at).
  /// `whose` ("users") goes before messages. Errors: kInvalid for a table that check_features refuses, one
  /// without columns, settings out of range.
  static Result<FeatureEncoder> fit(const FeatureTable& table, std::span<const std::uint32_t> counts,
                                    const EncoderSettings& settings, std::string_view whose);

  /// Make one of what is known of each column. Errors: kInvalid, naming the column.
  static Result<FeatureEncoder> of(std::vector<EncoderColumn> columns, std::string_view whose);

  /// Encode all rows. Columns that the encoder does not know are left out. Errors: kInvalid for a table that
  /// check_features refuses, and where a column that the encoder knows is missing or of another kind.
  Result<EncodedRows> encode(const FeatureTable& table) const;

  const std::vector<EncoderColumn>& columns() const { return columns_; }

  /// Return how many numbers a row has: one for each number, two where missing ones are told.
  std::size_t numbers() const;

  /// Return the columns of the fields, which are those that are not numbers, in their order.
  std::vector<const EncoderColumn*> fields() const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Values = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

  void encode_category(std::size_t column, std::string_view value, std::vector<FieldWeight>& into) const;

  std::string whose_;
  std::vector<EncoderColumn> columns_;
  std::vector<Values> values_;  ///< of each column: its values' vectors
};

/// Write and read what an encoder knows, exactly: docs/formats/towers.md. Errors: kInvalid with the place.
nlohmann::json encoder_to_json(const EncoderColumn& column);
Result<EncoderColumn> encoder_from_json(const nlohmann::json& json, std::string_view where);

}  // namespace millrace
