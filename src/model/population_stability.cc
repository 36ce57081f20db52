#include "model/population_stability.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace millrace {
namespace {

constexpr double kOnceInAThousand = 3.0902;  ///< quantile of the normal distribution
constexpr double kAdded = 0.5;               ///< rows added to each bin, so that none is empty

std::vector<double> shares_of(std::span<const double> counts) {
  const double all =
      std::accumulate(counts.begin(), counts.end(), 0.0) + kAdded * static_cast<double>(counts.size());
  std::vector<double> shares;
  for (const double count : counts) shares.push_back((count + kAdded) / all);
  return shares;
}

/// A quantile of chi-square with these degrees of freedom, which may be broken (Wilson and Hilferty, 1931).
double chi_square_quantile(double freedom, double normal_quantile) {
  const double spread = 2 / (9 * freedom);
  return freedom * std::pow(std::max(0.0, 1 - spread + normal_quantile * std::sqrt(spread)), 3);
}

}  // namespace

struct StabilityMeter::Sums {
  explicit Sums(std::size_t count)
      : p(count), q(count), weight(count), own(count), covariance(count * count) {}

  std::vector<double> p, q;        ///< shares before and after
  std::vector<double> weight;      ///< of each bin: 1 / √share of all rows
  std::vector<double> own;         ///< what one person adds to the differences
  std::vector<double> covariance;  ///< of the differences, weighted; its lower half
};

StabilityMeter::StabilityMeter(std::span<const std::uint32_t> people, std::size_t after)
    : after_(after), by_person_(people.size()) {
  std::iota(by_person_.begin(), by_person_.end(), 0U);
  std::ranges::stable_sort(by_person_, {}, [&](std::uint32_t row) { return people[row]; });
  for (std::size_t i = 0; i < by_person_.size(); ++i)
    if (i == 0 || people[by_person_[i]] != people[by_person_[i - 1]]) begins_.push_back(i);
  begins_.push_back(by_person_.size());
}

void StabilityMeter::add_person(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> bins,
                                Sums& sums) const {
  const std::size_t count = sums.own.size();
  const double one_before = 1 / static_cast<double>(rows_before()),
               one_after = 1 / static_cast<double>(rows_after());
  std::ranges::fill(sums.own, 0.0);
  double before = 0, after = 0;
  for (const std::uint32_t row : rows) {
    (row < after_ ? before : after) += row < after_ ? one_before : one_after;
    sums.own[bins[row]] += row < after_ ? -one_before : one_after;
  }
  for (std::size_t b = 0; b < count; ++b)
    sums.own[b] = (sums.own[b] + before * sums.p[b] - after * sums.q[b]) * sums.weight[b];
  for (std::size_t b = 0; b < count; ++b)
    for (std::size_t c = 0; c <= b; ++c) sums.covariance[b * count + c] += sums.own[b] * sums.own[c];
}

Stability StabilityMeter::measure(std::span<const std::uint32_t> bins, std::size_t count) const {
  if (rows_before() == 0 || rows_after() == 0 || count < 2) return {};
  std::vector<double> before(count), after(count), all(count);
  for (std::size_t row = 0; row < bins.size(); ++row) ++(row < after_ ? before : after)[bins[row]];
  for (std::size_t b = 0; b < count; ++b) all[b] = before[b] + after[b];

  Sums sums(count);
  sums.p = shares_of(before);
  sums.q = shares_of(after);
  Stability found;
  const std::vector<double> pooled = shares_of(all);
  for (std::size_t b = 0; b < count; ++b) {
    found.index += (sums.q[b] - sums.p[b]) * std::log(sums.q[b] / sums.p[b]);
    sums.weight[b] = 1 / std::sqrt(pooled[b]);
    const double difference = (sums.q[b] - sums.p[b]) * sums.weight[b];
    found.distance += difference * difference;
  }
  const std::span rows(by_person_);
  for (std::size_t i = 0; i + 1 < begins_.size(); ++i)
    add_person(rows.subspan(begins_[i], begins_[i + 1] - begins_[i]), bins, sums);

  double trace = 0, squares = 0;  // of the matrix: its eigenvalues' sum, and that of their squares
  for (std::size_t b = 0; b < count; ++b)
    for (std::size_t c = 0; c <= b; ++c) {
      const double value = sums.covariance[b * count + c];
      if (b == c) trace += value;
      squares += (b == c ? 1 : 2) * value * value;
    }
  if (squares <= 0) return found;
  found.by_chance = trace;
  found.limit = squares / trace * chi_square_quantile(trace * trace / squares, kOnceInAThousand);
  return found;
}

}  // namespace millrace
