#include "source/ingest.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/logging.h"
#include "base/text.h"
#include "source/file_ingest.h"

namespace millrace {
namespace {

constexpr DurationUs kProgressInterval = 100 * kMillisecondUs;

struct NamedCodec {
  std::string_view format;
  CodecId codec;
};

constexpr NamedCodec kCodecs[] = {{"segment", CodecId::kSegment},   {"cloudevents", CodecId::kCloudEvents},
                                  {"native", CodecId::kNative},     {"visits", CodecId::kVisit},
                                  {"activity", CodecId::kActivity}, {"ga4", CodecId::kGa4}};

constexpr std::string_view kRowFormats[] = {"csv", "jsonl", "parquet"};

constexpr std::string_view kFormats[] = {"segment", "cloudevents", "native",  "visits", "activity", "ga4",
                                         "csv",     "jsonl",       "parquet", "items",  "users"};

std::string_view row_format_name(RowFormat format) {
  return format == RowFormat::kCsv ? "csv" : format == RowFormat::kJsonLines ? "jsonl" : "parquet";
}

/// How to read the files of one request.
struct Plan {
  std::optional<CodecId> codec;    ///< else rows, by …
  std::optional<Mapping> mapping;  ///< … this, or, for items and users without one, by the file's own names
  Produce produce = Produce::kEvents;
  Hash128 mapping_hash;
};

Status check_mapping(const IngestRequest& request, const Mapping& mapping) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("the mapping is for {}, not for {}", what, request.format),
                request.map.string());
  };
  const auto format = row_format_name(mapping.format);
  const bool names_row_format = std::ranges::find(kRowFormats, request.format) != std::end(kRowFormats);
  if (names_row_format && request.format != format) return wrong(format);
  if (request.format == "items" && mapping.produce != Produce::kItems) return wrong("something else");
  if (request.format == "users" && mapping.produce != Produce::kUsers) return wrong("something else");
  return {};
}

Result<Plan> make_plan(Env& env, const IngestRequest& request) {
  Plan plan;
  const bool catalogue = request.format == "items" || request.format == "users";
  const bool rows = catalogue || std::ranges::find(kRowFormats, request.format) != std::end(kRowFormats);
  plan.codec = codec_of_format(request.format);
  if (!plan.codec && !rows) {
    const auto format = request.format.substr(0, 64);
    const auto nearest = nearest_name(format, ingest_formats());
    return fail(Code::kInvalid,
                nearest.empty()
                    ? fmt::format("unknown format '{}'; known are {}", format, fmt::join(kFormats, ", "))
                    : fmt::format("unknown format '{}'; did you mean '{}'?", format, nearest));
  }
  if (plan.codec && !request.map.empty()) {
    return fail(Code::kInvalid, fmt::format("format {} needs no mapping", request.format));
  }
  if (!request.map.empty()) {
    MILLRACE_ASSIGN(plan.mapping, load_mapping(env, request.map));
    MILLRACE_ASSIGN(plan.mapping_hash, hash_file(env, request.map));
    MILLRACE_TRY(check_mapping(request, *plan.mapping));
    plan.produce = plan.mapping->produce;
  } else if (catalogue) {
    plan.produce = request.format == "items" ? Produce::kItems : Produce::kUsers;
  } else if (!plan.codec) {
    return fail(Code::kInvalid,
                fmt::format("format {} needs a mapping that says what its columns mean", request.format));
  }
  return plan;
}

Result<std::uint64_t> size_of(Env& env, const Path& path) {
  auto file = env.open(path, OpenMode::kRead);
  if (!file) return fail(std::move(file).error().with_context(path.string()));
  return (*file)->size();
}

/// "clicks_hour_000.csv.gz" → "clicks_hour_000".
std::string stem_of(const Path& path) {
  const auto name = path.filename().string();
  return name.substr(0, std::max<std::size_t>(name.find('.', 1), 1));
}

/// Tells how far a run is, not more often than anyone can see.
class ProgressReport {
 public:
  ProgressReport(Env& env, const Ingest::OnProgress& on_progress) : env_(env), on_progress_(on_progress) {
    started_ = last_ = env.steady_now();
  }

  IngestProgress now;

