#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace millrace {

/// How good one list is for one person, all between 0 and 1. Recall divides by the smaller of the length of
/// the list and of what was wanted (Liang and others, 2018), precision by the length of the list.
enum class Metric : std::uint8_t { kNdcg, kRecall, kPrecision, kHitRate, kMrr, kMap, kCount };

inline constexpr std::size_t kMetricCount = static_cast<std::size_t>(Metric::kCount);

std::string_view metric_name(Metric metric);

using MetricValues = std::array<float, kMetricCount>;

/// Judge a list, best first, of at most `n`, against what was wanted (ascending, not empty).
MetricValues judge(std::span<const std::uint32_t> list, std::size_t n, std::span<const std::uint32_t> wanted);

/// Return the `n` items of the greatest scores, best first, equal ones by the smaller item, without those of
/// `masked` (ascending) and those whose score is -∞ or not a number.
std::vector<std::uint32_t> best_items(std::span<const float> scores, std::size_t n,
                                      std::span<const std::uint32_t> masked);

/// A mean and where it would lie in 95 of 100 other draws of as many people.
struct Estimate {
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Estimate the mean of values by the bootstrap (Efron, 1979): the 2.5th and 97.5th percentile of the means
/// of `resamples` draws with repetition. Zeros for no values.
Estimate bootstrap_mean(std::span<const float> values, std::size_t resamples, std::uint64_t seed);

/// The same where several values may be one person's, who is then drawn with all of theirs, since they are
/// alike: `people` says whose each is. Each of `measures` has as many values as that; all are estimated by
/// the same draws.
std::vector<Estimate> bootstrap_means_of_people(std::span<const std::vector<float>> measures,
                                                std::span<const std::uint32_t> people, std::size_t resamples,
                                                std::uint64_t seed);

}  // namespace millrace
