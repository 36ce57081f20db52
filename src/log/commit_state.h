#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "base/time.h"

namespace millrace::log {

/// Name the calling thread for debuggers and `top -H`: at most 15 letters.
void name_this_thread(const char* name);

/// Bounds what is handed to the log and not yet answered. Threads: any.
class QueueBudget {
 public:
  QueueBudget(std::size_t bytes_max, std::size_t records_max)
      : bytes_max_(bytes_max), records_max_(records_max) {}

  /// Take room for a batch. One batch always fits when nothing else is queued.
  bool take(std::size_t bytes, std::size_t records);
  void give_back(std::size_t bytes, std::size_t records);

 private:
  const std::size_t bytes_max_;
  const std::size_t records_max_;
  std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::size_t records_ = 0;
};

/// Remembers the failure that stopped the log. Threads: any.
class StopSign {
 public:
  /// Stop the log, once: later failures are consequences.
  void stop(const Error& why);

  /// Return why the log is stopped, if it is.
  Status check() const;

 private:
  std::atomic<bool> stopped_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> why_;  ///< guarded by mutex_
};

/// Tells waiting threads that something became durable. Threads: any.
class Announcer {
 public:
  void announce();
  void close();
  std::uint64_t wait(std::uint64_t seen, DurationUs wait) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::uint64_t version_ = 1;  ///< guarded by mutex_, as is the next
  bool closed_ = false;
};

}  // namespace millrace::log
