#include "stream/curate_job.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "lake/orphans.h"
#include "lake/settle.h"
#include "log/topics.h"
#include "stream/curated_files.h"
#include "warehouse/curated_rows.h"

namespace millrace {
namespace {

/// Under which name the manifest keeps the cut that is being published.
constexpr std::string_view kPlanName = "curate-next";

/// Where the log was cut, and when that was due but for the lateness.
struct Cut {
  TimeUs time = 0;
  std::map<TopicPartition, Offset> next;
};

/// One batch of neighbouring hours of a table.
struct Batch {
  const CuratedTable* table;
  std::vector<CuratedHour> hours;
};

class Curator final : public CurateJob {
 public:
  Curator(EventLog& log, Warehouse& warehouse, ObjectStore& store, Manifest& manifest, Path staging,
          const CurateJobOptions& options)
      : env_(warehouse.env()),
        log_(log),
        warehouse_(warehouse),
        store_(store),
        manifest_(manifest),
        staging_(std::move(staging)),
        options_(options),
        file_rows_max_(options.file_rows_max) {}

  std::string_view name() const override { return kName; }
  Status start() override;
  Result<StepResult> step() override;

 private:
  Result<std::optional<Cut>> read_cut(std::string_view name) const;
  Status write_cut(std::string_view name, const Cut& cut);
  TimeUs next_time(TimeUs now) const;
  Result<std::optional<Cut>> cut_at(TimeUs time);
  Result<std::optional<Offset>> bound_of(const TopicPartition& partition, TimeUs time, Offset loaded) const;
  Status begin_cut();
  Status add_batches(const CuratedTable& table);
  Result<bool> is_published(const CuratedTable& table, TimeUs hour) const;
  Status publish(const Batch& batch);
  Status finish_cut();

  Env& env_;
  EventLog& log_;
  Warehouse& warehouse_;
  ObjectStore& store_;
  Manifest& manifest_;
  const Path staging_;
  const CurateJobOptions options_;
  std::unique_ptr<CuratedRows> rows_;
  std::vector<TopicPartition> partitions_;
  std::optional<Cut> done_;                    ///< the last that was published whole
  std::optional<Cut> plan_;                    ///< the one being published
  std::optional<std::vector<Batch>> batches_;  ///< what is left of it, the last first; none before begin_cut
  std::uint64_t file_rows_max_;                ///< fewer after DuckDB ran out of memory

