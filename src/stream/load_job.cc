#include "stream/load_job.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "stream/slice_writer.h"

namespace millrace {
namespace {

/// How often the log is told how far we are; it only matters to retention.
constexpr DurationUs kGroupCommitInterval = kSecondUs;

/// How long DuckDB's log may grow while there is work, which bounds the next start after a crash to about a
/// second, and while there is none.
constexpr std::uint64_t kBusyLogBytes = 64ull << 20;
constexpr std::uint64_t kIdleLogBytes = 8ull << 20;

/// A batch of so many records is taken for a sign that more is waiting.
constexpr std::size_t kBacklogRecords = 1000;

/// Offsets of one partition that failed together.
struct Suspect {
  TopicPartition partition;
  Offset from;
  Offset to;
};

/// A transaction as it grows.
struct Load {
  std::vector<Suspect> taken;  ///< what it holds, should it fail
  std::size_t rows = 0;
  std::size_t records = 0;
  std::uint64_t events = 0;
  bool full = false;
  bool log_failed = false;  ///< it ended because the log could not be read
};

/// Return how many rows an event makes: its own, and those of its items unless the one fits into it.
std::size_t rows_of(const Event& event) {
  const bool order = event.type == EventType::kPurchase || event.type == EventType::kRefund;
  return 1 + (order || event.items.size() > 1 ? event.items.size() : 0);
}

/// Where memory was too short for a transaction, half as many rows may go into the next one, and an eighth
/// more after each that succeeds: one that fails is work lost.
constexpr std::size_t kGrowthShare = 8;

class Loader final : public LoadJob {
 public:
  Loader(EventLog& log, EventFeed& feed, Warehouse& warehouse, const LoadJobOptions& options)
      : log_(log),
        feed_(feed),
        warehouse_(warehouse),
        options_(options),
        slices_(options.job, warehouse.env()),
        rows_max_(options.transaction_rows_max) {}

  std::string_view name() const override { return options_.job; }
  Status start() override;
  Result<StepResult> step() override;
  LoadPosition position() const override;
  Status run_alone(const std::function<Status()>& work, const std::stop_token& stop) override;
  JobPosition done() const override { return position().next; }
  void show_in(JobMetrics& metrics) override { metrics_ = &metrics; }

 private:
  /// Somebody's work that wants the tables for itself, and what came of it.
  struct Alone {
    const std::function<Status()>& work;
    bool begun = false;
    std::optional<Status> done;
  };

  Status open_writer();
  Status prepare_writer();
  Alone* next_alone();
  Status run_next(Alone& alone);
  Status load_next(Load& load);
  Status load_some(const TopicPartition& partition, Offset& cursor, Load& load);
  void read_ahead(const FeedBatch& batch);
  Slice cut(const std::shared_ptr<const FeedBatch>& batch, Offset from, Load& load) const;
  Status recover(Load& load, const Error& error);
  Result<StepResult> step_suspect();
  Status load_suspect(const Suspect& suspect, StepResult& result);
  Status quarantine_alone(const Suspect& suspect, const Error& reason);
  void tidy(std::uint64_t log_bytes);
  Status commit_group(bool now);
  void publish();
  void count_losses(const LoadPosition& before, const LoadPosition& now) const;

  EventLog& log_;
  EventFeed& feed_;
  Warehouse& warehouse_;
  const LoadJobOptions options_;
  std::unique_ptr<FactWriter> writer_;
  SliceWriter slices_;
  std::vector<TopicPartition> partitions_;
  std::map<TopicPartition, Offset> starts_;  ///< of partitions never loaded
  std::map<TopicPartition, Offset> group_;   ///< what the log was told last
  std::size_t first_ = 0;                    ///< whose turn it is to be gathered first
  std::deque<Suspect> suspects_;             ///< of a transaction that failed: what is at fault is among them
  std::size_t rows_max_;                     ///< of the next transaction: fewer after a failure
  DurationUs last_group_commit_ = 0;

  JobMetrics* metrics_ = nullptr;  ///< none when nobody watches
  bool started_ = false;           ///< the books were read
  LogLimiter tidy_lines_{1, 1.0 / 60};

  std::future<void> ahead_;  ///< one read at a time

