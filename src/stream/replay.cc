#include "stream/replay.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/logging.h"
#include "stream/curate_rebuild.h"
#include "stream/job_metrics.h"
#include "stream/load_job.h"
#include "warehouse/fact_writer.h"

namespace millrace {
namespace {

constexpr std::string_view kJob = "replay";  // in metrics and log lines
constexpr std::string_view kPrefix = "replay_";
constexpr std::string_view kMain = "main";
constexpr std::string_view kMainStaging = "replay_main";  ///< what is to go into `main` is made here
constexpr std::string_view kCurate = "curate";
constexpr std::size_t kSchemaBytesMax = 60;

constexpr std::string_view kStopped =
    "the replay was stopped; give the same command again: into a schema it "
    "goes on, into main nothing was changed and it begins anew";

/// Rows in one of its transactions: live loading waits for no more than these.
constexpr std::size_t kTransactionRows = 50'000;

/// Why the other jobs cannot be replayed.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOtherJobs = {{
    {"archive",
     "its files are the log's bytes as they came, so there is nothing to compute again; what it has not "
     "written yet it writes by itself"},
    {"recommend", "it keeps its state in memory and rebuilds it from the tables at each start of the server"},
    {"subscriptions",
     "they deliver each message once; `millrace subscription replay` gives dead letters out again"},
    {"transforms", "each publishes a message once; a transform under a new name begins at the log's start"},
}};

Status refuse_job(std::string_view job) {
  for (const auto& [name, why] : kOtherJobs) {
    if (job == name) return fail(Code::kInvalid, fmt::format("{} cannot be replayed: {}", name, why));
  }
  return fail(Code::kInvalid,
              fmt::format("there is no job {} to replay: load and curate are", job.substr(0, 40)));
}

Status check_schema(const ReplayRequest& request) {
  if (request.into.empty()) {
    return fail(Code::kInvalid,
                "say where the rows go: name a schema, as --into replay_june, or --into main");
  }
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  const bool good = request.into.starts_with(kPrefix) && request.into.size() > kPrefix.size() &&
                    request.into.size() <= kSchemaBytesMax && std::ranges::all_of(request.into, fits);
  if (good && request.into != kMainStaging) return {};
  return fail(Code::kInvalid,
              fmt::format("'{}' cannot hold a replay: name a schema such as replay_june, or main to put the "
                          "rows in the place of those of the live tables",
                          request.into.substr(0, 80)));
}

/// Two places of one kind must be in order; an offset and a time can only be compared in each partition.
Status check_order(const ReplayRequest& request) {
  const bool reversed = request.from && request.to && request.from->index() == request.to->index() &&
                        *request.to <= *request.from;
  return reversed ? fail(Code::kInvalid, "--to must be after --from: it is the first that is left out")
                  : Status{};
}

Status check_request(const ReplayRequest& request, TimeUs now) {
  MILLRACE_TRY(check_order(request));
  if (request.from && std::holds_alternative<TimeUs>(*request.from) && std::get<TimeUs>(*request.from) > now)
    return fail(Code::kInvalid, "--from lies in the future: nothing has been received since");
  if (request.job == kCurate) {
    if (request.into.empty()) return {};
    return fail(Code::kInvalid, "curate writes files of the lake: leave --into out");
  }
  if (request.job != LoadJob::kGroup) return refuse_job(request.job);
  if (request.into != kMain) return check_schema(request);
  if (request.from || request.from_given) return {};
  return fail(Code::kInvalid,
              "this puts new rows in the place of those of the live tables: say from where on, as --from "
              "2026-07-01T00:00:00Z or an offset, or --from lake for all there is");
}

std::string text_of(const ReplayPlace& place) {
  if (const auto* offset = std::get_if<Offset>(&place)) return fmt::format("{}", offset->value());
  return format_time(std::get<TimeUs>(place));
}

std::string origin_of(const ReplayRequest& request) {
  const auto from = request.from ? text_of(*request.from) : "lake";
  return request.to ? fmt::format("{} to {}", from, text_of(*request.to)) : from;
}

Result<ReplayPlace> read_place(std::string_view text, std::string_view what) {
  std::uint64_t offset = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (!text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size()) return Offset(offset);
  if (const auto time = parse_time(text)) return *time;
  return fail(Code::kInvalid,
              fmt::format("'{}' is no place to replay {} an offset, or a time such as 2026-07-01T09:00:00Z",
                          text.substr(0, 64), what));
}

}  // namespace

Status read_replay_from(std::string_view text, ReplayRequest& request) {
  request.from_given = true;
  if (text == "lake") return {};
  MILLRACE_ASSIGN(request.from, read_place(text, "from: lake,"));
  return {};
}

Status read_replay_to(std::string_view text, ReplayRequest& request) {
  MILLRACE_ASSIGN(request.to, read_place(text, "up to:"));
  return {};
}

