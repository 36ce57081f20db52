#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/worker.h"
#include "base/child_process.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

struct WorkerSlotOptions {
  DurationUs stall = 15 * kSecondUs;              ///< silent for that long: it is killed
  DurationUs grace = 30 * kSecondUs;              ///< so long it may take to finish what it holds
  DurationUs backoff_min = 200 * kMillisecondUs;  ///< before it is started again, when it ended by itself
  DurationUs backoff_max = 30 * kSecondUs;        ///< doubled up to this, until one has done something
};

/// A place for one worker, which is started again whenever it ends or falls silent while it is wanted. Time
/// is the steady clock's, given by the caller. Threads: one at a time, and the one that lasts (see
/// ChildProcess).
class WorkerSlot {
 public:
  /// `command` starts a worker, which writes WorkerBeats as lines to its standard output.
  WorkerSlot(int number, ChildOptions command, WorkerSlotOptions options);

  /// Take in what happened, and start or end the worker as `wanted` says: one that is not wanted finishes
  /// what it holds and ends. Call it a few times a second.
  void turn(bool wanted, DurationUs now);

  bool is_running() const { return child_.has_value(); }
  /// Return whether it runs and has spoken since it was started.
  bool is_answering() const { return child_ && has_spoken_; }
  /// Return whether its program answers messages, as far as it said.
  bool is_ready() const { return is_answering() && beat_.ready; }
  bool is_stopping() const { return stop_at_.has_value(); }

  int number() const { return number_; }
  int pid() const { return child_ ? child_->pid() : 0; }
  const WorkerBeat& beat() const { return beat_; }

  /// Messages of all workers that were here.
  std::uint64_t done() const { return earlier_.done + beat_.done; }
  std::uint64_t failed() const { return earlier_.failed + beat_.failed; }
  std::uint64_t replaced() const { return replaced_; }  ///< workers that ended or fell silent

 private:
  void start(DurationUs now);
  void listen(DurationUs now);
  void check(DurationUs now);
  void kill_all();
  void take_end(const std::string& how, DurationUs now);

  const int number_;
  const ChildOptions command_;
  const WorkerSlotOptions options_;
  std::optional<ChildProcess> child_;
  LineReader lines_;
  WorkerBeat beat_;
  WorkerBeat earlier_;  ///< sums of those before
  bool has_spoken_ = false;
  DurationUs heard_at_ = 0;            ///< when it last spoke, or was started
  std::optional<DurationUs> stop_at_;  ///< until when it may finish, once it was told to
  DurationUs start_at_ = 0;            ///< not before
  DurationUs backoff_ = 0;
  std::uint64_t replaced_ = 0;
};

}  // namespace millrace
