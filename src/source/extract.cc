#include "source/extract.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"
#include "log/topics.h"
#include "source/extract_run.h"

namespace millrace {
namespace {

constexpr DurationUs kLookEvery = 50 * kMillisecondUs;
constexpr DurationUs kStallMax = 2 * kMinuteUs;  ///< without any progress of the warehouse

/// Say of each table what the warehouse made of it.
void add_load(const SourceLoad& load, ExtractResult& result) {
  for (ExtractTableResult& table : result.tables) {
    const auto found = load.states.find(table.table);
    if (found == load.states.end()) continue;
    if (found->second.published) table.rejected = found->second.published->rejected;
    const auto& filling = found->second.filling;
    if (!table.error && filling && !filling->problem.empty())
      table.error =
          Error{Code::kInternal, "the snapshot was not published: " + filling->problem + "; extract it again",
                table.table};
  }
}

}  // namespace

Result<SourceTurns::Turn> SourceTurns::take_to_extract(const std::string& source,
                                                       const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  State& state = states_[source];
  if (state.extracting)
    return fail(Code::kExists,
                fmt::format("{} is being extracted already; GET /v1/extracts shows it", source));
  state.extracting = true;
  if (!changed_.wait(lock, stop, [&] { return !state.taken; })) {
    state.extracting = false;
    changed_.notify_all();
    return fail(Code::kCancelled, "stopped; the same command goes on");
  }
  state.taken = true;
  return Turn(*this, source);
}

Result<SourceTurns::Turn> SourceTurns::take_to_follow(const std::string& source,
                                                      const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  State& state = states_[source];
  if (!changed_.wait(lock, stop, [&] { return !state.taken && !state.extracting; }))
    return fail(Code::kCancelled, "stopped");
  state.taken = state.following = true;
  return Turn(*this, source);
}

void SourceTurns::give_back(const std::string& source) {
  const std::lock_guard lock(mutex_);
  State& state = states_[source];
  // What follows gives its turn back while an extraction waits: that one's wish stays.
  state.taken = false;
  if (!std::exchange(state.following, false)) state.extracting = false;
  changed_.notify_all();
}

bool SourceTurns::wanted(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(source);
  return found != states_.end() && found->second.extracting;
}

bool SourceTurns::extracting(const std::string& source) const {
  return wanted(source);
}

Result<SourceLoad> wait_loaded(const Extracts::Tools& tools, const std::string& source,
                               const std::stop_token& stop) {
  MILLRACE_ASSIGN(const auto stats, tools.log.stats({source_topic(source), PartitionId(0)}));
  Offset seen;
  DurationUs moved = tools.env.steady_now();
  for (;;) {
    auto load = tools.loaded(source);
    if (load && load->next >= stats.end) return *std::move(load);
    if (stop.stop_requested()) return fail(Code::kCancelled, "stopped; the same command goes on");
    const DurationUs now = tools.env.steady_now();
    if (load && load->next != seen) {
      seen = load->next;
      moved = now;
    }
    if (now - moved > kStallMax)
      return fail(
          Code::kDeadline,
          "what was read is durable, but the warehouse does not take it in: millrace logs --component "
          "tables says why; it goes on by itself");
    tools.env.sleep_for(kLookEvery);
  }
}

std::uint64_t ExtractResult::failed_tables() const {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(tables, [](const ExtractTableResult& table) { return table.error.has_value(); }));
}

Result<const MysqlSource*> Extracts::find(const std::string& name) const {
  const auto found = std::ranges::find(tools_.sources, name, &MysqlSource::name);
  if (found != tools_.sources.end()) return &*found;
  std::vector<std::string> known;
  for (const MysqlSource& source : tools_.sources) known.push_back(source.name);
  if (known.empty())
    return fail(Code::kNotFound,
                "the server knows no sources: name them in millrace.yaml under sources, and "
                "start it with --project");
  const std::string nearest = nearest_name(name, known);
  return fail(Code::kNotFound,
              fmt::format("there is no source {}; {}", name,
                          nearest.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                          : "did you mean " + nearest));
}

Result<ExtractResult> Extracts::run(const ExtractRequest& request, const OnProgress& on_progress,
                                    const std::stop_token& stop) {
  MILLRACE_ASSIGN(const MysqlSource* const source, find(request.source));
  if (source->follow && request.incremental)
    return fail(
        Code::kInvalid,
        fmt::format("{} is followed: its changes come by themselves; without --incremental its tables "
                    "are read anew",
                    source->name));
  MILLRACE_ASSIGN(const auto turn, tools_.turns.take_to_extract(source->name, stop));
  MILLRACE_TRY(tools_.log.create_topic(source_topic(source->name), tools_.topic));
  MILLRACE_ASSIGN(const SourceLoad before, wait_loaded(tools_, source->name, stop));
  ExtractRequest asked = request;
  // Rows that a broken snapshot read lack the changes that were followed since.
  asked.restart |= before.stream.has_value();
  ExtractRun reading(tools_.log, tools_.env, *source, asked, before.states, on_progress, stop);
  auto result = reading.run();
  if (!result) {
    log_warning("extract", "an extraction ended early",
                {field("source", source->name), field("error", result.error().text())});
    return fail(std::move(result).error().with_context(source->name));
  }
  if (on_progress)
    on_progress({.rows = result->rows, .rows_total = result->rows, .bytes = result->bytes, .loading = true});
  MILLRACE_ASSIGN(const SourceLoad after, wait_loaded(tools_, source->name, stop));
  add_load(after, *result);
  log_info("extract", "extracted",
           {field("source", source->name), field("rows", result->rows), field("bytes", result->bytes),
            field("failed_tables", result->failed_tables())});
  return result;
}

std::vector<Extracts::Entry> Extracts::list() const {
  std::vector<Entry> entries;
  for (const MysqlSource& source : tools_.sources) {
    Entry& entry = entries.emplace_back();
    entry.source = source.name;
    entry.address = source.address();
    if (auto load = tools_.loaded(source.name)) entry.tables = std::move(load->states);
    entry.running = tools_.turns.extracting(source.name);
  }
  return entries;
}

}  // namespace millrace
