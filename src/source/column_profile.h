#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/time.h"
#include "source/row_reader.h"
#include "source/time_format.h"

namespace millrace {

/// What the values of a column are, as far as they were looked at.
struct ColumnProfile {
  enum class Type : std::uint8_t { kEmpty, kBoolean, kInteger, kNumber, kTime, kText, kJson };

  std::string name;
  Type type = Type::kEmpty;
  bool is_json = false;   ///< every value is a JSON number, boolean, list or object, not a text
  bool has_json = false;  ///< some value is
  std::uint64_t rows = 0;
  std::uint64_t empty = 0;     ///< of them without a value
  std::uint64_t distinct = 0;  ///< different values …
  bool has_more = false;       ///< … or more: counting stopped there
  std::uint64_t negative = 0;  ///< numbers below 0
  std::string min, max;        ///< as written; numbers and times by their size
  std::size_t bytes_max = 0;   ///< of the longest value
  /// All values and how often, the most frequent first, when there are few.
  std::vector<std::pair<std::string, std::uint64_t>> values;
  std::string time_format;    ///< of kTime, and of whole numbers that are one; as in mappings
  bool names_zone = false;    ///< its times say their zone
  bool is_ambiguous = false;  ///< day and month may be the other way round
  bool is_row_list = false;   ///< every value is a list of objects, which may be rows themselves

  /// Return whether each row has a value of its own.
  bool is_unique() const { return rows > 0 && empty == 0 && !has_more && distinct == rows; }
  /// Return whether it has few values that come again and again.
  bool is_enum() const { return !values.empty() && rows >= 10 * values.size(); }
  bool is_number() const { return type == Type::kInteger || type == Type::kNumber; }

  static constexpr std::size_t kValuesMax = 20;
};

/// Return "integer", "time", …
std::string_view type_name(ColumnProfile::Type type);

/// Looks at the values of one column, in bounded memory. One thread.
class ColumnProfiler {
 public:
  /// `rows_before` rows had no such column.
  ColumnProfiler(std::string name, std::uint64_t rows_before, std::size_t distinct_max);

  void add(const Cell& cell);
  ColumnProfile finish() const;

 private:
  struct Candidate;

  void look_at_number(std::string_view text);
  void look_at_time(std::string_view text);
  void count(std::string_view text);
  ColumnProfile::Type type() const;

  ColumnProfile profile_;
  const std::size_t distinct_max_;
  std::unordered_set<std::uint64_t> hashes_;
  std::map<std::string, std::uint64_t, std::less<>> values_;
  bool few_ = true;  ///< `values_` has all
  std::uint64_t json_ = 0, lists_ = 0, row_lists_ = 0, booleans_ = 0, integers_ = 0, numbers_ = 0;
  bool has_long_ = false;                ///< a whole number has more figures than 64 bits hold for certain
  std::vector<const Candidate*> times_;  ///< formats that fit all values so far
  std::uint64_t with_zone_ = 0;          ///< ISO times that say theirs
  double number_min_ = 0, number_max_ = 0;
  std::string number_min_text_, number_max_text_;
  TimeUs time_min_ = 0, time_max_ = 0;
  std::string time_min_text_, time_max_text_;
};

}  // namespace millrace
