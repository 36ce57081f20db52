#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/mapping.h"
#include "source/row_reader.h"

namespace millrace {

inline constexpr std::size_t kNoColumn = SIZE_MAX;

/// Finds the columns that a mapping names among those of a file, and notes those that are not there.
class ColumnFinder {
 public:
  /// With `complete` (a CSV header) a column that is not there is a mistake; else it may come later.
  ColumnFinder(const std::vector<std::string>& columns, bool complete)
      : columns_(columns), complete_(complete) {}

  /// Return the column's number; kNoColumn for an empty name, or one that is not there (yet). `where` is
  /// the place that names it.
  std::size_t find(const std::string& name, const std::string& where);

  /// Report all that were missing, each with its place and the nearest name; or, where the header was cut by
  /// the wrong delimiter, that alone, with the remedy. Errors: kInvalid.
  Status finish();

 private:
  const std::vector<std::string>& columns_;
  const bool complete_;
  std::vector<Error> missing_;
};

/// Reads the values of a row by a mapping's rules. One thread.
class RowValues {
 public:
  /// Forget the joined columns, since the columns are found anew.
  void forget_joined() { joined_.clear(); }

  /// Return the number of a column that is the texts of `columns` with `separator` between them, empty where
  /// any of them is.
  std::size_t join(std::vector<std::size_t> columns, std::string_view separator);

  /// Begin with another row; what was returned for the last one is no longer valid.
  void begin(const Row& row) {
    row_ = &row;
    made_.clear();
  }

  /// Return the text of a column without blanks around it; empty where there is none. Not of joined ones.
  std::string_view cell(std::size_t column) const;

  /// Return what `rule` says, `column` being where its column was found. Valid until the next row.
  std::string_view value(const ValueRule& rule, std::size_t column);

  /// Return whether the row meets `condition`.
  bool meets(const Condition& condition, std::size_t column) const;

  /// Set a member of an event, order or item. An empty value leaves it absent. Errors: kInvalid.
  template <class Object>
  Status fill(const MemberRule<Object>& rule, std::size_t column, Object& into);

 private:
  struct Joined {
    std::vector<std::size_t> columns;
    std::string separator;
  };
  static constexpr std::size_t kFirstJoined = kNoColumn / 2;

  std::string_view joined(const Joined& joined);

  const Row* row_ = nullptr;
  std::vector<Joined> joined_;    ///< columns from kFirstJoined on
  std::deque<std::string> made_;  ///< texts of this row that stand in no cell
};

}  // namespace millrace
