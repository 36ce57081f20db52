#pragma once

#include <string_view>

#include "base/metrics.h"
#include "stream/window.h"

namespace millrace {

/// The metrics of one job's windows in one partition; partitions of a job add up.
class WindowMetrics {
 public:
  explicit WindowMetrics(std::string_view job);
  ~WindowMetrics();
  WindowMetrics(const WindowMetrics&) = delete;
  WindowMetrics& operator=(const WindowMetrics&) = delete;

  /// Bring them up to date. `evicted` is the number of entries given up for room since the beginning.
  void publish(const StateUse& use, std::uint64_t evicted);

 private:
  prometheus::Counter& too_late_;
  prometheus::Counter& evicted_;
  prometheus::Gauge& entries_;
  prometheus::Gauge& bytes_;
  StateUse published_;
  std::uint64_t published_evicted_ = 0;
};

}  // namespace millrace
