#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "log/event_log.h"
#include "stream/archived_log.h"
#include "stream/job_metrics.h"
#include "warehouse/row_exchange.h"

namespace millrace {

/// A place in the log: that offset of each partition, or what was received at or after a time.
using ReplayPlace = std::variant<Offset, TimeUs>;

/// What a replay goes over of the topic `events`.
struct ReplayBounds {
  std::optional<ReplayPlace> from;   ///< none: the first record that the lake, else the log, still has
  std::optional<ReplayPlace> to;     ///< none, or beyond it: where the log ends now
  bool events_only = false;          ///< false: all that the log has of the other topics too
  std::optional<JobPosition> below;  ///< nothing beyond it; a partition it does not name is left out
};

/// The part of the log that a replay goes over. It moves no group: what retention may delete is not a
/// replay's affair. Threads: as EventLog, once `measure` has returned.
class ReplayLog final : public EventLog {
 public:
  /// `log` must outlive it.
  explicit ReplayLog(const ArchivedLog& log) : log_(log) {}

  /// Find out which offsets there are, before anything else. Errors: those of reading `log`.
  Status measure(const ReplayBounds& bounds);
  /// Return the ranges of the topic `events`, and where `read` found records of them so far.
  OffsetRanges event_ranges() const;
  OffsetSpans events_read() const;
  std::uint64_t offsets_total() const;
  std::uint64_t offsets_done(const JobPosition& done) const;

  std::map<std::string, TopicConfig> topics() const override;
  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override;
  Result<PartitionStats> stats(const TopicPartition& partition) const override;
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    return log_.offset_at_time(partition, time);
  }
  Status commit(std::string_view, const TopicPartition&, Offset) override { return {}; }
  Result<std::optional<Offset>> committed(std::string_view, const TopicPartition&) const override {
    return std::nullopt;
  }
  Status create_topic(std::string_view, const TopicConfig&) override { return read_only(); }
  Status delete_topic(std::string_view) override { return read_only(); }
  void append(const TopicPartition&, std::vector<NewRecord>, AppendDone done) override { done(read_only()); }
  Status delete_group(std::string_view, std::string_view) override { return {}; }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs) const override { return seen; }

 private:
  static std::unexpected<Error> read_only() {
    return fail(Code::kInvalid, "a replay writes nothing to the log");
  }
  Result<Offset> offset_of(const TopicPartition& partition, const ReplayPlace& place) const;
  Result<OffsetRange> range_of(const TopicPartition& partition, const ReplayBounds& bounds) const;

  void note_read(const TopicPartition& partition, const std::vector<Record>& records) const;

  const ArchivedLog& log_;
  std::map<TopicPartition, OffsetRange> ranges_;
  mutable std::mutex mutex_;  ///< guards read_
  mutable OffsetSpans read_;  ///< of the topic `events`
};

}  // namespace millrace
