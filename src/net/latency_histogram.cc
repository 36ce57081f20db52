#include "net/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace {

// Values below 2^kLinearBits have a bucket each. Above, the top seven bits choose one of kHalf buckets of
// their doubling (the first bit is always set).
std::size_t LatencyHistogram::bucket_of(std::uint64_t value) {
  if (value < (1u << kLinearBits)) return value;
  const int shift = std::bit_width(value) - kLinearBits;
  const auto bucket = static_cast<std::size_t>(shift) * kHalf + (value >> shift);
  return std::min(bucket, kBuckets - 1);
}

std::uint64_t LatencyHistogram::highest_in(std::size_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  const auto shift = bucket / kHalf - 1;
  const auto top = bucket - shift * kHalf;
  return ((top + 1) << shift) - 1;
}

void LatencyHistogram::record(DurationUs latency_us) {
  const auto value = static_cast<std::uint64_t>(std::max<DurationUs>(latency_us, 0));
  ++counts_[bucket_of(value)];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, static_cast<DurationUs>(value));
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double LatencyHistogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

DurationUs LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const auto rank =
      static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= std::max<std::uint64_t>(rank, 1))
      return std::min(static_cast<DurationUs>(highest_in(i)), max_);
  }
  return max_;
}

}  // namespace millrace
