#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "warehouse/duck.h"

namespace millrace::duck {

/// Connections whose work ends when the process does. Threads: any.
class Interruptions {
 public:
  /// Have `end` interrupt it too. Errors: kCancelled after `end`.
  Status watch(const Connection& connection);

  /// End what runs on the connections that are left, again and again until they are gone: an interrupt that
  /// comes before a statement has begun is lost.
  void end();

 private:
  void run(const std::stop_token& done);

  std::mutex mutex_;
  std::vector<std::weak_ptr<Connection::Handle>> watched_;  ///< guarded by mutex_
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< runs after `end`; last: uses the others
};

}  // namespace millrace::duck
