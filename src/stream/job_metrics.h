#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "base/ids.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "log/event_log.h"

namespace millrace {

/// By partition: everything below the offset is done by a job for good.
using JobPosition = std::map<TopicPartition, Offset>;

/// How far a job is behind what it follows.
struct JobLag {
  std::uint64_t records = 0;  ///< offsets in the log that are not done yet
  DurationUs oldest = 0;      ///< since the oldest of them was received

  bool operator==(const JobLag&) const = default;
};

/// Return how far `done` is behind the end of the log. Errors: those of EventLog::stats and read.
Result<JobLag> measure_lag(const EventLog& log, const JobPosition& done, TimeUs now);

/// What everyone is shown of a job, the same for each: `millrace_job_*{job="load"}` (docs/metrics.md).
/// Threads: any.
class JobMetrics {
 public:
  explicit JobMetrics(std::string_view job);

  /// Count a step that did something.
  void count_step(std::uint64_t records, std::uint64_t events, DurationUs took);
  void count_duplicates(std::uint64_t events) { duplicates_.Increment(static_cast<double>(events)); }
  void count_quarantined(std::uint64_t events) { quarantined_.Increment(static_cast<double>(events)); }
  void count_error() { errors_.Increment(); }

  /// Show where it stands. `checkpoint_age`: since what it did last became durable, or since it had nothing
  /// left to do.
  void show(const JobLag& lag, DurationUs checkpoint_age);

 private:
  prometheus::Gauge& lag_records_;
  prometheus::Gauge& lag_seconds_;
  prometheus::Gauge& checkpoint_age_;
  prometheus::Histogram& step_seconds_;
  prometheus::Counter& records_;
  prometheus::Counter& events_;
  prometheus::Counter& duplicates_;
  prometheus::Counter& quarantined_;
  prometheus::Counter& errors_;
};

}  // namespace millrace
