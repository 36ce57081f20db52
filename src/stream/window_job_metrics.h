#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/metrics.h"
#include "base/time.h"
#include "stream/window_metrics.h"

namespace millrace {

/// What is shown of the windows job beside what every job shows (docs/metrics.md). One thread.
class WindowJobMetrics {
 public:
  /// So many sources have a gauge of their own; the others share one, which shows the worst.
  static constexpr std::size_t kSourcesMax = 32;

  explicit WindowJobMetrics(std::string_view job);

  /// Show the state as of a step.
  void show(const StateUse& use, std::uint64_t evicted, std::uint64_t published);
  /// Show how far the watermarks of the sources are behind `now`.
  void show_delays(const std::map<std::string, TimeUs>& watermarks, TimeUs now);
  void show_snapshot_age(DurationUs age);
  void show_snapshot(DurationUs took, std::size_t bytes);

 private:
  prometheus::Gauge& delay_of(const std::string& source);

  const std::string job_;
  WindowMetrics state_;
  prometheus::Counter& published_;
  prometheus::Gauge& snapshot_age_;
  prometheus::Gauge& snapshot_seconds_;
  prometheus::Gauge& snapshot_bytes_;
  std::map<std::string, prometheus::Gauge*> delays_;
  std::uint64_t published_before_ = 0;
};

}  // namespace millrace
