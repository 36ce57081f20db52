#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log_files.h"
#include "base/log_search.h"
#include "net/responder.h"

namespace millrace {

/// Return the line as one JSON object whose first member is its `position`.
std::string with_position(const LogLine& line);

/// Sends new log lines to who follows them, as server-sent events `line` whose id is the position to go on
/// from. It reads the files like everyone, from where each follower is: so nothing is kept in memory for the
/// slow, who are cut off instead, and nothing is missed or told twice. Threads: `add` from any thread; does
/// nothing while nobody follows.
class LogStreams {
 public:
  static constexpr std::size_t kStreamsMax = 64;

  /// `files` must outlive it.
  LogStreams(Env& env, const LogFiles& files);
  ~LogStreams();

  /// Follow from `from` on, until the client goes. Errors: kOverloaded when kStreamsMax are open.
  Status add(LogFilter filter, LogPosition from, std::shared_ptr<ResponseStream> stream);

 private:
  struct Follower {
    LogFilter filter;
    LogPosition next;
    std::shared_ptr<ResponseStream> stream;
    bool behind = true;  ///< there may be more to read at once
  };

  void run();
  bool send(bool heartbeat);
  void send_to(Follower& follower, bool heartbeat) const;

  Env& env_;
  const LogFiles& files_;
  std::mutex mutex_;  ///< guards all below
  std::condition_variable wake_;
  std::vector<Follower> added_;
  std::size_t open_ = 0;
  bool stopping_ = false;
  std::vector<Follower> followers_;  ///< of the thread alone
  std::thread thread_;
};

}  // namespace millrace
