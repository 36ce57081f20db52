#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/time.h"

namespace millrace {

/// Work for the one thread of an `Owner`. Outlives it, as callbacks of the log and of senders may: share it.
/// What waits in it is bounded by those who post: one piece for each open request and each push under way.
/// Threads: `take` from the owner's, the others from any.
template <class Owner>
class SubscriptionInbox {
 public:
  using Task = std::function<void(Owner&)>;

  /// Returns false once it is closed to requests from outside; the owner's own go on.
  bool post(Task task, bool from_outside) {
    const std::lock_guard lock(mutex_);
    if (from_outside && closed_) return false;
    tasks_.push_back(std::move(task));
    woken_.notify_one();
    return true;
  }

  /// Say that the log has more.
  void appended() {
    const std::lock_guard lock(mutex_);
    appended_ = true;
    woken_.notify_one();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    woken_.notify_one();
  }

  struct Taken {
    std::vector<Task> tasks;
    bool appended = false;
    bool closed = false;
  };

  /// Wait for something to do, `wait` at most.
  Taken take(DurationUs wait) {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, std::chrono::microseconds(std::max<DurationUs>(wait, 0)),
                    [&] { return !tasks_.empty() || appended_ || (closed_ && !seen_closed_); });
    seen_closed_ = closed_;
    return {std::exchange(tasks_, {}), std::exchange(appended_, false), closed_};
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  std::vector<Task> tasks_;  ///< guarded by mutex_, as all below
  bool appended_ = false;
  bool closed_ = false;
  bool seen_closed_ = false;
};

}  // namespace millrace
