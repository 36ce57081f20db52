#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// What is handed to the log: any bytes. The log never looks into them.
struct NewRecord {
  std::string_view key;         ///< kept with the record; used by `partition_for`; up to 1,024 bytes
  std::string_view attributes;  ///< the producer's small header (an event's envelope); up to 64 KB
  std::string_view value;       ///< up to kRecordBytesMax
  TimeUs time = 0;              ///< received time; the time index is over it
  std::uint32_t count = 1;      ///< how many things it holds; the books add these up, never offsets
};

/// A record as read. The views live as long as the RecordBatch they came in.
struct Record {
  Offset offset;
  TimeUs time = 0;
  std::uint32_t count = 0;
  std::string_view key;
  std::string_view attributes;
  std::string_view value;
};

/// Records of one partition in offset order, with the bytes they point into. Movable, not copyable.
struct RecordBatch {
  RecordBatch() = default;
  RecordBatch(RecordBatch&&) = default;
  RecordBatch& operator=(RecordBatch&&) = default;

  std::vector<Record> records;
  Offset next;                    ///< where to read on
  std::unique_ptr<char[]> bytes;  ///< owns what the views point into; 64 readable bytes follow the last
};

struct ReadLimits {
  std::size_t records_max = 10'000;
  std::size_t bytes_max = 4 << 20;  ///< soft: one record is always returned when there is one
  DurationUs wait = 0;              ///< how long to wait for the first record
};

struct TopicConfig {
  /// Fixed once the topic is made; 1..1,024. More than one lets several readers share a group's work; each
  /// has files of its own, so a batch that spreads over them costs a sync of each.
  std::uint32_t partitions = 1;
  DurationUs retention = 7 * kDayUs;      ///< delete segments older than this …
  std::uint64_t bytes_soft = 8ull << 30;  ///< … or beyond this size, but only what every group has passed
  std::uint64_t bytes_hard =
      16ull << 30;  ///< at this size, append answers kOverloaded and names the slowest group
  std::uint64_t segment_bytes = 64ull << 20;
  std::string content_type;  ///< of the values, for those who read the topic

  bool operator==(const TopicConfig&) const = default;
};

struct PartitionStats {
  Offset start;                   ///< first offset kept
  Offset end;                     ///< one past the last durable offset
  std::uint64_t count_total = 0;  ///< sum of `NewRecord::count` ever appended
  std::uint64_t count_start = 0;  ///< that sum before `start`
  std::uint64_t bytes = 0;        ///< of what is kept, on disk, without space prepared ahead
  TimeUs newest = 0;              ///< largest record time, 0 when empty
};

/// Durable, append-only records in topics and partitions. Bytes on disk: docs/formats/log.md.
/// Offsets grow within a partition; gaps are allowed (Kafka has them), so never count with them.
/// Threads: any method from any thread.
class EventLog {
 public:
  static constexpr std::size_t kRecordBytesMax = 16u << 20;
  static constexpr std::size_t kBatchRecordsMax = 65'535;
  static constexpr std::size_t kBatchBytesMax = 64u << 20;  ///< keys, attributes and values together

  /// Gets the first offset of the batch.
  using AppendDone = std::function<void(Result<Offset>)>;

  virtual ~EventLog() = default;

  /// Make a topic. Fine when it exists with the same number of partitions (its other settings are
  /// then updated). Errors: kInvalid for a name not of [A-Za-z0-9._-]{1,128}; kExists when the number
  /// of partitions differs; kNoSpace, kIo.
  virtual Status create_topic(std::string_view topic, const TopicConfig& config) = 0;

  /// Delete a topic, its records and its groups' offsets. Errors: kNotFound, kIo.
  virtual Status delete_topic(std::string_view topic) = 0;

  virtual std::map<std::string, TopicConfig> topics() const = 0;

  /// Append `batch` to one partition, whole or not at all; `done` gets its first offset once it is
  /// durable. Never blocks and copies the bytes before it returns. `done` runs on a committer thread
  /// and must be short; refusals that need no disk call it on this thread before `append` returns.
  /// Batches handed over by one thread keep their order within a partition.
  /// Errors to `done`: kInvalid (sizes, with the record in `where`); kNotFound for an unknown topic or
  /// partition; kOverloaded when the queue or the topic is full (the message says which group is
  /// slowest); kNoSpace, recovers by itself; kIo, after which the log must be reopened and the batch is
  /// kept whole or not at all; kCancelled when the log is closing.
  virtual void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) = 0;

  /// Read on from `from`: at least one record if there is a durable one, else an empty batch after
  /// `limits.wait` (or at once when the log closes). Errors: kOutOfRange when retention removed
  /// `from` (continue at `stats().start`) or it is past the end; kNotFound; kIo.
  virtual Result<RecordBatch> read(const TopicPartition& from_partition, Offset from,
                                   const ReadLimits& limits) const = 0;

  /// Return the first offset whose record time is >= `time` as the index tells, or the end.
  virtual Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const = 0;

  virtual Result<PartitionStats> stats(const TopicPartition& partition) const = 0;

  /// Say that `group` needs nothing below `next` any more. Durable before it returns (about a
  /// millisecond: commit now and then, not per record); retention deletes only what every group of the
  /// topic has passed, in every partition. A lower `next` than before is fine: the group reads again.
  /// Errors: kInvalid for a name that no topic could have; kOutOfRange beyond the end; kNotFound, kIo.
  virtual Status commit(std::string_view group, const TopicPartition& partition, Offset next) = 0;

  /// Return what `group` committed last, or nothing.
  virtual Result<std::optional<Offset>> committed(std::string_view group,
                                                  const TopicPartition& partition) const = 0;

  /// Forget a group, so that it holds back retention no longer. Fine when there is none.
  virtual Status delete_group(std::string_view group, std::string_view topic) = 0;

  /// Wait until anything in any topic became durable after version `seen` (what an earlier call
  /// returned; 0 at first), or `wait` passed, or the log closes. Return the present version.
  virtual std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const = 0;

  /// Return the partition of `key` in a topic of `partitions`: Kafka's murmur2. An empty key spreads
  /// by `spread`, for which any changing number does.
  static PartitionId partition_for(std::string_view key, std::uint32_t partitions, std::uint64_t spread);
};

}  // namespace millrace