  void show(const IngestCounts& before, const IngestCounts& of_file, std::uint64_t bytes_before,
            std::uint64_t bytes_of_file, bool always) {
    if (!on_progress_) return;
    const auto time = env_.steady_now();
    if (!always && time - last_ < kProgressInterval) return;
    last_ = time;
    now.counts = {before.rows + of_file.rows, before.events + of_file.events,
                  before.quarantined + of_file.quarantined};
    now.bytes_done = bytes_before + bytes_of_file;
    const auto seconds = static_cast<double>(std::max<DurationUs>(time - started_, 1)) / kSecondUs;
    now.rows_per_second = static_cast<double>(now.counts.rows) / seconds;
    on_progress_(now);
  }

 private:
  Env& env_;
  const Ingest::OnProgress& on_progress_;
  DurationUs started_;
  DurationUs last_;
};

void add(IngestCounts& to, const IngestCounts& counts) {
  to.rows += counts.rows;
  to.events += counts.events;
  to.quarantined += counts.quarantined;
}

}  // namespace

std::optional<CodecId> codec_of_format(std::string_view format) {
  const auto named = std::ranges::find(kCodecs, format, &NamedCodec::format);
  return named == std::end(kCodecs) ? std::nullopt : std::optional(named->codec);
}

std::vector<std::string> ingest_formats() {
  return {std::begin(kFormats), std::end(kFormats)};
}

Ingest::Ingest(EventLog& log, Env& env, const IngestLimits& limits, OpenParquet open_parquet,
               std::unique_ptr<IngestLedger> ledger)
    : log_(log),
      env_(env),
      limits_(limits),
      open_parquet_(std::move(open_parquet)),
      ledger_(std::move(ledger)) {}

Result<std::unique_ptr<Ingest>> Ingest::open(EventLog& log, Env& env, const Path& ledger_path,
                                             const IngestLimits& limits, OpenParquet open_parquet) {
  MILLRACE_ASSIGN(auto ledger, IngestLedger::open(ledger_path));
  return std::unique_ptr<Ingest>(new Ingest(log, env, limits, std::move(open_parquet), std::move(ledger)));
}

Result<IngestResult> Ingest::run(const IngestRequest& request, const OnProgress& on_progress,
                                 std::stop_token stop) {
  MILLRACE_ASSIGN(const auto plan, make_plan(env_, request));
  ProgressReport progress(env_, on_progress);
  std::vector<std::uint64_t> sizes;
  for (const auto& path : request.files) {
    MILLRACE_ASSIGN(sizes.emplace_back(), size_of(env_, path));
    progress.now.bytes_total += sizes.back();
  }

  IngestResult result;
  std::uint64_t bytes_before = 0;
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    const auto& path = request.files[i];
    auto& file = result.files.emplace_back();
    file.file = path;
    file.source = !request.source.empty()                         ? request.source
                  : plan.mapping && !plan.mapping->source.empty() ? plan.mapping->source
                                                                  : stem_of(path);
    progress.now.file = path.string();
    const FileIngest::OnChunk on_chunk = [&](const IngestCounts& counts, std::uint64_t bytes_done) {
      progress.show(result.counts, counts, bytes_before, bytes_done, false);
    };
    FileIngest job({log_, env_, *ledger_, limits_, open_parquet_, stop, on_chunk}, path,
                   {file.source, request.format, plan.mapping_hash});
    const auto status =
        plan.codec ? job.load_events(*plan.codec, request.again)
                   : job.load_rows(plan.mapping ? &*plan.mapping : nullptr, plan.produce, request.again);
    file.counts = job.counts();
    file.skipped = job.was_loaded_before();
    if (!status) {
      // A fault of the log, unlike one of the file, ends the run.
      if (job.log_failed() || status.error().code == Code::kCancelled) return fail(status.error());
      file.error = status.error();
    }
    add(result.counts, file.counts);
    result.skipped_files += file.skipped;
    result.failed_files += file.error.has_value();
    bytes_before += sizes[i];
    progress.show(result.counts, {}, bytes_before, 0, true);
    log_info("ingest",
             file.skipped ? "loaded before"
             : file.error ? file.error->text()
                          : "loaded",
             {field("file", path.string()), field("source", file.source), field("rows", file.counts.rows),
              field("events", file.counts.events), field("quarantined", file.counts.quarantined)});
  }
  return result;
}

}  // namespace millrace
