#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "net/http_server.h"

namespace millrace {

/// The progress of long work, as lines of a stream. Says again every few seconds, while nothing new is there
/// to say, how far it is, so that nobody takes silence for an end. Threads: any.
class StreamBeat {
 public:
  explicit StreamBeat(std::shared_ptr<ResponseStream> stream);

  /// Send a line, with its line break.
  void say(std::string line);

 private:
  const std::shared_ptr<ResponseStream> stream_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::string last_;     ///< guarded by mutex_
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
