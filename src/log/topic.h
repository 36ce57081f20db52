#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/control_files.h"
#include "log/partition.h"
#include "log/topic_files.h"

namespace millrace::log {

/// One topic: its directory with topic.json, groups.json and a directory for each partition.
/// Threads: any, but `retain` and what it calls only on the upkeep thread.
class Topic {
 public:
  /// Open the topic in `dir`, of which topic.json exists.
  /// Errors: kCorrupt for topic.json; those of Partition::open.
  static Result<std::shared_ptr<Topic>> open(Env& env, ControlFiles& control, const Path& dir,
                                             ProblemList& problems);

  /// Make the directories and topic.json in `dir`, durably; topic.json comes last and makes it a topic.
  static Status make(Env& env, ControlFiles& control, const Path& dir, const TopicConfig& config);

  const std::string& name() const { return name_; }
  TopicConfig config() const;

  /// Change all settings but the number of partitions, durably.
  Status set_config(const TopicConfig& config);

  /// Return the partition, or nothing when there is none of that number.
  Partition* partition(PartitionId id);
  const std::vector<std::unique_ptr<Partition>>& partitions() const { return partitions_; }

  std::uint64_t bytes() const;

  /// Return why the topic takes no more, when it has reached its hard limit.
  Status check_room() const;

  Status commit(std::string_view group, PartitionId partition, Offset next);
  std::optional<Offset> committed(std::string_view group, PartitionId partition) const;
  Status delete_group(std::string_view group);

  /// Remove what is too old or too much, but only whole segments that every group has passed.
  Status retain(TimeUs now);

  /// Say that the directory is going away, so that failures no longer mean anything.
  void set_deleted() { deleted_ = true; }
  bool is_deleted() const { return deleted_; }

 private:
  Topic(Env& env, ControlFiles& control, Path dir, TopicConfig config);

  Status load_groups(ProblemList& problems);
  Status open_partitions(ProblemList& problems);
  Status write_groups(GroupOffsets groups);
  std::uint64_t passed_by_all(PartitionId partition) const;
  bool may_remove(const Partition& partition, const Partition::Oldest& oldest) const;
  Status retain_by_time(TimeUs before);
  Status retain_by_size(std::uint64_t bytes_max);

  Env& env_;
  ControlFiles& control_;
  const Path dir_;
  const std::string name_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::atomic<bool> deleted_ = false;
  bool groups_lost_ = false;  ///< groups.json was damaged: nobody knows what may go

  mutable std::mutex mutex_;
  TopicConfig config_;          ///< guarded by mutex_
  GroupOffsets groups_;         ///< guarded by mutex_
  std::mutex write_mutex_;      ///< one writer of the control files at a time; taken before mutex_
  bool config_unsure_ = false;  ///< a failed write may have replaced the file; guarded by write_mutex_
  bool groups_unsure_ = false;  ///< likewise
  std::atomic<std::uint64_t> bytes_hard_;
};

}  // namespace millrace::log
