#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

/// Below the first nothing of note has changed, above the second it is another population: limits that are
/// customary in credit scoring (Siddiqi, Credit Risk Scorecards, 2006). Nothing derives them.
inline constexpr double kStabilityMoved = 0.1;
inline constexpr double kStabilityShifted = 0.25;

/// How far the shares of bins lie apart before and after some time.
struct Stability {
  double index = 0;      ///< population stability index: the sum of (q - p) ln(q / p), p before, q after
  double by_chance = 0;  ///< what the index would be in the mean if nothing had changed
  double distance =
      0;             ///< near the index while that is small, but not blown up by bins that are nearly empty
  double limit = 0;  ///< what the distance would exceed once in a thousand times if nothing had changed

  /// Return how much of the index is not chance; 0 where all of it may be.
  double beyond_chance() const { return distance > limit && index > by_chance ? index - by_chance : 0; }
};

/// Compares the bins that rows fall into before and after some time.
///
/// Few rows differ by chance, and the index grows with that: if nothing changed, and every row were drawn for
/// itself, its mean would be (bins - 1)(1/N + 1/M) (Yurdakul and Naranjo, 2020). But people are not drawn
/// row by row: one who looks at a thing ten times counts ten times. So the covariance of the difference of
/// shares is estimated from people, each a cluster, who may be on both sides, and the distance is held
/// against a multiple of chi-square with the same mean and variance (Rao and Scott, 1981; Satterthwaite,
/// 1946). That holds with some ten people for each bin on either side.
class StabilityMeter {
 public:
  /// `people` says of each row, by time, whose it is, by number; rows from `after` on are those after.
  StabilityMeter(std::span<const std::uint32_t> people, std::size_t after);

  /// Compare; `bins` says of each row which bin it is in, below `count`. Zeros where one side has no rows.
  Stability measure(std::span<const std::uint32_t> bins, std::size_t count) const;

  std::size_t rows_before() const { return after_; }
  std::size_t rows_after() const { return by_person_.size() - after_; }

 private:
  struct Sums;
  void add_person(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> bins, Sums& sums) const;

  const std::size_t after_;
  std::vector<std::uint32_t> by_person_;  ///< rows, those of one person together
  std::vector<std::size_t> begins_;       ///< of each person who has rows, and the end
};

}  // namespace millrace
