#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "log/event_log.h"
#include "stream/subscription_message.h"
#include "stream/subscription_settings.h"

namespace millrace {

/// What is kept of a partition: everything below `next` is done, and between `next` and `reach` everything
/// but the messages in `undone`; nothing is known of what lies beyond.
struct SubscriptionProgress {
  Offset next;
  Offset reach;
  std::map<Offset, std::uint32_t> undone;  ///< → deliveries so far

  /// Write `undone` as "+0*2 +5 …": steps from `next` on, and the deliveries unless there were none.
  std::string undone_text() const;
  /// Errors: kCorrupt.
  static Result<SubscriptionProgress> parse(Offset next, Offset reach, std::string_view undone_text);

  bool operator==(const SubscriptionProgress&) const = default;
};

/// Counted since the subscription was made; after a crash the last second may be missing.
struct SubscriptionCounts {
  std::uint64_t delivered = 0;  ///< hand-outs, the repeated ones too
  std::uint64_t acked = 0;
  std::uint64_t nacked = 0;   ///< refused by the consumer, or a push that failed
  std::uint64_t expired = 0;  ///< not acknowledged in time
  std::uint64_t dead = 0;     ///< given up, in the dead-letter topic
  std::uint64_t lost = 0;     ///< removed by the topic's retention before they were acknowledged

  bool operator==(const SubscriptionCounts&) const = default;
};

struct SubscriptionLimits {
  std::size_t tracked_max = 10'000;  ///< messages read and not done; at this many no more are read
  std::size_t ready_low = 1'000;     ///< read on when fewer can be handed out
  std::size_t read_records_max = 1'000;
  std::size_t read_bytes_max = 1 << 20;
};

/// One subscription: which messages are ready, handed out, waiting to be tried again, or done. It knows
/// neither threads nor HTTP, and writes nothing: whoever owns it stores `progress` and tells it the time.
///
/// A message goes: read → ready → handed out (a lease) → done; or, refused or not acknowledged in time, back
/// to ready after a while; or, after `max_attempts`, doomed until its dead letter is written. Those of one
/// ordering key stand behind one another: only the first can be ready. Threads: one at a time.
class Subscription {
 public:
  /// Make it as if everything were still to be read. `log` must outlive it and have the topic. `seed` decides
  /// lease numbers and jitter: give it real randomness.
  Subscription(std::string name, SubscriptionSettings settings, const EventLog& log, std::uint64_t seed,
               const SubscriptionLimits& limits = {});

  const std::string& name() const { return name_; }
  const SubscriptionSettings& settings() const { return settings_; }
  /// Take changed settings over; needs the same topic. Turning `ordered` holds for what is read from now on.
  void set_settings(SubscriptionSettings settings) { settings_ = std::move(settings); }

  /// Go on in a partition from what was stored; before anything else.
  void restore(PartitionId partition, SubscriptionProgress progress);
  SubscriptionProgress progress(PartitionId partition) const;
  std::uint32_t partitions() const { return static_cast<std::uint32_t>(partitions_.size()); }

  /// What of the progress is not stored yet.
  enum class Change : std::uint8_t {
    kNone,
    kDeliveries,  ///< only how often messages were delivered: may wait a moment
    kDone,        ///< somebody may be waiting for it to be durable
  };
  Change change() const;
  /// Return the partitions whose progress has changed since the last call.
  std::vector<PartitionId> take_changed();
  /// Forget that anything was stored, when storing it failed.
  void mark_changed();

  /// Look at the log for messages to hand out, within the limits. What retention has removed is counted as
  /// lost. Returns whether there may be more that is not read yet. Errors: those of EventLog::read.
  Result<bool> read_on();

  /// Hand out up to `count` ready messages, of about `bytes_max` together, as max_outstanding allows, until
  /// `now` + `lease`. One whose bytes are gone from the log is counted as lost instead.
  /// Errors: those of EventLog::read; what was handed out before is then returned, if there is any.
  Result<std::vector<SubscriptionMessage>> take(std::size_t count, std::uint64_t bytes_max, DurationUs now,
                                                DurationUs lease);

  enum class AckResult : std::uint8_t {
    kDone,     ///< done now, or it was already
    kUnknown,  ///< of before a seek, or of no message that was ever read
  };
  /// Be done with a message, also when its lease has run out meanwhile. The caller answers once `progress` is
  /// stored.
  AckResult ack(const AckId& id);

  /// Take a message back that is to be tried again, `after` from now at the earliest, else after the back-off
  /// with jitter. Returns false when the lease is no longer held.
  bool nack(const AckId& id, DurationUs now, std::optional<DurationUs> after = {});

  /// Take a message back that never left: it counts as no delivery.
  bool give_back(const AckId& id);

  /// Hold a lease until `until`. Returns false when it is no longer held.
  bool extend(const AckId& id, DurationUs until);

