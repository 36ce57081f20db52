#include "stream/replay.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "log/topics.h"
#include "stream/load_job.h"

namespace millrace {
namespace {

constexpr std::string_view kPrefix = "replay_";
constexpr std::size_t kSchemaBytesMax = 60;
constexpr DurationUs kProgressInterval = kSecondUs / 10;

/// Rows in one of its transactions: live loading waits for no more than these.
constexpr std::size_t kTransactionRows = 50'000;

Status check_request(const ReplayRequest& request) {
  if (request.job != "load")
    return fail(Code::kInvalid, fmt::format("there is no job {} to replay: only load is", request.job));
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  const bool good = request.into.starts_with(kPrefix) && request.into.size() > kPrefix.size() &&
                    request.into.size() <= kSchemaBytesMax && std::ranges::all_of(request.into, fits);
  if (good) return {};
  return fail(Code::kInvalid, fmt::format("'{}' cannot hold a replay: name a schema such as replay_june",
                                          request.into.substr(0, 80)));
}

/// The part of the log that a replay goes over: from where it was told to where the log ended when it began.
/// It moves no group: what retention may delete is not a replay's affair.
class ReplayLog final : public EventLog {
 public:
  explicit ReplayLog(const ArchivedLog& log) : log_(log) {}

  Status measure(const ReplayRequest::From& from);
  std::uint64_t offsets_total() const;
  std::uint64_t offsets_done(const JobPosition& done) const;

  std::map<std::string, TopicConfig> topics() const override { return log_.topics(); }
  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override;
  Result<PartitionStats> stats(const TopicPartition& partition) const override;
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    return log_.offset_at_time(partition, time);
  }
  Status commit(std::string_view, const TopicPartition&, Offset) override { return {}; }
  Result<std::optional<Offset>> committed(std::string_view, const TopicPartition&) const override {
    return std::nullopt;
  }
  Status create_topic(std::string_view, const TopicConfig&) override { return read_only(); }
  Status delete_topic(std::string_view) override { return read_only(); }
  void append(const TopicPartition&, std::vector<NewRecord>, AppendDone done) override { done(read_only()); }
  Status delete_group(std::string_view, std::string_view) override { return {}; }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs) const override { return seen; }

 private:
  struct Range {
    Offset from;
    Offset to;
  };

  static std::unexpected<Error> read_only() {
    return fail(Code::kInvalid, "a replay writes nothing to the log");
  }
  Result<Offset> first(const TopicPartition& partition, const ReplayRequest::From& from) const;

  const ArchivedLog& log_;
  std::map<TopicPartition, Range> ranges_;
};

Status ReplayLog::measure(const ReplayRequest::From& from) {
  for (const auto& [topic, config] : log_.topics()) {
    for (std::uint32_t i = 0; i < config.partitions; ++i) {
      const TopicPartition partition{topic, PartitionId(i)};
      MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
      MILLRACE_ASSIGN(const Offset begin, first(partition, from));
      ranges_[partition] = {std::min(begin, stats.end), stats.end};
    }
  }
  return {};
}

Result<Offset> ReplayLog::first(const TopicPartition& partition, const ReplayRequest::From& from) const {
  MILLRACE_ASSIGN(const Offset first, log_.first_offset(partition));
  if (partition.topic != kEventsTopic) return first;
  if (const auto* offset = std::get_if<Offset>(&from)) return std::max(first, *offset);
  if (const auto* time = std::get_if<TimeUs>(&from)) return log_.offset_at_time(partition, *time);
  return first;
}

std::uint64_t ReplayLog::offsets_total() const {
  std::uint64_t total = 0;
  for (const auto& [partition, range] : ranges_) total += range.to.value() - range.from.value();
  return total;
}

std::uint64_t ReplayLog::offsets_done(const JobPosition& done) const {
  std::uint64_t total = 0;
  for (const auto& [partition, next] : done) {
    const auto found = ranges_.find(partition);
    if (found == ranges_.end() || next <= found->second.from) continue;
    total += std::min(next, found->second.to).value() - found->second.from.value();
  }
  return total;
}

