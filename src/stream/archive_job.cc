#include "stream/archive_job.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "stream/archive_compaction.h"

namespace millrace {
namespace {

constexpr ReadLimits kReadLimits{.records_max = 8'192, .bytes_max = 256 << 10};

/// How many bytes of one partition a step takes at most, about.
constexpr std::size_t kStepBytes = 16 << 20;

/// How often the log is told how far we are; it only matters to retention.
constexpr DurationUs kGroupCommitInterval = kSecondUs;

constexpr std::uint64_t kFileBytesMin = 64 << 10;

using OpenHours = std::map<std::int64_t, LakePart>;  ///< by hours since 1970

/// A stretch that has ended: what is to be put, and what becomes true then.
struct Sealed {
  std::vector<BuiltFile> files;  ///< twins before their data, so that whoever sees data finds its twin
  std::size_t put = 0;           ///< so many are in the store
  std::uint64_t events = 0;      ///< in its records
  ManifestChange change;
};

/// What we know of one partition.
struct Partition {
  LakePosition position;  ///< what the manifest says
  Offset cursor;          ///< where to read on when `batch` is used up
  RecordBatch batch;
  std::size_t used = 0;  ///< so many of the batch's records are in a stretch
  bool caught_up = false;
  std::optional<Stretch> stretch;
  std::uint64_t events = 0;  ///< in the stretch's records
  std::optional<Sealed> sealed;
  OpenHours open_hours;         ///< whose files may still be brought together
  std::optional<Offset> group;  ///< what the log was told last

  const TopicPartition& name() const { return position.partition; }
};

class Archiver final : public ArchiveJob {
 public:
  Archiver(Env& env, EventLog& log, ObjectStore& store, Manifest& manifest, const ArchiveJobOptions& options)
      : env_(env),
        log_(log),
        store_(store),
        manifest_(manifest),
        options_(options),
        compressor_(options.compression_level) {}

  std::string_view name() const override { return "archive"; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;

 private:
  Status find_partitions();
  Result<LakePosition> find_position(const TopicPartition& name);
  Status find_open_hours(Partition& partition);

  Result<bool> advance(Partition& partition);
  Result<bool> take_records(Partition& partition);
  static void rewind(Partition& partition);
  Result<bool> read_on(Partition& partition);
  Status seal(Partition& partition);
  Result<OpenHours> hours_of(const Sealed& sealed) const;
  Status commit(Partition& partition);
  std::optional<LakePart> due_hour(const Partition& partition) const;
  Status compact(Partition& partition, const LakePart& part);
  Status commit_group(bool now);
  void publish();

  Env& env_;
  EventLog& log_;
  ObjectStore& store_;
  Manifest& manifest_;
  const ArchiveJobOptions options_;
  FrameCompressor compressor_;
  StretchLimits limits_;
  std::optional<Compaction> compaction_;
  bool unsettled_ = false;  ///< a compaction failed half-way
  std::vector<Partition> partitions_;
  DurationUs last_group_commit_ = 0;
  TimeUs last_file_ = 0;                    ///< when the last file was made
  std::uint64_t records_ = 0, events_ = 0;  ///< made durable and not yet told of in a StepResult

  mutable std::mutex mutex_;
  JobPosition done_;  ///< guarded by mutex_

  prometheus::Counter& records_total_ =
      metrics::counter("millrace_archive_records_total", "Records written to the lake");
  prometheus::Counter& files_total_ = metrics::counter(
      "millrace_archive_files_total", "Files written to the lake's raw zone, with their twins");
  prometheus::Counter& raw_bytes_total_ =
      metrics::counter("millrace_archive_raw_bytes_total", "Bytes archived, before compression");
  prometheus::Counter& bytes_total_ =
      metrics::counter("millrace_archive_bytes_total", "Bytes of files written to the lake's raw zone");
  prometheus::Counter& missed_total_ = metrics::counter(
      "millrace_archive_missed_records_total", "Offsets that the log had deleted before they were archived");
  prometheus::Gauge& lag_ =
      metrics::gauge("millrace_archive_lag_records", "Offsets of the log that are not in the lake yet");
  prometheus::Gauge& open_bytes_ =
      metrics::gauge("millrace_archive_open_bytes", "Raw bytes in files that still grow in memory");
  prometheus::Gauge& age_ = metrics::gauge("millrace_archive_last_file_age_seconds",
                                           "Time since the last file was written by this process");
};

// ---- Start

Status Archiver::start() {
  MILLRACE_TRY(find_partitions());
  const std::uint64_t share = options_.memory_bytes_max / std::max<std::size_t>(1, partitions_.size());
  limits_.interval = options_.interval;
  limits_.bytes_max = std::min(options_.file_bytes_max, std::max(share, kFileBytesMin));
  compaction_.emplace(env_, store_, manifest_, compressor_, options_.file_bytes_max);
  MILLRACE_TRY(compaction_->settle());
  for (const std::string_view topic : kTopics)
    MILLRACE_TRY(compaction_->remove_orphans(std::string(kRawZone), std::string(topic)));
  for (Partition& partition : partitions_) {
    MILLRACE_TRY(find_open_hours(partition));
    // From now on retention waits for us.
    MILLRACE_TRY(log_.commit(kGroup, partition.name(), partition.position.next));
    partition.group = partition.position.next;
  }
  publish();
  return {};
}

Status Archiver::find_partitions() {
  partitions_.clear();
  const auto topics = log_.topics();
  if (!topics.contains(std::string(kEventsTopic)))
    return fail(Code::kNotFound, "the log has no topic events");
  for (const std::string_view name : kTopics) {
    const auto topic = topics.find(std::string(name));
    if (topic == topics.end()) continue;
    for (std::uint32_t i = 0; i < topic->second.partitions; ++i) {
      MILLRACE_ASSIGN(LakePosition position, find_position({topic->first, PartitionId(i)}));
      Partition& partition = partitions_.emplace_back();
      partition.cursor = position.next;
      partition.position = std::move(position);
    }
  }
  return {};
}

Result<LakePosition> Archiver::find_position(const TopicPartition& name) {
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(name));
  MILLRACE_ASSIGN(auto position, manifest_.position(kGroup, name));
  if (!position) return LakePosition{std::string(kGroup), name, stats.start, stats.start};
  const std::string where = fmt::format("{}/{}", name.topic, name.partition.value());
  if (position->next > stats.end)
    return fail(
        Code::kCorrupt,
        fmt::format("the lake holds records up to offset {}, but the log ends at {}: they do not belong to "
                    "each other",
                    position->next.value(), stats.end.value()),
        where);
  if (position->next < stats.start) {
    const std::uint64_t missed = stats.start.value() - position->next.value();
    log_error(
        "archive", "records were deleted from the log while nothing archived them",
        {field("partition", where), field("from", position->next.value()), field("to", stats.start.value())});
    missed_total_.Increment(static_cast<double>(missed));
    position->next = stats.start;
  }
  return *std::move(position);
}

Status Archiver::find_open_hours(Partition& partition) {
  const LakePart of{std::string(kRawZone), partition.name().topic, "", partition.name()};
  MILLRACE_ASSIGN(const auto parts, manifest_.open_parts(of));
  for (const LakePart& part : parts) {
    if (const auto hour = hour_of_path(part.path)) partition.open_hours[*hour] = part;
  }
  return {};
}

// ---- Steps

/// Records of other topics hold no events, whatever they count for.
std::uint64_t events_in(const Partition& partition, const Record& record) {
  return partition.name().topic == kEventsTopic ? record.count : 0;
}

Result<StepResult> Archiver::step() {
  if (unsettled_) MILLRACE_TRY(compaction_->settle());
  unsettled_ = false;
  bool more = false;
  for (Partition& partition : partitions_) {
    MILLRACE_ASSIGN(const bool busy, advance(partition));
    more |= busy;
  }
  MILLRACE_TRY(commit_group(/*now=*/!more));
  publish();
  return StepResult{.more = more,
                    .rest = more ? 0 : options_.rest,
                    .records = std::exchange(records_, 0),
                    .events = std::exchange(events_, 0)};
}

/// Do one thing for a partition; return whether there may be more. The order is part of what makes the files
/// a function of the log: a stretch is committed, then what has become due is brought together, then the next
/// grows.
Result<bool> Archiver::advance(Partition& partition) {
  if (partition.sealed) {
    MILLRACE_TRY(commit(partition));
    return true;
  }
  if (const auto due = due_hour(partition)) {
    MILLRACE_TRY(compact(partition, *due));
    return true;
  }
  auto more = take_records(partition);
  if (!more && !partition.sealed) rewind(partition);
  return more;
}

/// Forget what is not in the lake yet, and read it again.
void Archiver::rewind(Partition& partition) {
  partition.stretch.reset();
  partition.events = 0;
  partition.batch = {};
  partition.used = 0;
  partition.cursor = partition.position.next;
}

/// Read on until the stretch ends, a step is full or there is nothing more.
Result<bool> Archiver::take_records(Partition& partition) {
  const std::uint64_t before = partition.stretch ? partition.stretch->raw_bytes() : 0;
  for (;;) {
    if (!partition.stretch) partition.stretch.emplace(limits_, compressor_);
    const auto& records = partition.batch.records;
    while (partition.used < records.size()) {
      MILLRACE_ASSIGN(const bool taken, partition.stretch->add(records[partition.used]));
      if (taken) partition.events += events_in(partition, records[partition.used++]);
      if (!taken || partition.stretch->full()) {
        MILLRACE_TRY(seal(partition));
        MILLRACE_TRY(commit(partition));
        return true;
      }
    }
    if (partition.stretch->raw_bytes() - before > kStepBytes) return true;
    const TimeUs now = env_.now();  // before reading: what comes later has a later received time
    MILLRACE_ASSIGN(const bool found, read_on(partition));
    if (found) continue;
    if (partition.stretch->records() == 0 || now < partition.stretch->end_of_interval() + options_.margin)
      return false;
    MILLRACE_TRY(seal(partition));
    MILLRACE_TRY(commit(partition));
    return true;
  }
}

/// Read the next batch; return whether there was one.
Result<bool> Archiver::read_on(Partition& partition) {
  auto batch = log_.read(partition.name(), partition.cursor, kReadLimits);
  if (!batch) return fail(std::move(batch).error().with_context("the archive cannot read the log"));
  partition.caught_up = batch->records.empty() && batch->next <= partition.cursor;
  if (partition.caught_up) {
    partition.batch = {};  // its memory, while there is nothing to do
    partition.used = 0;
    return false;
  }
  partition.cursor = batch->next;
  partition.batch = *std::move(batch);
  partition.used = 0;
  return true;
}

/// End the stretch: from here on its files are tried until they and the new position are in the manifest.
Status Archiver::seal(Partition& partition) {
  const TimeUs now = env_.now();
  MILLRACE_ASSIGN(auto pairs, partition.stretch->finish(partition.name(), now));
  Sealed sealed;
  LakePosition next = partition.position;
  next.next = partition.stretch->next();
  next.newest =
      std::max(next.records == 0 ? partition.stretch->newest() : next.newest, partition.stretch->newest());
  next.records += partition.stretch->records();
  for (BuiltPair& pair : pairs) {
    sealed.change.add.push_back(pair.twin.file);
    sealed.change.add.push_back(pair.data.file);
    sealed.files.push_back(std::move(pair.twin));
    sealed.files.push_back(std::move(pair.data));
  }
  sealed.change.positions.push_back(std::move(next));
  sealed.events = std::exchange(partition.events, 0);
  partition.sealed = std::move(sealed);
  partition.stretch.reset();
  return {};
}

/// Return the hours that the stretch adds files to and whose files may still be brought together.
Result<OpenHours> Archiver::hours_of(const Sealed& sealed) const {
  OpenHours hours;
  for (const BuiltFile& built : sealed.files) {
    if (built.file.part.dataset != built.file.part.source.topic) continue;  // a twin
    const auto hour = hour_of_path(built.file.part.path);
    MILLRACE_ASSIGN(const bool closed, manifest_.is_closed(built.file.part));
    if (hour && !closed) hours.emplace(*hour, built.file.part);
  }
  return hours;
}

/// Put the files of the ended stretch, then make them and the position true.
Status Archiver::commit(Partition& partition) {
  Sealed& sealed = *partition.sealed;
  for (; sealed.put < sealed.files.size(); ++sealed.put) {
    const BuiltFile& built = sealed.files[sealed.put];
    MILLRACE_TRY(store_.put(built.file.key(), built.bytes));
  }
  MILLRACE_ASSIGN(const auto hours, hours_of(sealed));
  MILLRACE_TRY(manifest_.apply(sealed.change));
  partition.open_hours.insert(hours.begin(), hours.end());
  for (const BuiltFile& built : sealed.files) {
    bytes_total_.Increment(static_cast<double>(built.file.bytes));
    raw_bytes_total_.Increment(static_cast<double>(built.file.raw_bytes));
  }
  files_total_.Increment(static_cast<double>(sealed.files.size()));
  LakePosition& position = sealed.change.positions.front();
  const std::uint64_t records = position.records - partition.position.records;
  records_total_.Increment(static_cast<double>(records));
  records_ += records;
  events_ += sealed.events;
  partition.position = std::move(position);
  partition.sealed.reset();
  last_file_ = env_.now();
  return {};
}

// ---- Hours that are over

/// Return an hour whose small files are due to be brought together: newer records, or the clock while there
/// is nothing to read, have left it behind.
std::optional<LakePart> Archiver::due_hour(const Partition& partition) const {
  for (const auto& [hour, part] : partition.open_hours) {
    const TimeUs over = (hour + 1) * kHourUs + options_.lateness;
    if (partition.position.newest >= over) return part;
    const bool grows = partition.stretch && partition.stretch->holds_hour(hour);
    if (partition.caught_up && !grows && env_.now() >= over) return part;
  }
  return std::nullopt;
}

Status Archiver::compact(Partition& partition, const LakePart& part) {
  auto more = compaction_->step(part);
  if (!more) {
    unsettled_ = true;
    const Code code = more.error().code;
    if (code != Code::kCorrupt && code != Code::kNotFound) return fail(more.error());
    // A damaged file must not stop what comes after it: it stays as it is, for a person to look at.
    log_error("archive", "an hour's files stay apart",
              {field("hour", part.path), field("why", more.error().text())});
    MILLRACE_TRY(manifest_.apply({.close = part}));
    more = false;
  }
  if (!*more) std::erase_if(partition.open_hours, [&](const auto& open) { return open.second == part; });
  return {};
}

// ---- What others see

/// Tell the log how far we are, now and then, or `now`. The truth stays in the manifest.
Status Archiver::commit_group(bool now) {
  const DurationUs clock = env_.steady_now();
  if (!now && clock - last_group_commit_ < kGroupCommitInterval) return {};
  last_group_commit_ = clock;
  for (Partition& partition : partitions_) {
    if (partition.group == partition.position.next) continue;
    MILLRACE_TRY(log_.commit(kGroup, partition.name(), partition.position.next));
    partition.group = partition.position.next;
  }
  return {};
}

void Archiver::publish() {
  JobPosition done;
  std::uint64_t lag = 0;
  std::uint64_t open = 0;
  for (const Partition& partition : partitions_) {
    done[partition.name()] = partition.position.next;
    const auto stats = log_.stats(partition.name());
    if (stats) lag += stats->end.value() - partition.position.next.value();
    if (partition.stretch) open += partition.stretch->raw_bytes();
  }
  lag_.Set(static_cast<double>(lag));
  open_bytes_.Set(static_cast<double>(open));
  if (last_file_ != 0) age_.Set(static_cast<double>(env_.now() - last_file_) / kSecondUs);
  const std::lock_guard lock(mutex_);
  done_ = std::move(done);
}

JobPosition Archiver::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

}  // namespace

std::unique_ptr<ArchiveJob> ArchiveJob::make(Env& env, EventLog& log, ObjectStore& store, Manifest& manifest,
                                             const ArchiveJobOptions& options) {
  return std::make_unique<Archiver>(env, log, store, manifest, options);
}

}  // namespace millrace
