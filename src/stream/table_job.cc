#include "stream/table_job.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/logging.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kReadBytes = 4 << 20;
constexpr std::uint64_t kBusyLogBytes = 64ull << 20;  // of DuckDB's own log, before it is shortened
constexpr std::size_t kBytesMin = 1 << 20;

TopicPartition partition_of(const std::string& source) {
  return {source_topic(source), PartitionId(0)};
}

class Tables final : public TableJob {
 public:
  Tables(EventLog& log, Warehouse& warehouse, const TableJobOptions& options)
      : log_(log), warehouse_(warehouse), options_(options), bytes_max_(options.transaction_bytes_max) {}

  std::string_view name() const override { return kGroup; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;
  std::optional<Loaded> loaded(std::string_view source) const override;

 private:
  /// A transaction as it grows.
  struct Load {
    bool begun = false;
    std::size_t bytes = 0;
    std::uint64_t records = 0;
    std::uint64_t rows = 0;
  };

  Status find_sources();
  Status load_all(Load& load);
  Result<bool> load_some(const std::string& source, Load& load);
  Status apply(const std::string& source, const Record& record, Load& load);
  Status commit_group();
  void publish();

  EventLog& log_;
  Warehouse& warehouse_;
  const TableJobOptions options_;
  std::size_t bytes_max_;  ///< of the next transaction: less after memory was short
  std::unique_ptr<SourceTables> tables_;
  std::map<std::string, Offset> cursors_;  ///< by source: where the next transaction begins
  std::map<std::string, Offset> group_;    ///< what the log was told last

  mutable std::mutex mutex_;
  std::map<std::string, Loaded, std::less<>> loaded_;  ///< guarded by mutex_
};

Status Tables::start() {
  MILLRACE_ASSIGN(tables_, SourceTables::open(warehouse_, options_.orders));
  MILLRACE_TRY(find_sources());
  publish();
  return {};
}

/// Take in the topics that are new, and make retention wait for us.
Status Tables::find_sources() {
  for (const auto& [topic, config] : log_.topics()) {
    if (!topic.starts_with(kSourceTopicPrefix)) continue;
    const std::string source = topic.substr(kSourceTopicPrefix.size());
    if (cursors_.contains(source) || !check_source_name(source)) continue;
    MILLRACE_ASSIGN(const auto stats, log_.stats(partition_of(source)));
    const Offset next = tables_->next_offset(source).value_or(stats.start);
    MILLRACE_TRY(log_.commit(kGroup, partition_of(source), next));
    cursors_[source] = group_[source] = next;
    publish();
  }
  return {};
}

Result<StepResult> Tables::step() {
  if (!tables_) MILLRACE_TRY(start());
  MILLRACE_TRY(find_sources());
  Load load;
  Status done = load_all(load);
  if (done && load.begun) done = tables_->commit();
  if (!done) {
    tables_->rollback();
    for (auto& [source, cursor] : cursors_) cursor = tables_->next_offset(source).value_or(group_[source]);
    if (done.error().code == Code::kOverloaded) bytes_max_ = std::max(kBytesMin, bytes_max_ / 2);
    return fail(std::move(done).error());
  }
  if (!load.begun) {
    MILLRACE_TRY(commit_group());
    return StepResult{};
  }
  const bool full = load.bytes >= bytes_max_;
  bytes_max_ = std::min(options_.transaction_bytes_max, bytes_max_ * 2);
  publish();
  MILLRACE_TRY(commit_group());
  if (const auto short_enough = warehouse_.checkpoint_over(kBusyLogBytes); !short_enough)
    log_warning(name(), "could not shorten the warehouse's log",
                {field("error", short_enough.error().text())});
  return StepResult{.more = full,
                    .rest = full ? 0 : options_.transaction_interval,
                    .records = load.records,
                    .events = load.rows};
}

/// Apply records of all sources in turn until the transaction is full or nothing is left.
Status Tables::load_all(Load& load) {
  for (bool any = true; any && load.bytes < bytes_max_;) {
    any = false;
    for (const auto& [source, cursor] : cursors_) {
      MILLRACE_ASSIGN(const bool some, load_some(source, load));
      any |= some;
    }
  }
  return {};
}

Result<bool> Tables::load_some(const std::string& source, Load& load) {
  Offset& cursor = cursors_[source];
  auto batch = log_.read(partition_of(source), cursor, {.bytes_max = kReadBytes});
  if (!batch)
    return fail(std::move(batch).error().with_context("the tables of " + source + " want to go on"));
  if (batch->records.empty()) return false;
  if (!load.begun) {
    MILLRACE_TRY(tables_->begin());
    load.begun = true;
  }
  // Readers see whole transactions of the source: what a commit follows waits for it.
  while (!batch->records.empty()) {
    for (const Record& record : batch->records) MILLRACE_TRY(apply(source, record, load));
    cursor = batch->next;
    if (!tables_->in_changes(source)) break;
    batch = log_.read(partition_of(source), cursor, {.bytes_max = kReadBytes});
    if (!batch) return fail(std::move(batch).error());
  }
  tables_->set_next(source, cursor);
  return true;
}

Status Tables::apply(const std::string& source, const Record& record, Load& load) {
  load.bytes += record.value.size();
  ++load.records;
  load.rows += record.count;
  const auto changes = decode_row_record(record.value);
  if (changes && !tables_->fits(source, *changes)) {
    tables_->set_next(source, record.offset);
    MILLRACE_TRY(tables_->commit());
    MILLRACE_TRY(tables_->begin());
  }
  if (changes) return tables_->apply(source, record.offset, *changes);
  // Only Millrace writes these topics; a newer one may have. The record stays in the log.
  log_error(name(), "left a record out",
            {field("record", record_id(partition_of(source), record.offset)),
             field("error", changes.error().text())});
  return {};
}

/// Tell the log how far we are; the truth stays in the warehouse.
Status Tables::commit_group() {
  for (const auto& [source, cursor] : cursors_) {
    if (group_[source] == cursor) continue;
    MILLRACE_TRY(log_.commit(kGroup, partition_of(source), cursor));
    group_[source] = cursor;
  }
  return {};
}

void Tables::publish() {
  const std::lock_guard lock(mutex_);
  for (const auto& [source, cursor] : cursors_) {
    Loaded& loaded = loaded_[source];
    loaded.next = cursor;
    const auto found = tables_->states().find(source);
    if (found != tables_->states().end()) loaded.states = found->second;
    const auto stream = tables_->streams().find(source);
    if (stream != tables_->streams().end()) loaded.stream = stream->second;
  }
}

JobPosition Tables::done() const {
  JobPosition position;
  const std::lock_guard lock(mutex_);
  for (const auto& [source, loaded] : loaded_) position[partition_of(source)] = loaded.next;
  return position;
}

std::optional<TableJob::Loaded> Tables::loaded(std::string_view source) const {
  const std::lock_guard lock(mutex_);
  const auto found = loaded_.find(source);
  return found == loaded_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

std::unique_ptr<TableJob> TableJob::make(EventLog& log, Warehouse& warehouse,
                                         const TableJobOptions& options) {
  return std::make_unique<Tables>(log, warehouse, options);
}

}  // namespace millrace