Result<RecordBatch> ReplayLog::read(const TopicPartition& partition, Offset from,
                                    const ReadLimits& limits) const {
  const Offset to = ranges_.at(partition).to;
  RecordBatch nothing;
  nothing.next = from;
  if (from >= to) return nothing;
  MILLRACE_ASSIGN(RecordBatch batch, log_.read(partition, from, limits));
  std::erase_if(batch.records, [&](const Record& record) { return record.offset >= to; });
  batch.next = std::min(batch.next, to);
  return batch;
}

Result<PartitionStats> ReplayLog::stats(const TopicPartition& partition) const {
  MILLRACE_ASSIGN(PartitionStats stats, log_.stats(partition));
  stats.start = ranges_.at(partition).from;
  stats.end = ranges_.at(partition).to;
  return stats;
}

std::string text_of(const ReplayRequest::From& from) {
  if (const auto* offset = std::get_if<Offset>(&from)) return fmt::format("{}", offset->value());
  if (const auto* time = std::get_if<TimeUs>(&from)) return format_time(*time);
  return "lake";
}

}  // namespace

Result<ReplayRequest::From> parse_replay_from(std::string_view text) {
  if (text == "lake") return ReplayRequest::Everything();
  std::uint64_t offset = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (!text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size()) return Offset(offset);
  const auto time = parse_time(text);
  if (time) return *time;
  return fail(
      Code::kInvalid,
      fmt::format("'{}' is no place to replay from: lake, an offset, or a time such as 2026-07-01T09:00:00Z",
                  text.substr(0, 64)));
}

Result<ReplayResult> Replays::run(const ReplayRequest& request,
                                  const std::function<void(const ReplayProgress&)>& on_progress,
                                  const std::stop_token& stop) {
  MILLRACE_TRY(check_request(request));
  {
    const std::lock_guard lock(mutex_);
    if (!running_.insert(request.into).second)
      return fail(Code::kExists, fmt::format("a replay into {} runs already", request.into));
  }
  auto result = load(request, on_progress, stop);
  log_.release();
  const std::lock_guard lock(mutex_);
  running_.erase(request.into);
  return result;
}

Result<ReplayResult> Replays::load(const ReplayRequest& request,
                                   const std::function<void(const ReplayProgress&)>& on_progress,
                                   const std::stop_token& stop) {
  MILLRACE_TRY(warehouse_.make_schema(request.into, text_of(request.from)));
  ReplayLog log(log_);
  MILLRACE_TRY(log.measure(request.from));
  EventFeed feed(log, {.cache_bytes_max = 8u << 20});
  LoadJobOptions options;
  options.transaction_rows_max = kTransactionRows;
  options.writer.schema = request.into;
  const auto job = LoadJob::make(log, feed, warehouse_, options);
  MILLRACE_TRY(job->start());
  const DurationUs begun = env_.steady_now();
  DurationUs shown = begun - kProgressInterval;
  ReplayProgress progress{.offsets_total = log.offsets_total()};
  for (bool more = true; more;) {
    if (stop.stop_requested())
      return fail(Code::kCancelled, "the replay was stopped; the same command goes on where it was");
    MILLRACE_ASSIGN(const StepResult step, job->step());
    more = step.more;
    const DurationUs now = env_.steady_now();
    progress.records += step.records;
    progress.offsets_done = log.offsets_done(job->done());
    progress.records_per_second =
        static_cast<double>(progress.records) * kSecondUs / std::max<double>(1, now - begun);
    if (more && now - shown < kProgressInterval) continue;
    shown = now;
    on_progress(progress);
  }
  MILLRACE_ASSIGN(const std::uint64_t rows, warehouse_.count_events(request.into));
  return ReplayResult{progress.records, rows};
}

}  // namespace millrace
