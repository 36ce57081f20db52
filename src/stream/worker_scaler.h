#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace millrace {

struct WorkerScalerOptions {
  int workers_min = 1;
  int workers_max = 1;
  std::uint64_t backlog_per_worker = 1'000;  ///< more than that for each: start others
  DurationUs age_max = 10 * kSecondUs;       ///< of the oldest message; older: start others
  DurationUs out_pause = 2 * kSecondUs;      ///< between two steps out, so that the last one can tell
  DurationUs calm = 30 * kSecondUs;          ///< so long one must have been too many before it is stopped
};

/// How a subscription and its workers stand at one moment.
struct WorkerLoad {
  std::uint64_t backlog = 0;  ///< messages not acknowledged
  std::uint64_t waiting = 0;  ///< of these, not in anybody's hands
  DurationUs oldest_age = 0;  ///< of the oldest that is not acknowledged
  int busy = 0;               ///< workers that hold messages
};

/// Decides how many workers there should be.
///
/// Out: when the backlog is more than `backlog_per_worker` for each worker, or the oldest message is older
/// than `age_max` while more messages wait than there are workers (so that one that fails again and again
/// calls for nobody). A step doubles the workers at most, and the next one waits `out_pause`.
///
/// In: one worker less once, for `calm` without a break, one fewer would have had half of that backlog at
/// most, the oldest message was younger than half of `age_max` or nobody but the busy had work, and those
/// busy on average would have filled four fifths of the others. What lies between out and in keeps the number
/// as it is.
///
/// A pure function of what it is told: no clock of its own. Threads: one at a time.
class WorkerScaler {
 public:
  explicit WorkerScaler(const WorkerScalerOptions& options)
      : options_(options), wanted_(options.workers_min) {}

  /// Take in how it stands at `steady_now`, about once a second, and return how many workers there should be.
  int want(const WorkerLoad& load, DurationUs steady_now);

  int wanted() const { return wanted_; }

 private:
  bool is_too_much(const WorkerLoad& load) const;
  bool is_too_little(const WorkerLoad& load) const;
  int step_out(const WorkerLoad& load) const;
  void average(int busy, DurationUs steady_now);

  const WorkerScalerOptions options_;
  int wanted_;
  double busy_average_ = 0;
  DurationUs last_time_ = 0;
  std::optional<DurationUs> last_step_out_;
  std::optional<DurationUs> calm_since_;
};

}  // namespace millrace
