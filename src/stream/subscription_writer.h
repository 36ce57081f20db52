#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "log/event_log.h"
#include "stream/subscription_store.h"

namespace millrace {

/// How far the log must keep records for a subscription.
struct RetentionHold {
  std::string group;
  TopicPartition partition;
  std::optional<Offset> next;  ///< none: it holds back nothing any more
};

/// One piece of work for the writer: changes, what retention may remove after them, and who waits for them.
struct SubscriptionWrite {
  using Answer = std::function<void(const Status&)>;

  SubscriptionChanges changes;
  std::vector<RetentionHold> holds;
  std::vector<Answer> answers;  ///< called on the writer's thread once it is durable, or has failed
};

/// Writes to the store on a thread of its own, so that handing out never waits for the disk. While one write
/// is under way the next gathers: many acknowledgements share one sync. Threads: `begin` and `end` on one
/// thread.
class SubscriptionWriter {
 public:
  /// `log` must outlive it. `on_done` runs on the writer's thread after each write.
  SubscriptionWriter(SubscriptionStore store, EventLog& log, std::function<void(const Status&)> on_done);
  ~SubscriptionWriter();

  /// Start writing. Only when no write is under way.
  void begin(SubscriptionWrite write);

 private:
  void run(const std::stop_token& stop);
  Status write(const SubscriptionWrite& write);

  SubscriptionStore store_;
  EventLog& log_;
  const std::function<void(const Status&)> on_done_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::optional<SubscriptionWrite> next_;  ///< guarded by mutex_
  std::jthread thread_;                    ///< last: uses the others
};

}  // namespace millrace
