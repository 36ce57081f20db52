#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/env.h"
#include "base/metrics.h"
#include "base/result.h"
#include "log/event_log.h"

namespace millrace {

/// How it stands with a source that is followed.
struct FollowStatus {
  enum class State : std::uint8_t {
    kStarting,
    kSnapshot,   ///< tables are read that the warehouse does not have, or has otherwise
    kStreaming,  ///< what is new comes
    kWaiting,    ///< it failed, and is tried again
    kStopped,    ///< it failed in a way that trying again does not mend
  };
  State state = State::kStarting;
  std::string position;        ///< of what is in the log: a GtidPosition; of an API the cursor
  TimeUs commit_time = 0;      ///< of the last transaction that was read, by the source's clock
  TimeUs seen_time = 0;        ///< when the source last said something, by ours
  bool idle = false;           ///< it had nothing new to say
  std::optional<Error> error;  ///< why it waits
  TimeUs failing_since = 0;    ///< 0: it does not
  std::map<std::string, std::string> problems;  ///< by table: why it is not followed
};

/// How it stands, for all to see. Threads: any.
class FollowBoard {
 public:
  FollowStatus read() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  template <class Change>
  void change(const Change& change) {
    const std::lock_guard lock(mutex_);
    change(status_);
  }

 private:
  mutable std::mutex mutex_;
  FollowStatus status_;  ///< guarded by mutex_
};

/// Keeps the board of a source, its metric `millrace_follow_up`, and tells of outages in the topic
/// `source_events`. Threads: one; the board any.
class FollowWatch {
 public:
  struct About {
    std::string source;
    DurationUs outage_after = 0;  ///< out of reach for so long is an outage
    std::string stale;            ///< what is so meanwhile: "its tables are as they were then"
  };

  /// `log` and `env` must outlive it.
  FollowWatch(EventLog& log, Env& env, About about);

  FollowBoard& board() { return board_; }
  const FollowBoard& board() const { return board_; }

  /// What is new comes: an outage is over.
  void works();
  /// It does not come. `state` is kWaiting or kStopped.
  void failed(const Error& error, FollowStatus::State state = FollowStatus::State::kWaiting);

 private:
  void tell(const std::string& type, const std::string& message, TimeUs since);

  EventLog& log_;
  Env& env_;
  const About about_;
  prometheus::Gauge& up_;
  FollowBoard board_;
  TimeUs outage_since_ = 0;  ///< told; 0: there is none
  std::string said_;         ///< the failure that was logged last
};

}  // namespace millrace
