#include "server/flow.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <map>

#include "base/logging.h"
#include "base/metrics.h"
#include "event/json_writer.h"
#include "log/topics.h"
#include "server/dashboard.h"

namespace millrace {
namespace {

/// How often the table of what was refused is read; it is the only costly part.
constexpr DurationUs kQuarantineInterval = 5 * kSecondUs;
constexpr auto kSubscriptionsWait = std::chrono::milliseconds(500);

/// What each job shows begins with it; the rest is its name in a job's figures.
constexpr std::string_view kJobPrefix = "millrace_job_";
constexpr std::string_view kWindowPrefix = "millrace_window_";

/// Counters and gauges of the whole process that the picture needs, added up over their labels but for
/// replays, which are no part of the flow.
constexpr std::array<std::string_view, 12> kCounters = {
    "collect_events_total",    "collect_quarantined_total", "collect_failed_requests_total",
    "load_rows_total",         "archive_files_total",       "archive_bytes_total",
    "archive_raw_bytes_total", "recommendations_total",     "recommend_answers_total",
    "log_queued_bytes",        "log_lines_dropped_total",   "duplicate_window_seconds"};

constexpr std::string_view kRecentQuarantine = R"sql(
    SELECT stage, code, message, sum(events)::BIGINT AS events, max(received_time) AS newest,
           arg_max(concat(log_topic, ':', log_partition, ':', log_offset), received_time) AS record,
           arg_max(source, received_time) AS source
    FROM quarantine WHERE received_time > now() - INTERVAL 1 DAY
    GROUP BY ALL ORDER BY newest DESC LIMIT 20)sql";

/// "millrace_job_lag_records" → "lag_records"; "…_events_total" → "events".
std::string short_name(std::string_view name, std::string_view prefix) {
  name.remove_prefix(prefix.size());
  if (name.ends_with("_total")) name.remove_suffix(6);
  return std::string(name);
}

/// Job → figure → value.
using JobFigures = std::map<std::string, std::map<std::string, double>>;

void add_figures(std::string_view prefix, std::string_view named, JobFigures& jobs) {
  for (const metrics::Sample& sample : metrics::samples(prefix)) {
    const auto job = sample.labels.find("job");
    if (job == sample.labels.end()) continue;
    const std::string name = std::string(named) + short_name(sample.name, prefix);
    auto& figures = jobs[job->second];
    if (!sample.is_histogram) {
      const auto [figure, is_new] = figures.try_emplace(name, sample.value);
      // Of what is told apart further, as watermarks by source, the worst is shown.
      if (!is_new) figure->second = std::max(figure->second, sample.value);
      continue;
    }
    figures[name + "_count"] = static_cast<double>(sample.count);
    figures[name + "_p50"] = sample.p50;
    figures[name + "_p99"] = sample.p99;
  }
}

void write_jobs(JsonWriter& json) {
  JobFigures jobs;
  add_figures(kJobPrefix, "", jobs);
  add_figures(kWindowPrefix, "window_", jobs);
  json.key("jobs").begin_array();
  for (const auto& [name, figures] : jobs) {
    json.begin_object().member("name", name);
    for (const auto& [figure, value] : figures) json.member(figure, value);
    json.end_object();
  }
  json.end_array();
}

void write_counters(JsonWriter& json) {
  std::map<std::string, double, std::less<>> sums;
  for (const metrics::Sample& sample : metrics::samples("millrace_")) {
    const auto job = sample.labels.find("job");
    if (job != sample.labels.end() && job->second == "replay") continue;
    const std::string_view name = std::string_view(sample.name).substr(9);
    if (std::ranges::find(kCounters, name) != kCounters.end()) sums[std::string(name)] += sample.value;
  }
  json.key("counters").begin_object();
  for (const auto& [name, value] : sums) json.member(name, value);
  json.end_object();
}

void write_log(JsonWriter& json, const EventLog& log) {
  const auto topics = log.topics();
  const auto events = topics.find(std::string(kEventsTopic));
  const std::uint32_t partitions = events == topics.end() ? 0 : events->second.partitions;
  std::uint64_t bytes = 0;
  TimeUs newest = 0;
  for (std::uint32_t i = 0; i < partitions; ++i) {
    const auto stats = log.stats({std::string(kEventsTopic), PartitionId(i)});
    if (!stats) continue;
    bytes += stats->bytes;
    newest = std::max(newest, stats->newest);
  }
  json.key("log").begin_object().member("partitions", partitions).member("bytes", bytes).key("newest");
  newest > 0 ? json.time(newest) : json.null();
  json.end_object();
}

void write_subscription(JsonWriter& json, const SubscriptionInfo& info) {
  json.begin_object()
      .member("name", info.name)
      .member("topic", info.settings.topic)
      .member("kind", info.settings.push ? "push" : "pull");
  json.member("backlog", info.backlog).member("outstanding", info.outstanding).key("oldest_s");
  info.oldest_age ? json.number(static_cast<double>(*info.oldest_age) / kSecondUs) : json.null();
  json.member("delivered", info.counts.delivered).member("acked", info.counts.acked);
  json.member("nacked", info.counts.nacked).member("expired", info.counts.expired);
  json.member("dead", info.counts.dead).member("lost", info.counts.lost);
  json.member("dead_letter_topic", info.settings.dead_letter_topic);
  if (info.push)
    json.member("error", info.push->error).member("paused_ms", info.push->paused_for / kMillisecondUs);
  json.end_object();
}

}  // namespace

Flow::Flow(Sources sources)
    : sources_(std::move(sources)),
      streams_("flow", kInterval, [this](std::string_view) { return snapshot(); }) {}

std::string Flow::subscriptions_json() {
  using Infos = std::vector<SubscriptionInfo>;
  const auto answered = std::make_shared<std::promise<Infos>>();
  auto infos = answered->get_future();
  sources_.subscriptions.list(
      [answered](const Result<Infos>& list) { answered->set_value(list ? *list : Infos()); });
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  if (infos.wait_for(kSubscriptionsWait) == std::future_status::ready)
    for (const SubscriptionInfo& info : infos.get()) write_subscription(json, info);
  json.end_array();
  return out;
}

/// Read what was refused of late, now and then: {"columns","rows"} as /v1/sql answers.
std::string Flow::quarantine_json() {
  const DurationUs now = sources_.env.steady_now();
  if (quarantine_at_ != 0 && now - quarantine_at_ < kQuarantineInterval) return quarantine_;
  quarantine_at_ = now;
  const auto rows = sources_.queries.run(kRecentQuarantine, {.rows_max = 20, .time_max = 2 * kSecondUs});
  if (rows) {
    quarantine_ = *rows;
  } else {
    log_line(LogLevel::kDebug, "flow", "the quarantine could not be read",
             {field("error", rows.error().text())});
  }
  return quarantine_;
}

Result<std::string> Flow::snapshot() {
  const std::lock_guard lock(mutex_);
  MILLRACE_ASSIGN(const Books books, sources_.books());
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("time").time(sources_.env.now());
  json.member("clock_s", static_cast<double>(sources_.env.steady_now()) / kSecondUs);
  json.key("books").raw(books_figures(books));
  write_log(json, sources_.log);
  write_jobs(json);
  write_counters(json);
  json.key("subscriptions").raw(subscriptions_json());
  json.key("quarantine").raw(quarantine_json());
  json.end_object();
  return out;
}

}  // namespace millrace
