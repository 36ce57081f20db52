#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/codec.h"
#include "event/event.h"
#include "log/event_log.h"

namespace millrace {

/// A record of the topic that could not be decoded.
struct DecodeFailure {
  std::size_t record = 0;  ///< index in `FeedBatch::records.records`
  Error error;
};

/// Records of one partition and the events in them. Immutable, shared between jobs.
struct FeedBatch {
  TopicPartition partition;
  Offset from;          ///< what was asked for; the first record may lie beyond it
  Offset next;          ///< where to read on
  RecordBatch records;  ///< the bytes that events point into
  EventBatch decoded;   ///< in log order, log_* filled in; empty for topics other than `events`
  std::vector<DecodeFailure> failures;

  /// Return the events at or after `offset`: a job whose cursor lies inside the batch skips what it has.
  std::span<const Event> events_from(Offset offset) const;
  /// Return the records at or after `offset`.
  std::span<const Record> records_from(Offset offset) const;
  /// Return how many events one of its records counts for: none in topics other than `events`.
  std::uint64_t events_in(const Record& record) const;
};

struct EventFeedOptions {
  std::size_t cache_bytes_max = 48u << 20;  ///< of batches kept for slower jobs (at least the newest is)
  std::size_t records_max = 4'096;          ///< in a batch
  std::size_t bytes_max = 2u << 20;         ///< of records in a batch, about
};

/// Reads partitions for jobs: each batch is read and decoded once and shared while it is in the cache.
/// Threads: any method from any thread.
class EventFeed {
 public:
  /// `log` must outlive the feed.
  EventFeed(const EventLog& log, const EventFeedOptions& options);

  /// Return the batch that holds `from`: new ones begin there, a cached one may begin before it (use
  /// `events_from`). Empty, with `next == from`, when there is nothing yet. Never waits for records.
  /// Records of the topic "events" are decoded; those of others are only read.
  /// Errors: those of EventLog::read; kOutOfRange names where the log now starts.
  Result<std::shared_ptr<const FeedBatch>> read(const TopicPartition& partition, Offset from);

  /// Return the bytes held by the cache.
  std::size_t cached_bytes() const;

 private:
  struct Partition;

  std::shared_ptr<Partition> partition_of(const TopicPartition& partition);
  void remember(const std::shared_ptr<const FeedBatch>& batch);
  std::shared_ptr<const FeedBatch> cached(const TopicPartition& partition, Offset from) const;

  const EventLog& log_;
  const EventFeedOptions options_;
  mutable std::mutex mutex_;  ///< guards all below
  std::map<TopicPartition, std::shared_ptr<Partition>> partitions_;
  std::list<std::shared_ptr<const FeedBatch>> batches_;  ///< oldest first
  std::size_t bytes_ = 0;
};

}  // namespace millrace
