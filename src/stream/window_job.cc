#include "stream/window_job.h"

#include <algorithm>

#include "base/logging.h"
#include "log/topics.h"
#include "stream/state_snapshot.h"

namespace millrace {
namespace {

constexpr std::uint32_t kStateVersion = 1;
constexpr std::string_view kJournal = "journal";
constexpr std::string_view kSnapshot = "state";
constexpr std::uint64_t kLately =
    100'000;  ///< offsets of a partition: sources in these are taken up at first

bool blames_data(const Error& error) {
  return error.code == Code::kInvalid || error.code == Code::kOutOfRange;
}

}  // namespace

WindowJob::WindowJob(EventLog& log, Env& env, std::unique_ptr<PublishedRows> rows, Loaded loaded,
                     WindowJobOptions options)
    : log_(log),
      env_(env),
      rows_(std::move(rows)),
      loaded_(std::move(loaded)),
      options_(std::move(options)),
      publisher_(log, rows_->aggregations()),
      journal_(env, options_.dir / kJournal),
      metrics_(kName) {}

Status WindowJob::forget(Env& env, const Path& dir) {
  for (const std::string_view file : {kJournal, kSnapshot}) {
    if (env.exists(dir / file)) MILLRACE_TRY(env.remove(dir / file));
  }
  return {};
}

Status WindowJob::start() {
  MILLRACE_TRY(env_.make_dirs(options_.dir));
  const auto topics = log_.topics();
  const auto events = topics.find(std::string(kEventsTopic));
  if (events == topics.end()) return fail(Code::kNotFound, "there is no topic events");
  partitions_ = events->second.partitions;
  MILLRACE_TRY(publisher_.make_topics());
  return sync();
}

void WindowJob::make_state() {
  state_ = std::make_unique<WindowState>(rows_->aggregations(), partitions_, options_.state);
  for (const std::size_t i : given_up_) state_->give_up(i);
}

std::map<TopicPartition, Offset> WindowJob::places(const std::vector<Offset>& next) const {
  std::map<TopicPartition, Offset> places;
  for (std::uint32_t i = 0; i < next.size(); ++i)
    places[{std::string(kEventsTopic), PartitionId(i)}] = next[i];
  return places;
}

void WindowJob::note_done() {
  auto done = places(journal_.last_next());
  const std::lock_guard lock(mutex_);
  done_ = std::move(done);
}

JobPosition WindowJob::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

/// Bring state and journal to where the job was: after a start, or when it is unknown what was done.
Status WindowJob::sync() {
  synced_ = false;
  const Status opened = journal_.open();
  if (!opened || journal_.base().next.size() != partitions_) {
    if (!opened && opened.error().code != Code::kNotFound) {
      if (opened.error().code != Code::kCorrupt) return opened;
      log_error(kName, "the journal is damaged: windows that are open now may be published twice",
                {field("error", opened.error().text())});
    }
    return begin_anew();
  }
  // What a topic that is new here holds is of an earlier life and says nothing of these steps.
  MILLRACE_ASSIGN(const auto ends, publisher_.ends());
  MILLRACE_TRY(journal_.publish_from(ends));
  MILLRACE_TRY(publisher_.read_tails(journal_.base().published));
  std::uint64_t number = 0;
  if (!load_snapshot(number)) {
    MILLRACE_TRY(rebuild());
    number = journal_.base().number;
  }
  MILLRACE_TRY(replay(number));
  if (!state_->missing().empty()) {
    MILLRACE_TRY(fill_missing(journal_.last_next()));
    MILLRACE_TRY(snapshot());
  }
  synced_ = true;
  note_done();
  return {};
}

/// Begin at what is loaded now. Not before the loader knows what that is.
Status WindowJob::begin_anew() {
  const auto loaded = loaded_();
  if (!loaded) return {};
  MILLRACE_TRY(publisher_.read_tails({}));
  // A later life counts on from the clock: its revisions are greater, also where nothing is left of before.
  const auto number = static_cast<std::uint64_t>(std::max<TimeUs>(0, env_.now() / kMillisecondUs));
  WindowBase base{
      .number = std::max(publisher_.last_step(), number), .next = {}, .marks = {}, .published = {}};
  for (std::uint32_t i = 0; i < partitions_; ++i) {
    const TopicPartition partition{std::string(kEventsTopic), PartitionId(i)};
    MILLRACE_ASSIGN(const auto stats, log_.stats(partition));
    const auto found = loaded->find(partition);
    base.next.push_back(found == loaded->end() ? stats.start : found->second);
  }
  make_state();
  MILLRACE_TRY(take_up_sources(base));
  state_->save_marks(base.marks);
  MILLRACE_ASSIGN(base.published, publisher_.ends());
  snapshot_number_ = base.number;
  snapshot_at_ = env_.steady_now();
  // One of before could pass for one of the steps to come.
  if (env_.exists(options_.dir / kSnapshot)) {
    MILLRACE_TRY(env_.remove(options_.dir / kSnapshot));
    MILLRACE_TRY(env_.sync_dir(options_.dir));
  }
  MILLRACE_TRY(journal_.restart(std::move(base)));
  MILLRACE_TRY(rebuild());
  MILLRACE_TRY(snapshot());  // it tells later which aggregations are new
  synced_ = true;
  note_done();
  return {};
}

/// Join the sources that were heard of lately as if they had been followed all along.
Status WindowJob::take_up_sources(const WindowBase& base) {
  FactRange lately{.from = {}, .to = base.next};
  for (const Offset next : base.next)
    lately.from.emplace_back(next.value() - std::min(next.value(), kLately));
  StepFacts facts;
  MILLRACE_ASSIGN(facts.marks, rows_->marks(lately));
  MILLRACE_TRY(join(facts.marks, base.next, false));
  // Without facts nothing comes out.
  state_->apply({.number = base.number, .now = env_.now(), .next = base.next, .exhausted = {}}, facts,
                publisher_);
  return {};
}

bool WindowJob::load_snapshot(std::uint64_t& number) {
  const auto snapshot =
      usable_snapshot(env_, options_.dir / kSnapshot, kName, kStateVersion, places(journal_.last_next()));
  make_state();
  if (!snapshot) return false;
  StateReader in(snapshot->payload);
  number = in.u64();
  if (in.ok() && number >= journal_.base().number && number <= journal_.last_number() &&
      state_->load(in.raw(in.left())))
    return true;
  log_warning(kName, "the saved state does not fit the journal and is not used", {field("step", number)});
  return false;
}

/// Make the state as of the journal's beginning from the facts before it.
Status WindowJob::rebuild() {
  log_info(kName, "computes its state from the tables", {field("step", journal_.base().number)});
  make_state();
  if (!state_->load_marks(journal_.base().marks)) {
    log_error(kName, "the journal's watermarks are unreadable: each source begins anew");
    make_state();
    return {};
  }
  return fill_missing(journal_.base().next);
}

/// Take in what there is of aggregations that are missing: new, changed, or all.
Status WindowJob::fill_missing(const std::vector<Offset>& before) {
  const auto missing = state_->missing();
  for (const std::size_t i : missing) MILLRACE_TRY(fill(i, before));
  state_->filled();
  const StateLimits& limits = options_.state.limits;
  if (state_->use().entries > limits.entries_max || state_->use().bytes > limits.bytes_max)
    log_warning(kName, "more windows are open than windows.memory has room for: the oldest go out early");
  return {};
}

Status WindowJob::fill(std::size_t i, const std::vector<Offset>& before) {
  state_->begin_fill(i);
  bool room = true;
  for (const auto& [source, watermark] : state_->watermarks()) {
    MILLRACE_TRY(rows_before(i, source, watermark, before,
                             [&](const PublishedRow& row) { return room = state_->fill(i, row); }));
    if (room) continue;
    give_up(i, "its open windows are far more than windows.memory and windows.entries_max have room for");
    return {};
  }
  return {};
}

/// Do the steps after `after` again; what they published is passed over.
Status WindowJob::replay(std::uint64_t after) {
  snapshot_number_ = after;
  snapshot_at_ = env_.steady_now();
  std::vector<Offset> from = journal_.base().next;
  for (const WindowStep& step : journal_.steps()) {
    StepResult ignored;
    if (step.number > after) MILLRACE_TRY(run(step, from, ignored));
    from = step.next;
  }
  return {};
}

/// Look how far one can read. The clock comes first: what is logged after it is for the next step.
std::optional<WindowStep> WindowJob::plan() {
  WindowStep step{.number = journal_.last_number() + 1, .now = env_.now(), .next = {}, .exhausted = {}};
  const JobPosition loaded = loaded_().value_or(JobPosition());
  for (std::uint32_t i = 0; i < partitions_; ++i) {
    const TopicPartition partition{std::string(kEventsTopic), PartitionId(i)};
    const Offset from = journal_.last_next()[i];
    const auto found = loaded.find(partition);
    const Offset until = std::max(from, found == loaded.end() ? from : found->second);
    const Offset next = std::min(until, from + options_.offsets_max);
    const auto stats = log_.stats(partition);
    if (!stats) return std::nullopt;
    step.next.push_back(next);
    step.exhausted.push_back(stats->end <= next);
  }
  return step;
}

Result<StepResult> WindowJob::step() {
  if (!synced_) MILLRACE_TRY(sync());
  if (!synced_) return StepResult{};
  const auto step = plan();
  if (!step) return StepResult{};
  metrics_.show_delays(state_->waiting_after(*step), step->now);
  const bool more = step->next != journal_.last_next();
  StepResult result;
  if (more || state_->completes(*step)) {
    const std::vector<Offset> from = journal_.last_next();
    MILLRACE_TRY(journal_.add(*step));
    synced_ = false;  // until it is done
    MILLRACE_TRY(run(*step, from, result));
    synced_ = true;
    note_done();
    result.more = more;
    result.rest = more ? options_.interval : 0;
  }
  const DurationUs now = env_.steady_now();
  if (journal_.last_number() == snapshot_number_) snapshot_at_ = now;
  metrics_.show_snapshot_age(now - snapshot_at_);
  const bool due = now - snapshot_at_ >= options_.snapshot_interval ||
                   journal_.last_number() - snapshot_number_ >= options_.steps_max;
  if (due) MILLRACE_TRY(snapshot());
  return result;
}

Status WindowJob::run(const WindowStep& step, const std::vector<Offset>& from, StepResult& result) {
  const std::uint64_t evicted = state_->evicted();
  publisher_.begin(step.number, step.now);
  StepFacts facts;
  if (step.next != from) {
    const FactRange range{from, step.next};
    MILLRACE_ASSIGN(facts.marks, rows_->marks(range));
    MILLRACE_TRY(join(facts.marks, from, true));
    facts.rows.resize(rows_->aggregations().size());
    for (std::size_t i = 0; i < facts.rows.size(); ++i) {
      MILLRACE_TRY(unless_it_fails(i, [&] -> Status {
        MILLRACE_ASSIGN(facts.rows[i], rows_->rows(i, range));
        return {};
      }));
    }
  }
  for (std::size_t i = 0; i < from.size(); ++i) result.records += step.next[i].value() - from[i].value();
  for (const SourceMark& mark : facts.marks) result.events += mark.events;
  state_->apply(step, facts, publisher_);
  evicted_ += state_->evicted() - evicted;
  MILLRACE_TRY(publisher_.finish());
  StateUse use = state_->use();
  use.too_late = publisher_.too_late();
  metrics_.show(use, evicted_, publisher_.published());
  return {};
}

/// Begin to follow the sources in `marks` that are not known, with what there is of them before `from` in
/// windows that are still of interest.
Status WindowJob::join(const std::vector<SourceMark>& marks, const std::vector<Offset>& from,
                       bool with_rows) {
  std::set<std::string> joined;
  for (const SourceMark& mark : marks) {
    if (!state_->knows(mark.source)) joined.insert(mark.source);
  }
  MILLRACE_ASSIGN(const auto newest, rows_->newest(joined, from));
  for (const std::string& source : joined) {
    const auto found = newest.find(source);
    const bool heard = found != newest.end();
    const TimeUs watermark = heard ? found->second - options_.state.watermarks.disorder_live : kBeforeAllTime;
    state_->join(source, watermark);
    for (std::size_t i = 0; heard && with_rows && i < rows_->aggregations().size(); ++i) {
      MILLRACE_TRY(rows_before(i, source, watermark, from, [&](const PublishedRow& row) {
        state_->add_joined(i, row, publisher_);
        return true;
      }));
    }
  }
  return {};
}

/// Give `take` what there is of a source before `before` in windows that matter after `watermark`.
Status WindowJob::rows_before(std::size_t i, const std::string& source, TimeUs watermark,
                              const std::vector<Offset>& before, const PublishedRows::Take& take) {
  return unless_it_fails(
      i, [&] { return rows_->rows_before(i, source, state_->since(i, watermark), before, take); });
}

/// Events never wait for an expression that fails on one of them: that aggregation is given up.
Status WindowJob::unless_it_fails(std::size_t i, const std::function<Status()>& read) {
  if (given_up_.contains(i)) return {};
  const Status done = read();
  if (done || !blames_data(done.error())) return done;
  give_up(i, done.error().text());
  return {};
}

/// Publish an aggregation no more until the next start; it begins anew then.
void WindowJob::give_up(std::size_t i, const std::string& why) {
  log_error(kName, "an aggregation is not published until the next start",
            {field("name", rows_->aggregations()[i].aggregation.name), field("error", why)});
  given_up_.insert(i);
  state_->give_up(i);
}

Status WindowJob::snapshot() {
  const DurationUs begun = env_.steady_now();
  StateSnapshot snapshot{std::string(kName), kStateVersion, places(journal_.last_next()), {}};
  StateWriter(snapshot.payload).put_u64(journal_.last_number());
  state_->save(snapshot.payload);
  MILLRACE_TRY(write_snapshot(env_, options_.dir / kSnapshot, snapshot));
  WindowBase base{
      .number = journal_.last_number(), .next = journal_.last_next(), .marks = {}, .published = {}};
  state_->save_marks(base.marks);
  MILLRACE_ASSIGN(base.published, publisher_.ends());
  MILLRACE_TRY(journal_.restart(std::move(base)));
  snapshot_number_ = journal_.last_number();
  snapshot_at_ = env_.steady_now();
  metrics_.show_snapshot(snapshot_at_ - begun, snapshot.payload.size());
  return {};
}

}  // namespace millrace
