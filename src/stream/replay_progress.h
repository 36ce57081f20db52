#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

struct ReplayProgress {
  std::uint64_t offsets_done = 0;  ///< of `curate` hours, as the total
  std::uint64_t offsets_total = 0;
  std::uint64_t records = 0;  ///< read by this run; of `curate` rows written
  double records_per_second = 0;
};

using OnReplayProgress = std::function<void(const ReplayProgress&)>;

/// Hands progress on, and says the last again when there is none for a while: whoever waits at the other end
/// of a connection sees that the replay lives, however long one transaction takes. Threads: one calls; `to`
/// is called from that and from a thread of its own, one at a time, never after the destructor.
class SteadyProgress {
 public:
  /// `to` must outlive it.
  SteadyProgress(const OnReplayProgress& to, DurationUs silence_max);

  void show(const ReplayProgress& progress);

 private:
  void repeat(const std::stop_token& stop);

  const OnReplayProgress& to_;
  const DurationUs silence_max_;
  std::mutex mutex_;  ///< guards the rest
  std::condition_variable_any changed_;
  ReplayProgress last_;
  std::uint64_t shown_ = 0;
  std::jthread repeater_;  ///< must go first
};

/// Shows how far a replay is, now and then. Threads: one.
class ReplayMeter {
 public:
  /// The references must outlive it. `total`: offsets, or hours.
  ReplayMeter(Env& env, const OnReplayProgress& to, std::uint64_t total);

  void add(std::uint64_t records, std::uint64_t done, bool last);
  const ReplayProgress& now() const { return progress_; }

 private:
  Env& env_;
  const OnReplayProgress& to_;
  const DurationUs begun_;
  DurationUs shown_;
  ReplayProgress progress_;
};

/// Waits where something failed that may pass: the machine is short of memory, or an aggregation could not be
/// computed, which its writer then leaves alone. Threads: one.
class ReplayRetries {
 public:
  explicit ReplayRetries(Env& env) : env_(env) {}

  /// Return whether to try again, after a pause that grows with each failure in a row.
  bool wait_after(const Error& error);
  void succeeded() { failures_ = 0; }

 private:
  Env& env_;
  int failures_ = 0;
};

}  // namespace millrace