  /// Take back what was not acknowledged in time, and make ready what has waited long enough.
  void expire(DurationUs now);

  /// Return when `expire` next has something to do.
  std::optional<DurationUs> next_due() const;

  /// Return the messages whose deliveries are used up, with their bytes, each once: the caller writes them to
  /// the dead-letter topic, then calls `bury`, or `nack` when that failed. Errors: those of EventLog::read.
  Result<std::vector<SubscriptionMessage>> take_doomed();
  /// Be done with a doomed message. Returns false when a seek came between.
  bool bury(const AckId& id);

  /// Go to these offsets, one for each partition; what is done in one without an offset stays done.
  /// Everything handed out before is void.
  void seek(const std::vector<std::optional<Offset>>& to);

  /// Make a message that was done ready again, its deliveries forgotten. Returns false when it is not done,
  /// or when there is no room to track it. Errors: kOutOfRange when the log no longer has it; those of read.
  Result<bool> revive(MessagePlace place);

  std::uint64_t epoch() const { return epoch_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }
  const SubscriptionCounts& counts() const { return counts_; }
  void set_counts(const SubscriptionCounts& counts) { counts_ = counts; }

  std::size_t ready() const { return ready_.size(); }
  bool has_room() const { return tracked_ < limits_.tracked_max; }
  std::size_t outstanding() const { return outstanding_; }
  /// Return how many messages are not done. Counts what was not read yet by offsets, so gaps count too.
  std::uint64_t backlog() const;
  /// Return the publish time of the oldest message that is not done, as far as they are read.
  std::optional<TimeUs> oldest_undone() const;
  /// Return the offset below which everything in the partition is done.
  Offset next(PartitionId partition) const;

 private:
  enum class State : std::uint8_t { kQueued, kReady, kLeased, kWaiting, kDoomed };

  /// A message that was read and is not done. Its bytes stay in the log.
  struct Tracked {
    Offset end;  ///< where the next record begins
    TimeUs time = 0;
    std::uint64_t bytes = 0;
    std::uint32_t attempts = 0;
    State state = State::kQueued;
    std::uint64_t sequence = 0;  ///< order of reading, in which they are handed out
    std::uint64_t lease = 0;
    DurationUs due = 0;  ///< kLeased, kWaiting
    std::string key;     ///< of ordered subscriptions only
  };
  struct Partition {
    TopicPartition where;
    Offset scanned;  ///< everything below is done or in `undone`, but for `restored`
    Offset reach;
    std::map<Offset, Tracked> undone;
    std::map<Offset, std::uint32_t> restored;  ///< not read again yet; all below `restored_end`
    Offset restored_end;
    Change change = Change::kNone;
  };

  Partition& partition(PartitionId id) { return partitions_[id.value()]; }
  Tracked* find(MessagePlace place);
  Tracked* find_held(const AckId& id);
  Result<bool> read_partition(PartitionId id);
  Status skip_removed(Partition& from, const Error& error);
  void take_in(PartitionId id, RecordBatch batch);
  Tracked& track(PartitionId id, const Record& record, Offset end, std::uint32_t attempts);
  bool read_up_to(MessagePlace place);
  void leave_state(MessagePlace place, Tracked& message);
  void settle(MessagePlace place, Tracked& message);
  void wait_until(MessagePlace place, Tracked& message, DurationUs due);
  void lease(MessagePlace place, Tracked& message, DurationUs until);
  void finish(MessagePlace place);
  Result<const Record*> load(MessagePlace place);
  SubscriptionMessage message_of(MessagePlace place, const Tracked& tracked, const Record& record) const;
  DurationUs back_off(std::uint32_t attempts);
  bool used_up(const Tracked& message) const;

  const std::string name_;
  SubscriptionSettings settings_;
  const EventLog& log_;
  const SubscriptionLimits limits_;
  std::mt19937_64 random_;
  std::string content_type_;
  std::vector<Partition> partitions_;
  std::set<std::pair<std::uint64_t, MessagePlace>> ready_;          ///< by sequence
  std::set<std::pair<DurationUs, MessagePlace>> due_;               ///< of kLeased and kWaiting
  std::vector<MessagePlace> doomed_;                                ///< not taken yet
  std::unordered_map<std::string, std::deque<MessagePlace>> keys_;  ///< of ordering: who stands behind whom
  std::size_t tracked_ = 0;
  std::size_t outstanding_ = 0;
  std::uint64_t outstanding_bytes_ = 0;
  std::uint32_t first_read_ = 0;  ///< counts reads, to begin each with another partition
  std::uint64_t sequence_ = 0;
  std::uint64_t next_lease_ = 0;
  std::uint64_t epoch_ = 0;
  SubscriptionCounts counts_;
  RecordBatch batch_;  ///< the last that was read, so that a hand-out need not read again
  PartitionId batch_partition_;
};

}  // namespace millrace
