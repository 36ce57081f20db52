#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/env.h"
#include "stream/back_pressure.h"
#include "stream/job.h"
#include "stream/job_metrics.h"

namespace millrace {

/// Looks once a second, on a thread of its own, how far each job is, so that a job that hangs or fails is
/// seen to fall behind. Threads: `add` and the destructor from one thread.
class JobWatch {
 public:
  /// `log`, `env` and `pressure`, which may be none, must outlive it.
  JobWatch(const EventLog& log, Env& env, DurationUs interval, BackPressure* pressure);
  ~JobWatch();

  /// Watch `job`, which must outlive the watch; return its metrics.
  JobMetrics& add(const Job& job);

 private:
  struct Watched {
    const Job& job;
    JobMetrics metrics;
    JobPosition seen;
    DurationUs fresh_at;  ///< when it was last seen to have moved, or to have nothing left to do
  };

  void run(const std::stop_token& stop, DurationUs interval);
  void look(Watched& watched);
  JobPosition position_of(const Job& job) const;

  const EventLog& log_;
  Env& env_;
  BackPressure* const pressure_;
  std::mutex mutex_;
  std::map<std::string, Watched, std::less<>> watched_;  ///< by name; entries stay; guarded by mutex_
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
