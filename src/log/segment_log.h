#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "log/committer.h"
#include "log/control_files.h"
#include "log/event_log.h"
#include "log/problem.h"
#include "log/topic.h"

namespace millrace {

struct SegmentLogOptions {
  std::size_t queue_bytes_max = 64 << 20;  ///< handed over and not yet answered; beyond it: kOverloaded
  std::size_t queue_records_max = 1'000'000;
  /// Threads that write and sync, each for its own partitions. 0: no threads at all; the owner calls
  /// `run_queued` and `run_upkeep`, so that a test is deterministic.
  unsigned committers = 4;
  DurationUs upkeep_interval = 10 * kSecondUs;  ///< how often retention looks
  std::uint64_t reserve_bytes = 1 << 20;        ///< kept for control files when the disk is full
};

/// The log in files of this machine, without another service. Bytes on disk and the rules of recovery:
/// docs/formats/log.md. What EventLog says holds; beyond it:
/// - refusals that need no disk (kInvalid, kNotFound, kOverloaded, kCancelled, a stopped log) are answered
///   on the calling thread before `append` returns;
/// - a full disk answers kNoSpace until there is room; any other failure of a write or sync stops the whole
///   log, as nobody can know any more what the disk holds. Reading goes on.
class SegmentLog final : public EventLog {
 public:
  /// Open the log in `dir`, which is made when absent; recover what a crash left.
  /// Errors: kExists when another process, or this one, has it open; kDenied, kNoSpace, kIo; kCorrupt
  /// when a topic's settings cannot be read.
  static Result<std::unique_ptr<SegmentLog>> open(Env& env, const Path& dir,
                                                  const SegmentLogOptions& options = {});
  ~SegmentLog() override;

  /// Take no more, make durable what is queued, wake all who wait. Anything may still be read.
  void close();

  Status create_topic(std::string_view topic, const TopicConfig& config) override;
  Status delete_topic(std::string_view topic) override;
  std::map<std::string, TopicConfig> topics() const override;
  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override;
  Result<RecordBatch> read(const TopicPartition& from_partition, Offset from,
                           const ReadLimits& limits) const override;
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override;
  Result<PartitionStats> stats(const TopicPartition& partition) const override;
  Status commit(std::string_view group, const TopicPartition& partition, Offset next) override;
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override;
  Status delete_group(std::string_view group, std::string_view topic) override;
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const override;

  /// Return the damage found in the files so far; empty is what one wants.
  std::vector<log::LogProblem> problems() const { return problems_.list(); }

  /// Return why the log takes no more, when a failure of the disk has stopped it.
  Status health() const { return stop_.check(); }

  /// Delete what retention allows, now. With threads, they do it every `upkeep_interval`.
  void run_retention();

  /// Without threads: commit all that is queued; return whether there was anything.
  bool run_queued();

  /// Without threads: prepare space ahead, close full segments.
  void run_upkeep();

 private:
  struct Found {
    std::shared_ptr<log::Topic> topic;
    log::Partition* partition = nullptr;
  };

  SegmentLog(Env& env, Path dir, const SegmentLogOptions& options, std::unique_ptr<FileLock> lock);

  Status load();
  Status empty_trash();
  Status load_topic(const std::string& name);
  void start_threads();
  void upkeep_loop();
  void wake_upkeep();
  void note_upkeep(const log::Topic& topic, const Status& status);
  Result<std::shared_ptr<log::Topic>> find_topic(std::string_view topic) const;
  Result<Found> find(const TopicPartition& name) const;
  Result<Found> admit(const TopicPartition& to, const std::vector<NewRecord>& batch) const;
  log::Committer& committer_of(const TopicPartition& name);
  std::vector<std::shared_ptr<log::Topic>> all_topics() const;

  Env& env_;
  const Path dir_;
  const SegmentLogOptions options_;
  std::unique_ptr<FileLock> lock_;
  log::ControlFiles control_;
  log::ProblemList problems_;
  log::QueueBudget budget_;
  log::StopSign stop_;
  mutable log::Announcer announcer_;
  log::CommitShared shared_;
  std::vector<std::unique_ptr<log::Committer>> committers_;

  std::mutex admin_mutex_;  ///< one create_topic or delete_topic at a time
  mutable std::shared_mutex topics_mutex_;
  std::map<std::string, std::shared_ptr<log::Topic>, std::less<>> topics_;  ///< guarded by topics_mutex_
  bool closing_ = false;  ///< guarded by topics_mutex_, so that no append slips in behind the last commit

  std::mutex files_mutex_;  ///< held while upkeep or retention touches files
  std::mutex upkeep_mutex_;
  std::condition_variable upkeep_wanted_;
  bool upkeep_asked_ = false;  ///< guarded by upkeep_mutex_, as is the next
  bool upkeep_stopping_ = false;
  std::thread upkeep_thread_;
};

}  // namespace millrace
