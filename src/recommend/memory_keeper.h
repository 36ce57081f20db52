#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "recommend/memory_file.h"
#include "recommend/recommender.h"
#include "stream/job_metrics.h"

namespace millrace {

/// Keeps what a recommender remembers in a file, so that it need not be rebuilt at the next start. The file
/// is only ever a shortcut: one that is damaged, was made with other settings or does not belong to this log
/// is left unused, and the log of the process says why.
///
/// Saving copies the memory, on the caller's thread, while readers go on; checksum and disk are left to
/// another thread. So what is saved belongs to one position exactly, and who follows the log is held up for
/// the copying alone.
///
/// Threads: one, and it is the only one that changes the recommender.
class MemoryKeeper {
 public:
  struct Options {
    Path path;
    DurationUs interval = 0;  ///< between two savings, as long as anything changed
  };

  /// All arguments must outlive it.
  MemoryKeeper(Env& env, const EventLog& log, Recommender& recommender, Options options);

  /// Waits for what is being written.
  ~MemoryKeeper();

  /// Take the memory from the file, and return from where on to follow the log; it has just these
  /// `partitions`. Nothing when the file cannot be used: the recommender is then as it was.
  std::optional<JobPosition> restore(const std::vector<TopicPartition>& partitions);

  /// Save when it is time to, the recommender being at `reached`.
  void save_if_due(const JobPosition& reached);

  /// Save now, unless nothing changed, and wait until it is written.
  void save_at_end(const JobPosition& reached);

 private:
  /// What the other thread is about; `kReady`: it has got the room, and ended.
  enum class Stage : std::uint8_t { kIdle, kGettingRoom, kReady, kWriting };

  bool changed_since(const JobPosition& reached) const { return reached != saved_ || failed_; }
  void get_room();
  bool copy(const JobPosition& reached);
  void copy_all(const JobPosition& reached);
  void write();
  std::uint64_t record_before(const TopicPartition& partition, Offset next) const;
  std::string why_not(const MemoryFile& file, const std::vector<TopicPartition>& partitions) const;

  Env& env_;
  const EventLog& log_;
  Recommender& recommender_;
  const Options options_;
  JobPosition saved_;
  DurationUs due_;
  std::size_t bytes_ = 0;  ///< of the last file
  DurationUs copy_us_ = 0;
  std::string file_;  ///< of the other thread, but while the stage is kReady
  std::atomic<Stage> stage_ = Stage::kIdle;
  std::atomic<bool> failed_ = false;  ///< the last file was not written
  std::jthread writer_;               ///< last: uses the others
};

}  // namespace millrace
