#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/sparse_matrix.h"

namespace millrace {

/// Numbers for ids, from 0 in the order they came.
class IdMap {
 public:
  /// Return the number of an id, giving it the next one if it is new.
  std::uint32_t add(std::string_view id);
  std::optional<std::uint32_t> find(std::string_view id) const;
  const std::string& id(std::uint32_t number) const { return ids_[number]; }
  std::size_t size() const { return ids_.size(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> ids_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
};

/// Someone met something: implicit feedback, or a rating.
struct Feedback {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  float weight = 1;
  std::uint32_t row = 0;  ///< which of the rows it was read as, from 0, where features are known of each
  TimeUs time = 0;

  friend bool operator==(const Feedback&, const Feedback&) = default;
};

/// Who met what, and when: what recommenders learn from.
struct FeedbackSet {
  IdMap users;
  IdMap items;
  std::vector<Feedback> rows;  ///< by time; those of one time in the order they came
};

/// Sort by time, those of one time in the order they came.
void sort_by_time(std::vector<Feedback>& rows);

/// Return the same rows with people and items numbered in the order of time, so that whom and what a
/// training knows come before all others.
FeedbackSet numbered_by_time(const FeedbackSet& all);

/// Make the matrix of who met what, users × items, weights of one pair added up.
SparseMatrix meetings_of(std::span<const Feedback> rows, std::size_t users, std::size_t items);

/// What to make of the third column of plain text.
struct PlainTextOptions {
  /// Ratings below this are left out and the others count 1; not set: each counts its value.
  std::optional<float> liked_from;
  std::string name;  ///< of the file, for errors
};

/// Add the lines `user item [rating [time]]` of plain text to `into`, as public benchmark sets have them:
/// separated by tabs, commas, semicolons, `::` or spaces, with or without a line of names first; times are
/// seconds since 1970 (milliseconds and microseconds are recognised by their size). Without a time the lines
/// are in order. Errors: kInvalid for a line that cannot be read, with its number.
Status read_feedback(std::string_view text, const PlainTextOptions& options, FeedbackSet& into);

}  // namespace millrace
