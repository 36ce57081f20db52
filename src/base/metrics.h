#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

namespace millrace::metrics {

/// Return the process's counter of that name and labels; made at the first call and kept for good, so
/// hold on to the reference instead of looking it up on a hot path. Names follow Prometheus:
/// `millrace_collect_events_total`. Threads: any.
prometheus::Counter& counter(const std::string& name, const std::string& help,
                             const std::map<std::string, std::string>& labels = {});
prometheus::Gauge& gauge(const std::string& name, const std::string& help,
                         const std::map<std::string, std::string>& labels = {});

/// A histogram of seconds from 10 µs to 10 s whose buckets grow by about 1.25 ×, so that a quantile
/// read from it is right to about 12 %.
prometheus::Histogram& latency_seconds(const std::string& name, const std::string& help,
                                       const std::map<std::string, std::string>& labels = {});

/// Return the `q`-quantile (0..1), in seconds, of all observations since the process began, or 0.
double quantile_seconds(const prometheus::Histogram& histogram, double q);

/// One metric as it is now.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;         ///< of a counter or gauge; of a histogram the sum
  std::uint64_t count = 0;  ///< of a histogram, as the next two
  double p50 = 0;
  double p99 = 0;
  bool is_histogram = false;
};

/// Return all metrics whose names begin with `prefix`.
std::vector<Sample> samples(std::string_view prefix);

/// Write all metrics in the Prometheus text format 0.0.4.
std::string render();

}  // namespace millrace::metrics
