#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "base/env.h"
#include "log/event_log.h"
#include "stream/job.h"
#include "stream/window_job_metrics.h"
#include "stream/window_journal.h"
#include "stream/window_publisher.h"
#include "stream/window_state.h"

namespace millrace {

struct WindowJobOptions {
  Path dir;  ///< of its own: journal and snapshot
  WindowStateOptions state;
  DurationUs interval = 250 * kMillisecondUs;  ///< between steps
  std::uint64_t offsets_max = 20'000;          ///< of a partition that a step takes in, and holds
  DurationUs snapshot_interval = 30 * kSecondUs;
  /// A step is about 100 bytes of the journal, and is done again at the next start.
  std::size_t steps_max = 1'000;
};

/// The job `windows`: publishes the windows of aggregations that say so to their topics when they close, once
/// each whatever crashes, and late changes after them. docs/streams.md tells how.
///
/// It follows the loader: what it counts are the facts the loader has committed, read back from the tables.
/// So duplicates are dropped and expressions evaluated once, there, and what is published is what the tables
/// say.
class WindowJob : public Job {
 public:
  static constexpr std::string_view kName = WindowPublisher::kJob;

  /// Return how far the loader is; nothing before it knows. A partition that is not there was never loaded.
  using Loaded = std::function<std::optional<JobPosition>()>;

  /// `log`, `env` and what `loaded` uses must outlive it.
  WindowJob(EventLog& log, Env& env, std::unique_ptr<PublishedRows> rows, Loaded loaded,
            WindowJobOptions options);

  /// Forget what a job left in `dir`, when nothing is published any more. Errors: those of Env.
  static Status forget(Env& env, const Path& dir);

  std::string_view name() const override { return kName; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;

  /// Return what is held, for tests.
  const StateUse& use() const { return state_->use(); }

 private:
  Status sync();
  Status begin_anew();
  Status take_up_sources(const WindowBase& base);
  bool load_snapshot(std::uint64_t& number);
  Status rebuild();
  Status fill_missing(const std::vector<Offset>& before);
  Status replay(std::uint64_t after);
  std::optional<WindowStep> plan();
  Status run(const WindowStep& step, const std::vector<Offset>& from, StepResult& result);
  Status join(const std::vector<SourceMark>& marks, const std::vector<Offset>& from, bool with_rows);
  Status fill(std::size_t i, const std::vector<Offset>& before);
  Status rows_before(std::size_t i, const std::string& source, TimeUs watermark,
                     const std::vector<Offset>& before, const PublishedRows::Take& take);
  Status unless_it_fails(std::size_t i, const std::function<Status()>& read);
  void give_up(std::size_t i, const std::string& why);
  Status snapshot();
  void make_state();
  void note_done();
  std::map<TopicPartition, Offset> places(const std::vector<Offset>& next) const;

  EventLog& log_;
  Env& env_;
  const std::unique_ptr<PublishedRows> rows_;
  const Loaded loaded_;
  const WindowJobOptions options_;
  WindowPublisher publisher_;
  WindowJournal journal_;
  std::unique_ptr<WindowState> state_;
  std::uint32_t partitions_ = 0;
  bool synced_ = false;  ///< state and journal are what the files and topics say
  std::set<std::size_t> given_up_;
  std::uint64_t evicted_ = 0;
  std::uint64_t snapshot_number_ = 0;
  DurationUs snapshot_at_ = 0;
  WindowJobMetrics metrics_;

  mutable std::mutex mutex_;
  JobPosition done_;  ///< guarded by mutex_
};

}  // namespace millrace