/// Holds a schema while something is done with it.
class Replays::Turn {
 public:
  Turn(Replays& replays, std::string name) : replays_(replays), name_(std::move(name)) {
    const std::lock_guard lock(replays_.mutex_);
    held_ = replays_.running_.insert(name_).second;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (!held_) return;
    const std::lock_guard lock(replays_.mutex_);
    replays_.running_.erase(name_);
  }
  Status check(std::string_view what) const {
    return held_ ? Status{} : fail(Code::kExists, fmt::format("a replay {} runs already", what));
  }

 private:
  Replays& replays_;
  const std::string name_;
  bool held_ = false;
};

Result<ReplayResult> Replays::run(const ReplayRequest& request, const OnProgress& on_progress,
                                  const std::stop_token& stop) {
  MILLRACE_TRY(check_request(request, tools_.env.now()));
  SteadyProgress steady(on_progress, tools_.silence_max);
  const OnProgress show = [&](const ReplayProgress& progress) { steady.show(progress); };
  const bool is_curate = request.job == kCurate;
  const bool into_main = request.into == kMain;
  // While the one changes the rows, the other must not write them to files.
  const Turn turn(*this, is_curate || into_main ? std::string(kMainStaging) : request.into);
  MILLRACE_TRY(turn.check(is_curate || into_main ? "into main or of curate" : "into " + request.into));
  if (is_curate) return curate(request, show, stop);
  auto result = into_main ? load_into_main(request, show, stop) : load(request, show, stop);
  tools_.log.release();
  return result;
}

Path Replays::ids_dir(const std::string& schema) const {
  return tools_.message_ids_dir.empty() ? Path() : tools_.message_ids_dir / schema;
}

Result<ReplayResult> Replays::load(const ReplayRequest& request, const OnProgress& on_progress,
                                   const std::stop_token& stop) {
  MILLRACE_TRY(make_replay_schema(tools_.warehouse, request.into, origin_of(request)));
  ReplayLog log(tools_.log);
  MILLRACE_TRY(log.measure({.from = request.from, .to = request.to, .below = std::nullopt}));
  MILLRACE_ASSIGN(const std::uint64_t records, run_load(log, request.into, false, on_progress, stop));
  MILLRACE_ASSIGN(const ReplaySchema made, replay_schema(tools_.warehouse, request.into));
  return ReplayResult{.records = records, .rows = made.rows};
}

/// What a run before this one left is of another range, or of another program: begin anew. Whatever comes of
/// it, it leaves nothing, so that no disk fills up with it.
Result<ReplayResult> Replays::load_into_main(const ReplayRequest& request, const OnProgress& on_progress,
                                             const std::stop_token& stop) {
  MILLRACE_TRY(drop_main_staging());
  auto result = make_and_exchange(request, on_progress, stop);
  if (Status dropped = drop_main_staging(); !dropped) {
    log_warning(kJob, "could not drop the schema replay_main; the next replay into main does",
                {field("error", dropped.error().text())});
  }
  return result;
}

Result<ReplayResult> Replays::make_and_exchange(const ReplayRequest& request, const OnProgress& on_progress,
                                                const std::stop_token& stop) {
  const std::string staging(kMainStaging);
  MILLRACE_ASSIGN(const JobPosition loaded, loaded_offsets(tools_.warehouse));
  ReplayLog log(tools_.log);
  MILLRACE_TRY(log.measure({.from = request.from, .to = request.to, .events_only = true, .below = loaded}));
  MILLRACE_TRY(check_exchange_size(tools_.warehouse, log.event_ranges(), tools_.exchange_rows_max));
  MILLRACE_TRY(make_replay_schema(tools_.warehouse, staging, origin_of(request), WithAggregations::kNo));
  ReplayResult result;
  MILLRACE_ASSIGN(result.records, run_load(log, staging, true, on_progress, stop));
  const ReplayedOffsets offsets{log.event_ranges(), log.events_read()};
  MILLRACE_TRY(tools_.run_alone([&] { return exchange(request, offsets, result); }, stop));
  return result;
}

/// Runs on the loader's thread.
Status Replays::exchange(const ReplayRequest& request, const ReplayedOffsets& offsets, ReplayResult& result) {
  const DurationUs begun = tools_.env.steady_now();
  log_info(kJob, "puts new rows in the place of those of the live tables; their loader waits",
           {field("from", origin_of(request))});
  const auto done =
      exchange_rows(tools_.warehouse, std::string(kMainStaging), offsets, {.aggregator = tools_.aggregator});
  const double seconds = static_cast<double>(tools_.env.steady_now() - begun) / kSecondUs;
  if (!done) {
    log_warning(kJob, "changed nothing of the live tables",
                {field("error", done.error().text()), field("seconds", seconds)});
    return fail(done.error());
  }
  result.rows = done->added;
  result.replaced = done->removed;
  log_info(kJob, "put new rows in the place of those of the live tables",
           {field("from", origin_of(request)), field("removed", done->removed), field("added", done->added),
            field("seconds", seconds)});
  return {};
}

