#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"

namespace millrace {

/// Threads for work that may block: SQL, files. What may take minutes gets a pool of its own. Threads:
/// `submit` from any.
class WorkerPool {
 public:
  /// The threads are called `name`-0, …: at most 13 letters, which is what the system shows. With `niceness`
  /// above 0 they, and those that their work starts, yield to others (base/thread.h).
  WorkerPool(std::string_view name, std::size_t threads, std::size_t queue_max, int niceness = 0);

  /// Finishes what has begun; what is still queued is dropped.
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Run `work` soon. Errors: kOverloaded when `queue_max` pieces of work wait already.
  Status submit(std::function<void()> work);

 private:
  void run();

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  ///< guarded by mutex_
  bool stopping_ = false;                    ///< guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace millrace
