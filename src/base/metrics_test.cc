#include "base/metrics.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::metrics {
namespace {

TEST(Metrics, GivesTheSameCounterForTheSameNameAndLabels) {
  auto& first = counter("test_events_total", "events", {{"source", "web"}});
  auto& again = counter("test_events_total", "events", {{"source", "web"}});
  auto& other = counter("test_events_total", "events", {{"source", "file"}});
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
}

TEST(Metrics, RendersThePrometheusTextFormat) {
  counter("test_rendered_total", "what was rendered", {{"kind", "a"}}).Increment(3);
  gauge("test_depth", "queue depth").Set(-2.5);
  const auto text = render();
  EXPECT_NE(text.find("# HELP test_rendered_total what was rendered\n# TYPE test_rendered_total counter\n"
                      "test_rendered_total{kind=\"a\"} 3\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("test_depth -2.5"), std::string::npos) << text;
}

TEST(Metrics, QuantilesAreRightToTwelvePercent) {
  auto& histogram = latency_seconds("test_latency_seconds", "latency");
  EXPECT_EQ(quantile_seconds(histogram, 0.99), 0);
  for (int i = 1; i <= 10'000; ++i) histogram.Observe(i * 1e-5);  // 10 µs … 100 ms, evenly
  EXPECT_NEAR(quantile_seconds(histogram, 0.5), 0.05, 0.05 * 0.12);
  EXPECT_NEAR(quantile_seconds(histogram, 0.99), 0.099, 0.099 * 0.12);
  EXPECT_NEAR(quantile_seconds(histogram, 0.01), 1e-3, 1e-3 * 0.12);
}

TEST(Metrics, QuantilesEndAtTheLastBucket) {
  auto& histogram = latency_seconds("test_slow_seconds", "latency");
  histogram.Observe(3600);
  EXPECT_DOUBLE_EQ(quantile_seconds(histogram, 0.5), 10.0);
}

TEST(Metrics, CountsFromManyThreads) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) counter("test_threads_total", "from threads").Increment();
    });
  }
  threads.clear();
  EXPECT_EQ(counter("test_threads_total", "from threads").Value(), 4000);
}

TEST(Metrics, AreSampledByPrefix) {
  metrics::counter("millrace_sampled_total", "x", {{"job", "a"}}).Increment(3);
  metrics::gauge("millrace_sampled_gauge", "x").Set(-2);
  auto& histogram = metrics::latency_seconds("millrace_sampled_seconds", "x");
  for (int i = 0; i < 100; ++i) histogram.Observe(i < 60 ? 0.001 : 1.0);
  const auto samples = metrics::samples("millrace_sampled_");
  ASSERT_EQ(samples.size(), 3u);
  for (const auto& sample : samples) {
    if (sample.name == "millrace_sampled_total") {
      EXPECT_EQ(sample.value, 3);
      EXPECT_EQ(sample.labels.at("job"), "a");
    } else if (sample.name == "millrace_sampled_gauge") {
      EXPECT_EQ(sample.value, -2);
    } else {
      EXPECT_EQ(sample.count, 100u);
      EXPECT_NEAR(sample.p50, 0.001, 0.0003);
      EXPECT_NEAR(sample.p99, 1.0, 0.3);
    }
  }
}

}  // namespace
}  // namespace millrace::metrics
