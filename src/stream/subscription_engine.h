#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "stream/subscription.h"
#include "stream/subscription_push.h"

namespace millrace {

struct SubscriptionEngineOptions {
  std::size_t subscriptions_max = 500;
  std::size_t waiting_pulls_max = 1'000;  ///< of one subscription
  std::size_t pull_bytes_max = 8 << 20;   ///< of one answer, about
  std::size_t push_at_once_max = 64;      ///< to one endpoint
  SubscriptionLimits limits;
};

/// What people see of a subscription.
struct SubscriptionInfo {
  std::string name;
  SubscriptionSettings settings;
  SubscriptionCounts counts;
  std::uint64_t backlog = 0;  ///< not acknowledged, in the log
  std::size_t outstanding = 0;
  std::optional<DurationUs> oldest_age;  ///< of the oldest message that is not acknowledged
  std::vector<Offset> next;              ///< by partition: everything below is acknowledged
  std::size_t waiting_pulls = 0;
  struct Push {
    std::size_t under_way = 0;
    std::size_t window = 0;     ///< how many may be
    DurationUs paused_for = 0;  ///< until the endpoint is tried again
    std::string error;          ///< how the last push ended, or why there are none; "" when it went well
  };
  std::optional<Push> push;
};

struct SeekTo {
  std::optional<TimeUs> time;            ///< to the first message published at or after it
  std::optional<Offset> offset;          ///< or to this one, kept within what the topic has
  std::optional<PartitionId> partition;  ///< of the offset; none: in every partition
};

struct AckCounts {
  std::size_t done = 0;
  std::vector<std::string> unknown;  ///< ids that mean nothing (any more); their messages come again
};

struct ReplayCounts {
  std::size_t replayed = 0;  ///< dead letters that are delivered again
  std::size_t gone = 0;      ///< whose message the topic no longer keeps: they stay in the dead-letter topic
  bool more = false;         ///< call again for the rest
};

/// All subscriptions of a server: hands messages out to pulls and pushes, takes acknowledgements, keeps what
/// is done on disk (docs/formats/subscriptions.md).
///
/// What holds: a message is delivered at least once while the topic keeps it, and never again once its
/// acknowledgement was answered, whatever crashes. A push counts as acknowledged when what its endpoint
/// answered is on disk, a few milliseconds later; a crash in between delivers it again. Deliveries are
/// counted on disk within a second: after a crash a count may be too low by those of the last second, never
/// too high.
///
/// Threads: every method from any thread; none blocks but `open` and `stop`. Each `Done` is called once, on a
/// thread of the engine, and must be short.
class SubscriptionEngine {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  /// Open the store at `file` and go on with the subscriptions in it. The others must outlive the engine.
  /// Errors: those of SubscriptionStore.
  static Result<std::unique_ptr<SubscriptionEngine>> open(EventLog& log, Env& env, PushTargets& targets,
                                                          const Path& file,
                                                          const SubscriptionEngineOptions& options = {});
  virtual ~SubscriptionEngine() = default;

  /// Answer waiting pulls with nothing, end pushes, store everything. What is asked later fails with
  /// kCancelled.
  virtual void stop() = 0;

  /// Make a subscription, or change the settings of one. Errors: kInvalid; kNotFound for the topic; kExists
  /// when it has another topic; kDenied for the push target; kOverloaded; those of writing.
  virtual void put(std::string name, SubscriptionSettings settings, Done<void> done) = 0;
  virtual void remove(std::string name, Done<void> done) = 0;
  virtual void describe(std::string name, Done<SubscriptionInfo> done) = 0;
  virtual void list(Done<std::vector<SubscriptionInfo>> done) = 0;

  /// Hand out up to `count` messages; when there are none, wait for the first for `wait`, then answer none.
  /// Errors: kNotFound; kInvalid for one that pushes; kOverloaded when too many wait.
  virtual void pull(std::string name, std::size_t count, DurationUs wait,
                    Done<std::vector<SubscriptionMessage>> done) = 0;

  /// Errors: kNotFound; those of writing, after which the acknowledgement may be lost: repeat it.
  virtual void ack(std::string name, std::vector<AckId> ids, Done<AckCounts> done) = 0;

  /// Have messages delivered again, `after` from now or after the back-off. Errors: kNotFound.
  virtual void nack(std::string name, std::vector<AckId> ids, std::optional<DurationUs> after,
                    Done<AckCounts> done) = 0;

  /// Hold messages for `hold` from now on. Errors: kNotFound.
  virtual void extend(std::string name, std::vector<AckId> ids, DurationUs hold, Done<AckCounts> done) = 0;

  /// Go back, or forward; what was handed out before is void. Errors: kNotFound; kInvalid; those of writing.
  virtual void seek(std::string name, SeekTo to, Done<void> done) = 0;

  /// Deliver dead letters again, those not replayed before, oldest first. Errors: kNotFound; kInvalid without
  /// a dead-letter topic; those of reading and writing.
  virtual void replay_dead_letters(std::string name, Done<ReplayCounts> done) = 0;
};

}  // namespace millrace
