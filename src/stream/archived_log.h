#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "lake/archive_reader.h"
#include "log/event_log.h"

namespace millrace {

/// A log that goes on below its start: what retention has removed is read from the lake's raw zone, record by
/// record as it was. Everything else is the log's own. Threads: any method from any thread; one at a time
/// reads the archive.
class ArchivedLog : public EventLog {
 public:
  /// `job` is the one whose positions in `manifest` say what is archived. All references must outlive it.
  ArchivedLog(EventLog& log, const Manifest& manifest, const ObjectStore& store, std::string job)
      : log_(log), manifest_(manifest), store_(store), job_(std::move(job)) {}

  Status create_topic(std::string_view topic, const TopicConfig& config) override {
    return log_.create_topic(topic, config);
  }
  Status delete_topic(std::string_view topic) override { return log_.delete_topic(topic); }
  std::map<std::string, TopicConfig> topics() const override { return log_.topics(); }
  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override {
    log_.append(to, std::move(batch), std::move(done));
  }

  /// Errors: as the log's; kOutOfRange below the archive's start too; kCorrupt names a damaged file.
  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override;

  /// Return the first offset that can be read: in the archive, else in the log. Errors: those of the log.
  Result<Offset> first_offset(const TopicPartition& partition) const;

  /// Let go of the files of the archive that are kept for the next read.
  void release() const;

  /// Looks into the archive for times before those the log still has.
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override;

  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    return log_.stats(partition);
  }
  Status commit(std::string_view group, const TopicPartition& partition, Offset next) override {
    return log_.commit(group, partition, next);
  }
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override {
    return log_.committed(group, partition);
  }
  Status delete_group(std::string_view group, std::string_view topic) override {
    return log_.delete_group(group, topic);
  }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const override {
    return log_.wait_for_append(seen, wait);
  }

 private:
  EventLog& log_;
  const Manifest& manifest_;
  const ObjectStore& store_;
  const std::string job_;
  mutable std::mutex mutex_;                      ///< guards archive_
  mutable std::optional<ArchiveReader> archive_;  ///< while it is being read
};

}  // namespace millrace