/// Load all of `log` into `schema`, from where that is; return the records that were read.
Result<std::uint64_t> Replays::run_load(ReplayLog& log, const std::string& schema, bool after_main,
                                        const OnProgress& on_progress, const std::stop_token& stop) {
  EventFeed feed(log, {.cache_bytes_max = 8u << 20});
  LoadJobOptions options;
  options.job = kJob;
  options.transaction_rows_max = kTransactionRows;
  options.writer.job = kJob;
  options.writer.schema = schema;
  options.writer.aggregator = tools_.aggregator;
  options.writer.message_ids_max = tools_.message_ids_max;
  options.writer.message_ids_dir = ids_dir(schema);
  if (after_main) {
    for (const auto& [partition, range] : log.event_ranges())
      options.writer.goes_on_after[partition] = range.from;
  }
  const auto job = LoadJob::make(log, feed, tools_.warehouse, options);
  JobMetrics metrics(kJob);
  job->show_in(metrics);
  MILLRACE_TRY(job->start());
  const auto records = step_through(*job, log, metrics, on_progress, stop);
  metrics.show({}, 0);
  return records;
}

/// Have `job` do all of `log`; return the records it read.
Result<std::uint64_t> Replays::step_through(LoadJob& job, const ReplayLog& log, JobMetrics& metrics,
                                            const OnProgress& on_progress, const std::stop_token& stop) {
  ReplayMeter progress(tools_.env, on_progress, log.offsets_total());
  ReplayRetries retries(tools_.env);
  for (bool more = true; more;) {
    if (stop.stop_requested()) return fail(Code::kCancelled, std::string(kStopped));
    const DurationUs begun = tools_.env.steady_now();
    const auto step = job.step();
    if (!step) {
      metrics.count_error();
      if (retries.wait_after(step.error())) continue;
      return fail(step.error());
    }
    retries.succeeded();
    more = step->more;
    metrics.count_step(step->records, step->events, tools_.env.steady_now() - begun);
    progress.add(step->records, log.offsets_done(job.done()), !more);
    metrics.show({.records = progress.now().offsets_total - progress.now().offsets_done}, 0);
  }
  return progress.now().records;
}

Result<ReplayResult> Replays::curate(const ReplayRequest& request, const OnProgress& on_progress,
                                     const std::stop_token& stop) {
  const auto time_of = [](const std::optional<ReplayPlace>& place, TimeUs otherwise) -> Result<TimeUs> {
    if (!place) return otherwise;
    if (const auto* time = std::get_if<TimeUs>(&*place)) return *time;
    return fail(Code::kInvalid,
                "the curated zone goes by hours: say from and to as times such as 2026-07-01T09:00:00Z");
  };
  MILLRACE_ASSIGN(const TimeUs from, time_of(request.from, kTimeMin));
  MILLRACE_ASSIGN(const TimeUs to, time_of(request.to, kTimeMax));
  MILLRACE_ASSIGN(const auto rebuild, CurateRebuild::open(tools_.warehouse, tools_.lake, tools_.manifest,
                                                          tools_.staging, {.from = from, .to = to}));
  ReplayMeter progress(tools_.env, on_progress, rebuild->hours());
  ReplayResult result;
  ReplayRetries retries(tools_.env);
  for (std::uint64_t done = 0; !rebuild->done();) {
    if (stop.stop_requested())
      return fail(Code::kCancelled, "stopped; the hours so far are done, the same command does all again");
    const auto step = rebuild->step();
    if (!step && retries.wait_after(step.error())) continue;
    if (!step) return fail(step.error());
    retries.succeeded();
    result.records += step->rows;
    result.files += step->files;
    result.replaced += step->replaced;
    progress.add(step->rows, ++done, rebuild->done());
  }
  return result;
}

Result<std::vector<ReplayEntry>> Replays::list() {
  MILLRACE_ASSIGN(auto schemas, replay_schemas(tools_.warehouse));
  const std::lock_guard lock(mutex_);
  std::vector<ReplayEntry> entries;
  for (auto& schema : schemas) {
    const bool running = running_.contains(schema.name);
    entries.push_back({std::move(schema), running});
  }
  return entries;
}

Status Replays::drop(const std::string& schema) {
  const Turn turn(*this, schema);
  MILLRACE_TRY(turn.check("into " + schema.substr(0, kSchemaBytesMax)));
  return drop_schema(schema);
}

Status Replays::drop_schema(const std::string& schema) {
  MILLRACE_TRY(drop_replay_schema(tools_.warehouse, schema));
  return forget_message_ids(tools_.env, ids_dir(schema));
}

Status Replays::drop_main_staging() {
  Status dropped = drop_schema(std::string(kMainStaging));
  return dropped || dropped.error().code == Code::kNotFound ? Status{} : dropped;
}

}  // namespace millrace