  mutable std::mutex mutex_;  ///< guards the rest
  LoadPosition position_;
  std::deque<Alone*> alone_;  ///< waiting, or at work: the first
  std::condition_variable_any alone_done_;

  prometheus::Counter& rows_total_ =
      metrics::counter("millrace_load_rows_total", "Rows written to the warehouse", {{"job", options_.job}});
  prometheus::Histogram& transaction_seconds_ = metrics::latency_seconds(
      "millrace_load_transaction_seconds", "Time of one warehouse transaction", {{"job", options_.job}});
};

Status Loader::start() {
  return open_writer();
}

/// A writer that is not ready is none: the next step opens another.
Status Loader::open_writer() {
  MILLRACE_ASSIGN(writer_, FactWriter::open(warehouse_, options_.writer));
  Status ready = prepare_writer();
  if (!ready) writer_.reset();
  return ready;
}

Status Loader::prepare_writer() {
  started_ = false;  // what the books say now is not what this process did
  partitions_.clear();
  const auto topics = log_.topics();
  for (const auto topic : kOwnTopics) {
    const auto found = topics.find(std::string(topic));
    if (found == topics.end()) continue;
    for (std::uint32_t i = 0; i < found->second.partitions; ++i) {
      partitions_.push_back({found->first, PartitionId(i)});
    }
  }
  for (const auto& partition : partitions_) {
    if (partition.topic == kEventsTopic) writer_->set_waiting(partition, true);
    if (writer_->next_offset(partition)) continue;
    MILLRACE_ASSIGN(const auto stats, log_.stats(partition));
    starts_[partition] = stats.start;
    MILLRACE_TRY(log_.commit(kGroup, partition, stats.start));  // from now on retention waits for us
  }
  publish();
  started_ = true;
  return {};
}

Status Loader::run_alone(const std::function<Status()>& work, const std::stop_token& stop) {
  Alone alone{work, false, std::nullopt};
  std::unique_lock lock(mutex_);
  alone_.push_back(&alone);
  alone_done_.wait(lock, stop, [&] { return alone.done.has_value(); });
  if (!alone.begun) {
    std::erase(alone_, &alone);
    return fail(Code::kCancelled, "stopped before it began");
  }
  alone_done_.wait(lock, [&] { return alone.done.has_value(); });
  return *std::move(alone.done);
}

Loader::Alone* Loader::next_alone() {
  const std::lock_guard lock(mutex_);
  if (alone_.empty()) return nullptr;
  alone_.front()->begun = true;
  return alone_.front();
}

/// What the writer remembers, in memory and in files, may not be true any more afterwards.
Status Loader::run_next(Alone& alone) {
  writer_.reset();
  Status done = forget_message_ids(warehouse_.env(), options_.writer.message_ids_dir);
  if (done) done = alone.work();
  {
    const std::lock_guard lock(mutex_);
    alone.done = std::move(done);
    alone_.pop_front();
    alone_done_.notify_all();
  }
  const auto begun = warehouse_.env().steady_now();
  MILLRACE_TRY(open_writer());
  log_info(name(), "read the tables again after they were changed, and goes on",
           {field("seconds", static_cast<double>(warehouse_.env().steady_now() - begun) / kSecondUs)});
  return {};
}

Result<StepResult> Loader::step() {
  if (!writer_) MILLRACE_TRY(open_writer());
  if (Alone* alone = next_alone()) {
    MILLRACE_TRY(run_next(*alone));
    return StepResult{.more = true};
  }
  if (!suspects_.empty()) return step_suspect();
  const auto begun = warehouse_.env().steady_now();
  Load load;
  if (auto loaded = load_next(load); !loaded) {
    writer_->rollback();
    MILLRACE_TRY(recover(load, loaded.error()));
    return StepResult{.more = true};
  }
  tidy(load.records > 0 ? kBusyLogBytes : kIdleLogBytes);
  if (load.taken.empty()) {
    MILLRACE_TRY(commit_group(/*now=*/true));
    return StepResult{};
  }
  rows_max_ = std::min(options_.transaction_rows_max, rows_max_ + rows_max_ / kGrowthShare + 1);
  publish();
  MILLRACE_TRY(commit_group(/*now=*/false));
  const auto taken = warehouse_.env().steady_now() - begun;
  rows_total_.Increment(static_cast<double>(load.rows));
  transaction_seconds_.Observe(static_cast<double>(taken) / kSecondUs);
  return StepResult{.more = load.full,
                    .rest = load.full ? 0 : std::max<DurationUs>(0, options_.transaction_interval - taken),
                    .records = load.records,
                    .events = load.events};
}

/// Write records of all partitions in turn until the transaction is full or nothing is left, and commit it.
/// The partition to begin with changes, so that none starves. No batch is held longer than it takes to write
/// it.
Status Loader::load_next(Load& load) {
  std::vector<Offset> cursors;
  for (const auto& partition : partitions_) {
    cursors.push_back(writer_->next_offset(partition).value_or(starts_[partition]));
  }
  first_ = partitions_.empty() ? 0 : (first_ + 1) % partitions_.size();
  for (bool any = true; any && !load.full;) {
    any = false;
    for (std::size_t i = 0; i < partitions_.size() && !load.full; ++i) {
      const auto at = (first_ + i) % partitions_.size();
      const auto before = cursors[at];
      MILLRACE_TRY(load_some(partitions_[at], cursors[at], load));
      any |= cursors[at] != before;
    }
  }
  return load.taken.empty() ? Status{} : writer_->commit();
}

/// Write what the next batch of a partition has, as far as it fits, and move the cursor.
Status Loader::load_some(const TopicPartition& partition, Offset& cursor, Load& load) {
  auto batch = feed_.read(partition, cursor);
  if (!batch) {
    load.log_failed = true;
    return fail(std::move(batch).error().with_context("the warehouse wants to go on at " +
                                                      record_id(partition, cursor)));
  }
  if ((*batch)->next <= cursor) {
    if (partition.topic == kEventsTopic) writer_->set_waiting(partition, false);
    return {};
  }
  read_ahead(**batch);
  const auto slice = cut(*batch, cursor, load);
  if (load.taken.empty()) MILLRACE_TRY(writer_->begin());
  load.taken.push_back({partition, slice.from, slice.to});
  cursor = slice.to;
  return slices_.write(slice, *writer_);
}

/// While there is a backlog, have the partition's next batch read and decoded by the time its turn comes.
void Loader::read_ahead(const FeedBatch& batch) {
  if (batch.records.records.size() < kBacklogRecords) return;
  ahead_ = std::async(std::launch::async, [this, partition = batch.partition, next = batch.next] {
    (void)feed_.read(partition, next);  // what it gives stays in the feed's cache
  });
}

/// Take from a batch what still fits into the transaction, at least one record when it holds nothing yet.
Slice Loader::cut(const std::shared_ptr<const FeedBatch>& batch, Offset from, Load& load) const {
  const auto events = batch->events_from(from);
  auto event = events.begin();
  for (const auto& record : batch->records_from(from)) {
    std::size_t rows = 0;
    for (; event != events.end() && event->log_offset == record.offset; ++event) rows += rows_of(*event);
    rows = std::max<std::size_t>(1, rows);
    if (load.rows + rows > rows_max_ && load.records > 0) {
      load.full = true;
      return {batch, from, record.offset};
    }
    load.rows += rows;
    load.events += batch->events_in(record);
    ++load.records;
  }
  return {batch, from, batch->next};
}

/// Decide what to do after a transaction failed. Where the data are to blame, its parts are tried one by one.
/// Short memory is answered with fewer rows. Any other failure is for the runner to wait out.
Status Loader::recover(Load& load, const Error& error) {
  if (load.log_failed) return fail(error);
  if (blames_record(error)) {
    log_warning(name(), "a transaction failed; looking for the records at fault",
                {field("records", load.records), field("error", error.text())});
    suspects_.assign(std::make_move_iterator(load.taken.begin()), std::make_move_iterator(load.taken.end()));
    return {};
  }
  if (error.code == Code::kOverloaded && load.records > 1) {
    rows_max_ = std::max<std::size_t>(1, std::min(rows_max_, load.rows) / 2);
  }
  return fail(error);
}

/// Load the first of the suspects by itself. Where the data are to blame it is cut in two, down to the one
/// record at fault, which goes aside: k of n records take 2 k log2(n) transactions at most.
Result<StepResult> Loader::step_suspect() {
  const Suspect suspect = suspects_.front();
  StepResult result{.more = true};
  if (auto loaded = load_suspect(suspect, result); !loaded) {
    writer_->rollback();
    if (!blames_record(loaded.error())) return fail(loaded.error());
    const auto offsets = suspect.to.value() - suspect.from.value();
    if (offsets > 1) {
      const Offset middle = suspect.from + offsets / 2;
      suspects_.front().from = middle;
      suspects_.push_front({suspect.partition, suspect.from, middle});
      return StepResult{.more = true};
    }
    MILLRACE_TRY(quarantine_alone(suspect, loaded.error()));
  }
  suspects_.pop_front();
  publish();
  return result;
}

Status Loader::load_suspect(const Suspect& suspect, StepResult& result) {
  MILLRACE_TRY(writer_->begin());
  for (Offset at = suspect.from; at < suspect.to;) {
    MILLRACE_ASSIGN(const auto batch, feed_.read(suspect.partition, at));
    const Slice slice{batch, at, std::min(batch->next, suspect.to)};
    MILLRACE_TRY(slices_.write(slice, *writer_));
    for (const auto& record : batch->records_from(at)) {
      if (!slice.holds(record.offset)) break;
      ++result.records;
      result.events += batch->events_in(record);
    }
    at = slice.to;
  }
  return writer_->commit();
}

/// Put the only record of a suspect aside.
Status Loader::quarantine_alone(const Suspect& suspect, const Error& reason) {
  MILLRACE_ASSIGN(const auto batch, feed_.read(suspect.partition, suspect.from));
  MILLRACE_TRY(writer_->begin());
  MILLRACE_TRY(slices_.put_aside(suspect.partition, batch->records_from(suspect.from).front(), "load", reason,
                                 *writer_));
  writer_->set_next(suspect.partition, suspect.to);
  return writer_->commit();
}

/// Keep DuckDB's log short. A failure costs time at the next start and nothing else.
void Loader::tidy(std::uint64_t log_bytes) {
  const auto done = warehouse_.checkpoint_over(log_bytes);
  if (!done && tidy_lines_.take(warehouse_.env().steady_now())) {
    log_warning(name(), "could not shorten the warehouse's log", {field("error", done.error().text())});
  }
}

/// Tell the log how far we are, now and then, or `now`. The truth stays in `_offsets`.
Status Loader::commit_group(bool now) {
  const auto clock = warehouse_.env().steady_now();
  if (!now && clock - last_group_commit_ < kGroupCommitInterval) return {};
  last_group_commit_ = clock;
  for (const auto& partition : partitions_) {
    const auto next = writer_->next_offset(partition);
    if (!next || (group_.contains(partition) && group_[partition] == *next)) continue;
    MILLRACE_TRY(log_.commit(kGroup, partition, *next));
    group_[partition] = *next;
  }
  return {};
}

void Loader::publish() {
  LoadPosition position{.known = true, .next = {}, .books = {}};
  for (const auto& partition : partitions_) {
    if (const auto next = writer_->next_offset(partition)) position.next[partition] = *next;
  }
  position.books = writer_->books();
  if (metrics_ && started_) count_losses(position_, position);
  const std::lock_guard lock(mutex_);
  position_ = std::move(position);
}

/// Show what the last transaction dropped or put aside.
void Loader::count_losses(const LoadPosition& before, const LoadPosition& now) const {
  BookEntry was, is;
  for (const auto& [partition, book] : before.books) {
    was.duplicate += book.duplicate;
    was.quarantined += book.quarantined;
  }
  for (const auto& [partition, book] : now.books) {
    is.duplicate += book.duplicate;
    is.quarantined += book.quarantined;
  }
  metrics_->count_duplicates(is.duplicate - was.duplicate);
  metrics_->count_quarantined(is.quarantined - was.quarantined);
}

LoadPosition Loader::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

}  // namespace

std::unique_ptr<LoadJob> LoadJob::make(EventLog& log, EventFeed& feed, Warehouse& warehouse,
                                       const LoadJobOptions& options) {
  return std::make_unique<Loader>(log, feed, warehouse, options);
}

}  // namespace millrace
