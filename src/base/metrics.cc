#include "base/metrics.h"

#include <cmath>

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace millrace::metrics {
namespace {

constexpr double kFirstBucketSeconds = 10e-6;
constexpr double kLastBucketSeconds = 10.0;
constexpr double kBucketGrowth = 1.25;

prometheus::Registry& registry() {
  static prometheus::Registry instance;
  return instance;
}

prometheus::Histogram::BucketBoundaries latency_buckets() {
  prometheus::Histogram::BucketBoundaries bounds;
  for (double bound = kFirstBucketSeconds; bound < kLastBucketSeconds; bound *= kBucketGrowth)
    bounds.push_back(bound);
  bounds.push_back(kLastBucketSeconds);
  return bounds;
}

double quantile_of(const prometheus::ClientMetric::Histogram& collected, double q) {
  if (collected.sample_count == 0) return 0;
  const double rank = q * static_cast<double>(collected.sample_count);
  // The geometric middle of the bucket that holds the rank is never off by more than √1.25.
  for (const auto& bucket : collected.bucket) {
    if (static_cast<double>(bucket.cumulative_count) < rank || bucket.cumulative_count == 0) continue;
    if (std::isinf(bucket.upper_bound)) return kLastBucketSeconds;
    return bucket.upper_bound / std::sqrt(kBucketGrowth);
  }
  return kLastBucketSeconds;
}

Sample sample_of(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric) {
  Sample sample;
  sample.name = family.name;
  for (const auto& label : metric.label) sample.labels[label.name] = label.value;
  switch (family.type) {
    case prometheus::MetricType::Counter:
      sample.value = metric.counter.value;
      break;
    case prometheus::MetricType::Histogram:
      sample.is_histogram = true;
      sample.value = metric.histogram.sample_sum;
      sample.count = metric.histogram.sample_count;
      sample.p50 = quantile_of(metric.histogram, 0.5);
      sample.p99 = quantile_of(metric.histogram, 0.99);
      break;
    default:
      sample.value = metric.gauge.value;
  }
  return sample;
}

}  // namespace

prometheus::Counter& counter(const std::string& name, const std::string& help,
                             const std::map<std::string, std::string>& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry()).Add(labels);
}

prometheus::Gauge& gauge(const std::string& name, const std::string& help,
                         const std::map<std::string, std::string>& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry()).Add(labels);
}

prometheus::Histogram& latency_seconds(const std::string& name, const std::string& help,
                                       const std::map<std::string, std::string>& labels) {
  static const auto bounds = latency_buckets();
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry()).Add(labels, bounds);
}

double quantile_seconds(const prometheus::Histogram& histogram, double q) {
  return quantile_of(histogram.Collect().histogram, q);
}

std::vector<Sample> samples(std::string_view prefix) {
  std::vector<Sample> out;
  for (const prometheus::MetricFamily& family : registry().Collect()) {
    if (!family.name.starts_with(prefix)) continue;
    for (const prometheus::ClientMetric& metric : family.metric) out.push_back(sample_of(family, metric));
  }
  return out;
}

std::string render() {
  return prometheus::TextSerializer().Serialize(registry().Collect());
}

}  // namespace millrace::metrics