  prometheus::Counter& files_total_ =
      metrics::counter("millrace_curated_files_total", "Files written to the lake's curated zone");
  prometheus::Counter& rows_total_ =
      metrics::counter("millrace_curated_rows_total", "Rows written to the lake's curated zone");
  prometheus::Counter& bytes_total_ =
      metrics::counter("millrace_curated_bytes_total", "Bytes of files written to the lake's curated zone");
  prometheus::Counter& hours_total_ = metrics::counter(
      "millrace_curated_hours_total", "Hours of a table that got files in the lake's curated zone");
  prometheus::Gauge& lag_ = metrics::gauge("millrace_curated_lag_seconds",
                                           "For how long the next cut of the curated zone has been due");
};

// ---- Start

Status Curator::start() {
  MILLRACE_ASSIGN(rows_, CuratedRows::open(warehouse_, staging_));
  partitions_.clear();
  for (const auto& [topic, config] : log_.topics()) {
    if (!is_own_topic(topic)) continue;
    for (std::uint32_t i = 0; i < config.partitions; ++i) partitions_.push_back({topic, PartitionId(i)});
  }
  {
    const std::lock_guard upkeep(manifest_.upkeep());
    MILLRACE_TRY(settle(store_, manifest_, kCuratedZone));
    MILLRACE_TRY(remove_orphans(store_, manifest_, fmt::format("{}/", kCuratedZone)));
  }
  MILLRACE_ASSIGN(done_, read_cut(kName));
  MILLRACE_ASSIGN(plan_, read_cut(kPlanName));
  if (plan_ && done_ && plan_->time <= done_->time) plan_.reset();
  batches_.reset();
  return {};
}

Result<std::optional<Cut>> Curator::read_cut(std::string_view name) const {
  std::optional<Cut> cut;
  for (const auto& partition : partitions_) {
    MILLRACE_ASSIGN(const auto position, manifest_.position(name, partition));
    if (!position) continue;
    if (!cut) cut.emplace();
    cut->time = position->newest;
    cut->next[partition] = position->next;
  }
  return cut;
}

Status Curator::write_cut(std::string_view name, const Cut& cut) {
  ManifestChange change;
  for (const auto& [partition, next] : cut.next) {
    change.positions.push_back({std::string(name), partition, Offset(0), next, cut.time});
  }
  return manifest_.apply(change);
}

// ---- Steps

Result<StepResult> Curator::step() {
  const TimeUs now = env_.now();
  const TimeUs time = next_time(now);
  const TimeUs due = time + options_.lateness + options_.margin;
  lag_.Set(static_cast<double>(std::max<DurationUs>(0, now - due)) / kSecondUs);
  if (!plan_) {
    if (now < due) return StepResult{.rest = options_.rest};
    MILLRACE_ASSIGN(auto cut, cut_at(time));
    if (!cut) return StepResult{.rest = options_.rest};
    MILLRACE_TRY(write_cut(kPlanName, *cut));
    plan_ = std::move(cut);
  }
  if (!batches_) {
    MILLRACE_TRY(begin_cut());
  } else if (!batches_->empty()) {
    MILLRACE_TRY(publish(batches_->back()));
    batches_->pop_back();
  }
  if (batches_->empty()) MILLRACE_TRY(finish_cut());
  return StepResult{.more = true};
}

/// Return the time of the cut after the last; of the first, the latest that is due.
TimeUs Curator::next_time(TimeUs now) const {
  if (done_) return floor_to(done_->time, options_.interval) + options_.interval;
  return floor_to(now - options_.lateness - options_.margin, options_.interval);
}

/// Return the cut of that time, or nothing while the warehouse has not come so far.
Result<std::optional<Cut>> Curator::cut_at(TimeUs time) {
  MILLRACE_ASSIGN(const auto loaded, rows_->loaded());
  Cut cut;
  cut.time = time;
  for (const auto& partition : partitions_) {
    MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
    const auto found = loaded.find(partition);
    const Offset have = found == loaded.end() ? stats.start : found->second;
    MILLRACE_ASSIGN(const auto bound, bound_of(partition, time + options_.lateness, have));
    if (!bound) return std::nullopt;
    cut.next[partition] = *bound;
  }
  return cut;
}

/// Return where a partition's records begin that were received at `time` or later, if all before is loaded.
/// Never before the last cut: a clock that was put back does not publish anything again.
Result<std::optional<Offset>> Curator::bound_of(const TopicPartition& partition, TimeUs time,
                                                Offset loaded) const {
  MILLRACE_ASSIGN(Offset bound, log_.offset_at_time(partition, time));
  if (done_) {
    const auto last = done_->next.find(partition);
    if (last != done_->next.end()) bound = std::max(bound, last->second);
  }
  if (bound > loaded) return std::nullopt;
  return bound;
}

/// Find what the cut has to publish and did not publish before a crash.
Status Curator::begin_cut() {
  CuratedCut cut;
  for (const auto& [partition, next] : plan_->next) {
    const bool known = done_ && done_->next.contains(partition);
    cut.log[partition] = {known ? done_->next.at(partition) : Offset(0), next};
  }
  cut.closed_before = floor_to(plan_->time, kHourUs);
  cut.closed_before_from = done_ ? floor_to(done_->time, kHourUs) : kTimeMin;
  MILLRACE_TRY(rows_->begin(cut));
  batches_.emplace();
  for (const CuratedTable& table : curated_tables()) {
    if (Status added = add_batches(table); !added) {
      batches_.reset();
      return added;
    }
  }
  std::ranges::reverse(*batches_);
  return {};
}

Status Curator::add_batches(const CuratedTable& table) {
  MILLRACE_ASSIGN(const auto hours, rows_->hours(table));
  std::uint64_t rows = 0;
  bool is_open = false;  // the last batch may take another hour
  for (const CuratedHour& hour : hours) {
    MILLRACE_ASSIGN(const bool published, is_published(table, hour.begin));
    if (published) {
      is_open = false;
      continue;
    }
    if (!is_open || rows + hour.rows > options_.rows_at_once) {
      batches_->push_back({&table, {}});
      rows = 0;
    }
    batches_->back().hours.push_back(hour);
    rows += hour.rows;
    is_open = true;
  }
  return {};
}

/// Return whether the manifest has an hour's files of this cut already.
Result<bool> Curator::is_published(const CuratedTable& table, TimeUs hour) const {
  LakeFile first;
  first.part = curated_part(table.name, hour);
  first.name = fmt::format("{}-0.parquet", curated_cut_name(plan_->time));
  MILLRACE_ASSIGN(const auto file, manifest_.file(first.key()));
  return file.has_value();
}

/// Put the files of some hours, then make them true.
Status Curator::publish(const Batch& batch) {
  ManifestChange change;
  const auto put = [&](CuratedFile made) -> Status {
    LakeFile file;
    file.part = curated_part(batch.table->name, made.hour);
    file.name = fmt::format("{}-{}.parquet", curated_cut_name(plan_->time), made.number);
    file.records = made.rows;
    file.bytes = file.raw_bytes = made.bytes.size();
    file.checksum = hash128(made.bytes);
    file.created = env_.now();
    MILLRACE_TRY(store_.put(file.key(), made.bytes));
    change.add.push_back(std::move(file));
    return {};
  };
  if (Status done = rows_->write(*batch.table, batch.hours, file_rows_max_, put); !done) {
    if (done.error().code == Code::kOverloaded)
      file_rows_max_ = std::max(kCuratedFileRowsMin, file_rows_max_ / 2);
    return done;
  }
  MILLRACE_TRY(manifest_.apply(change));
  for (const LakeFile& file : change.add) {
    rows_total_.Increment(static_cast<double>(file.records));
    bytes_total_.Increment(static_cast<double>(file.bytes));
  }
  files_total_.Increment(static_cast<double>(change.add.size()));
  hours_total_.Increment(static_cast<double>(batch.hours.size()));
  return {};
}

Status Curator::finish_cut() {
  MILLRACE_TRY(write_cut(kName, *plan_));
  done_ = std::move(plan_);
  plan_.reset();
  batches_.reset();
  return {};
}

}  // namespace

std::unique_ptr<CurateJob> CurateJob::make(EventLog& log, Warehouse& warehouse, ObjectStore& store,
                                           Manifest& manifest, const Path& staging,
                                           const CurateJobOptions& options) {
  return std::make_unique<Curator>(log, warehouse, store, manifest, staging, options);
}

}  // namespace millrace
