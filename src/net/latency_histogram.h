#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace millrace {

/// Counts of latencies in log-linear buckets: exact below 128 µs, then 64 buckets to each doubling, so a
/// percentile is right to 1.6 %. 17 KB; longest 2^38 µs, three days. Threads: one at a time.
class LatencyHistogram {
 public:
  /// Negative values count as 0.
  void record(DurationUs latency_us);
  void merge(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  DurationUs max() const { return max_; }
  double mean() const;

  /// Return the latency that the share `q` (0..1) of all does not exceed; 0 when empty.
  DurationUs quantile(double q) const;

 private:
  static constexpr int kLinearBits = 7;
  static constexpr int kHalf = 64;
  static constexpr int kDoublings = 31;
  static constexpr std::size_t kBuckets = 2 * kHalf + kDoublings * kHalf;

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t highest_in(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  DurationUs max_ = 0;
};

}  // namespace millrace
