#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/env.h"
#include "log/commit_state.h"
#include "log/topic.h"

namespace millrace::log {

/// A batch on its way to the disk. Holding the topic keeps the partition alive.
struct PendingAppend {
  std::shared_ptr<Topic> topic;
  Partition* partition = nullptr;
  EncodedFrame frame;
  EventLog::AppendDone done;
};

/// What the committers share.
struct CommitShared {
  Env& env;
  QueueBudget& budget;
  StopSign& stop;
  Announcer& announcer;
  std::function<void()> wake_upkeep;
};

/// Makes the batches of its partitions durable: takes everything that is queued, writes each partition's
/// part with one write, syncs each file once, and answers. While it syncs, the next group gathers; so the
/// slower the disk, the more requests share one sync.
/// Threads: any, but `commit_queued` from one thread at a time.
class Committer {
 public:
  explicit Committer(CommitShared& shared) : shared_(shared) {}

  /// Hand over a batch, for which the budget was taken.
  void push(PendingAppend append);

  /// Begin to commit on a thread of its own named `name`.
  void start(std::string name);

  /// Commit what is queued and end the thread.
  void stop();

  /// Wait until all that was pushed before is answered.
  void drain();

  /// Commit what is queued, on this thread. Return whether there was anything.
  bool commit_queued();

 private:
  using Group = std::span<PendingAppend>;

  void run();
  void commit(std::vector<PendingAppend>& appends);
  void commit_group(Group group);
  Status write_and_sync(Group group);
  Error take_back(const PendingAppend& append, Error error);
  void answer(PendingAppend& append, Result<Offset> result);

  CommitShared& shared_;
  std::mutex mutex_;
  std::condition_variable queued_;
  std::condition_variable idle_;
  std::vector<PendingAppend> queue_;  ///< guarded by mutex_, as are the next; bounded by the budget
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::log
