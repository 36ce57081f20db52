#include "net/latency_histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(LatencyHistogram, IsEmptyAtFirst) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.99), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(LatencyHistogram, IsExactForSmallValues) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 100; ++us) histogram.record(us);
  EXPECT_EQ(histogram.quantile(0.5), 50);
  EXPECT_EQ(histogram.quantile(0.99), 99);
  EXPECT_EQ(histogram.quantile(1), 100);
  EXPECT_EQ(histogram.mean(), 50.5);
}

TEST(LatencyHistogram, AgreesWithASortedListToItsPrecision) {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> draw(8, 2);
  LatencyHistogram histogram;
  std::vector<DurationUs> sorted;
  for (int i = 0; i < 50'000; ++i) {
    sorted.push_back(static_cast<DurationUs>(draw(random)));
    histogram.record(sorted.back());
  }
  std::ranges::sort(sorted);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto exact = sorted[static_cast<std::size_t>(q * 50'000) - 1];
    EXPECT_GE(histogram.quantile(q), exact) << q;
    EXPECT_LE(static_cast<double>(histogram.quantile(q)), static_cast<double>(exact) * 1.016 + 1) << q;
  }
}

TEST(LatencyHistogram, TakesExtremesAndMerges) {
  LatencyHistogram one, other;
  one.record(-5);
  other.record(INT64_MAX / 2);
  one.merge(other);
  EXPECT_EQ(one.count(), 2u);
  EXPECT_EQ(one.quantile(0.5), 0);
  EXPECT_EQ(one.max(), INT64_MAX / 2);
  EXPECT_GT(one.quantile(1), 1'000'000'000);
}

}  // namespace
}  // namespace millrace
