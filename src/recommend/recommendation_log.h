#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "log/event_log.h"
#include "recommend/recommendation.h"

namespace millrace {

struct RecommendationLogOptions {
  std::size_t queue_max = 10'000;           ///< answers waiting; more are dropped and counted
  std::size_t batch_max = 500;              ///< records in one append
  DurationUs linger = 20 * kMillisecondUs;  ///< wait so long for more answers before an append
};

/// Keeps every served answer: writes it to the topic `recommendations`, later and on a thread of its own,
/// so that no answer ever waits. What finds the queue full is dropped and counted; an append that fails is
/// tried again while the queue fills.
/// Metrics: millrace_recommendation_log_{written,dropped}_total.
/// Threads: `append` and the counts from any thread; `stop` from one.
class RecommendationLog {
 public:
  /// `log` must outlive the object; its topic must have been made.
  explicit RecommendationLog(EventLog& log, const RecommendationLogOptions& options = {});
  ~RecommendationLog();  ///< stops, draining for a second at most

  /// Take an answer; never blocks for longer than a short lock. Returns false when it was dropped.
  bool append(Recommendations answer, RecommendRequest request, std::string_view kind);

  /// Write what is waiting, for `limit` at most, and end the thread. Errors: kDeadline, with how many
  /// answers were lost.
  Status stop(DurationUs limit);

  std::uint64_t written() const;
  std::uint64_t dropped() const;

 private:
  struct Waiting {
    Recommendations answer;
    RecommendRequest request;
    std::string kind;
  };

  struct Value {
    std::string json;
    TimeUs time = 0;
  };

  void run(const std::stop_token& stop);
  std::vector<Value> next_values(const std::stop_token& stop);
  Status write(const std::vector<Value>& values);

  EventLog& log_;
  const RecommendationLogOptions options_;
  mutable std::mutex mutex_;  ///< guards all below but the thread
  std::condition_variable_any changed_;
  std::deque<Waiting> queue_;
  std::size_t in_hand_ = 0;  ///< taken from the queue, not yet durable
  bool draining_ = false;
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace millrace
