#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/time.h"

namespace millrace {

/// How recommendations are served, in the process's metrics: the routes write it, the dashboard reads it.
/// Threads: any.
class ServingStats {
 public:
  ServingStats();

  /// Count one answer.
  void observe(DurationUs latency_us, const std::optional<std::string>& fallback);

  /// Write {"served","p50_ms","p99_ms","fallbacks":{"deadline","error","cold"}}.
  std::string json() const;

  std::uint64_t served() const { return static_cast<std::uint64_t>(served_.Value()); }

 private:
  prometheus::Histogram& latency_;
  prometheus::Counter& served_;
  prometheus::Counter& deadline_;
  prometheus::Counter& error_;
  prometheus::Counter& cold_;
};

}  // namespace millrace
