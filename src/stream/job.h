#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "log/event_log.h"
#include "stream/back_pressure.h"
#include "stream/job_metrics.h"

namespace millrace {

/// What a job says after each step.
struct StepResult {
  bool more = false;    ///< there is or may be more to do at once
  DurationUs rest = 0;  ///< wait so long before the next step, also when there is more, to do more at a time
  std::uint64_t records = 0;  ///< of the log that the step did for good
  std::uint64_t events = 0;   ///< in them
};

/// A consumer of the log with its own cursors and its own thread. All calls come from that thread.
class Job {
 public:
  virtual ~Job() = default;

  /// Short and fixed: it names the thread, log lines and metrics. At most 12 letters.
  virtual std::string_view name() const = 0;

  /// Get ready: rebuild state, find cursors. Called again, with back-off, until it succeeds.
  virtual Status start() = 0;

  /// Do a bounded piece of work (well under a second). After an error the runner logs it, backs off and
  /// calls again: the job must be able to go on, losing and repeating nothing.
  virtual Result<StepResult> step() = 0;

  /// Return how far it is, for others to see how far it is behind; empty before `start` has succeeded.
  /// Threads: any.
  virtual JobPosition done() const { return {}; }

  /// Take the metrics everyone sees of it, before `start`: for what only it can count.
  virtual void show_in(JobMetrics&) {}
};

struct JobRunnerOptions {
  DurationUs back_off_min =
      50 * kMillisecondUs;  ///< after the first error in a row, doubled for each further …
  DurationUs back_off_max = 5 * kSecondUs;
  DurationUs idle_wait = kSecondUs / 4;   ///< a step at least so often, even when nothing came
  DurationUs watch_interval = kSecondUs;  ///< between two looks at how far the jobs are
  BackPressure* pressure = nullptr;       ///< is told at each look; outlives the runner
};

class JobWatch;

/// Runs each job on a thread of its own, woken when anything is appended to the log.
/// Threads: `start`, `drain` and `stop` from one thread.
class JobRunner {
 public:
  /// `log` and `env` must outlive the runner; it owns the jobs.
  JobRunner(const EventLog& log, Env& env, const JobRunnerOptions& options = {});
  ~JobRunner();  ///< stops

  /// Add a job and start its thread. `niceness` above 0 lets it fall behind, and catch up later, while what
  /// is more urgent needs the processor (base/thread.h).
  void start(std::unique_ptr<Job> job, int niceness = 0);

  /// Let every job go on until it has nothing more to do or `limit` passed, then stop. Call once
  /// appends have ended. Errors: kDeadline, naming the jobs that were not done.
  Status drain(DurationUs limit);

  /// End every job after its present step and join its thread.
  void stop();

 private:
  struct Running;
  class BackOff;

  void run(Running& running, const std::stop_token& stop);
  bool take(Running& running, const Status& status, BackOff& back_off, const std::stop_token& stop);

  const EventLog& log_;
  Env& env_;
  const JobRunnerOptions options_;
  std::vector<std::unique_ptr<Running>> running_;
  std::unique_ptr<JobWatch> watch_;  ///< last: looks at the jobs
};

}  // namespace millrace
