#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/logging.h"
#include "base/metrics.h"
#include "log/event_log.h"
#include "stream/subscription_engine.h"
#include "stream/subscription_store.h"
#include "stream/subscription_writer.h"

namespace millrace {

/// A subscription at work: pulls that wait, pushes under way, dead letters being written, its metrics.
/// Threads: the engine's alone.
class SubscriptionOutlet {
 public:
  /// Runs a piece of work on the engine's thread, for this outlet if it is still there; from any thread.
  using Post = std::function<void(std::function<void(SubscriptionOutlet&)>)>;
  struct World {
    EventLog& log;
    Env& env;
    PushTargets& targets;
    const SubscriptionEngineOptions& options;
  };
  using PullDone = SubscriptionEngine::Done<std::vector<SubscriptionMessage>>;

  SubscriptionOutlet(const World& world, StoredSubscription stored, std::uint64_t seed, Post post);
  ~SubscriptionOutlet();

  Subscription& messages() { return messages_; }
  const Subscription& messages() const { return messages_; }

  void set_settings(SubscriptionSettings settings);
  void pull(std::size_t count, DurationUs wait, PullDone done);
  /// Answer every pull that waits with nothing, and end pushes.
  void end();

  /// Do what can be done now. `appended`: the log may have more. Returns whether there is more to do at once.
  bool advance(bool appended);
  /// Return when there is something to do again, without an append.
  std::optional<DurationUs> next_due() const;

  /// Go there, within what the topic has. Errors: kInvalid for a partition that it has not; those of the log.
  Status seek(const SeekTo& to);

  /// Deliver dead letters again, a bounded number at a time.
  Result<ReplayCounts> replay_dead_letters();

  StoredSubscription stored() const;
  SubscriptionInfo info() const;

  /// Bring the metrics up to date and return what retention has to be told; about once a second.
  std::vector<RetentionHold> tick();
  /// Have `tick` tell retention everything again.
  void forget_holds() { held_.assign(held_.size(), {}); }
  /// Return what makes retention forget the subscription.
  RetentionHold letting_go() const;

 private:
  struct WaitingPull {
    std::size_t count;
    DurationUs until;
    PullDone done;
  };
  struct Metrics;

  void open_sender();
  void serve_pulls(DurationUs now);
  void serve_pushes(DurationUs now);
  void push(SubscriptionMessage message);
  void pushed(const AckId& id, const PushOutcome& outcome);
  void bury_doomed();
  void buried(const AckId& id, const Result<Offset>& offset);
  void note(const Error& error);
  void note_failed_push(const AckId& id, const PushOutcome& outcome);
  std::string record_of(const AckId& id) const;
  bool must_let_go(PartitionId partition) const;
  double jitter();

  const World world_;
  const Post post_;
  Subscription messages_;
  Offset dead_letters_replayed_;
  std::mt19937_64 random_;
  bool more_to_read_ = true;
  std::deque<WaitingPull> pulls_;

  std::unique_ptr<PushSender> sender_;
  std::optional<PushWindow> window_;
  std::size_t under_way_ = 0;
  std::uint64_t sender_number_ = 0;  ///< of the sender: answers to an earlier one do not count as under way
  std::string push_error_;
  LogLimiter push_lines_{5, 0.2};
  LogLimiter dead_lines_{20, 2};

  DurationUs reading_pause_until_ = 0;  ///< after the log could not be read
  std::vector<std::optional<Offset>> held_;
  bool said_let_go_ = false;
  std::unique_ptr<Metrics> metrics_;
};

}  // namespace millrace
