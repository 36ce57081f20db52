#pragma once

#include <functional>
#include <vector>

namespace millrace {

/// A run of callbacks on one thread, whose wake-ups wait until it ends: whoever is given something by each of
/// them is woken once and finds all of it, instead of waking, finding one thing and falling asleep again.
///
///     {
///       CallbackBatch batch;
///       for (auto& append : group) append.done(offset);  // each answers a request, on another thread
///     }                                                  // here those threads are woken
///
/// Threads: belongs to the one that made it. Batches do not nest: an inner one is part of the outer.
class CallbackBatch {
 public:
  CallbackBatch();
  ~CallbackBatch();  ///< runs what was put off
  CallbackBatch(const CallbackBatch&) = delete;
  CallbackBatch& operator=(const CallbackBatch&) = delete;

  /// Run `work` at the end of this thread's batch, or at once when none is under way. `work` must not throw.
  static void run_at_end(std::function<void()> work);

 private:
  std::vector<std::function<void()>> put_off_;
};

}  // namespace millrace
