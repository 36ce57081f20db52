#include "app/platform.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "app/order_job.h"
#include "app/parquet_texts.h"
#include "app/version.h"
#include "base/logging.h"
#include "base/text.h"
#include "base/thread.h"
#include "lake/local_object_store.h"
#include "log/topics.h"
#include "net/file_limit.h"
#include "recommend/streaming_job.h"
#include "stream/archive_job.h"
#include "stream/window_job.h"
#include "warehouse/aggregations.h"

namespace millrace {
namespace {

// While the processor is short, collecting and answering come first, and the tables may fall behind; but not
// without end, as they did at 19 beside builds that took all of the processor.
constexpr int kLoadNiceness = 10;
constexpr int kRecommendNiceness = 5;  // answers to events wait for it
constexpr int kStreamingNiceness = 0;
constexpr int kArchiveNiceness = 19;
constexpr int kTransformNiceness = 10;
constexpr int kWindowNiceness = 10;
constexpr int kTableNiceness = 10;
constexpr int kFeatureNiceness = 10;
constexpr DurationUs kTransformGrace = 2 * kSecondUs;
constexpr DurationUs kWindowsBegin = 5 * kSecondUs;
constexpr int kDuckDbNiceness = 10;  // they serve queries too
constexpr std::uint64_t kSmallTopicSegmentBytes = 16 << 20;

std::string random_token(Env& env) {
  std::array<std::byte, 24> bytes;
  env.random_bytes(bytes);
  std::string out;
  for (const std::byte byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return out;
}

/// Open the warehouse so that DuckDB's own threads, which it starts here, yield behind what answers requests.
Result<std::unique_ptr<Warehouse>> open_in_background(Env& env, const WarehouseOptions& options) {
  Result<std::unique_ptr<Warehouse>> warehouse = fail(Code::kInternal, "not opened");
  std::thread([&] {
    yield_to_others(kDuckDbNiceness);
    warehouse = Warehouse::open(env, options);
  }).join();
  return warehouse;
}

/// Return `dir` and those of its parents that do not exist, the innermost first.
std::vector<Path> missing_dirs(Env& env, Path dir) {
  std::vector<Path> missing;
  for (; !dir.empty() && !env.exists(dir); dir = dir.parent_path()) missing.push_back(dir);
  return missing;
}

/// Remove a data directory that was made for nothing, and the parents that were made for it.
void remove_made(const std::vector<Path>& made) {
  std::error_code ignored;
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (i == 0) {
      std::filesystem::remove_all(made[i], ignored);
    } else {
      std::filesystem::remove(made[i], ignored);  // only when nobody put anything else there
    }
  }
}

/// Refuse a data directory that a newer Millrace wrote; mark a new one.
Status check_data_version(Env& env, const Path& data) {
  const Path file = data / "VERSION";
  if (!env.exists(file)) return write_file_atomically(env, file, std::string(kDataVersion) + "\n");
  MILLRACE_ASSIGN(const std::string text, read_file(env, file, 64));
  const std::string version = text.substr(0, text.find('\n'));
  if (version == kDataVersion) return {};
  return fail(
      Code::kInvalid,
      fmt::format(
          "the data has version {}, this program knows version {}; use the newer program, or another --data",
          version, kDataVersion),
      data.string());
}

}  // namespace

Platform::Platform(Env& env, const Config& config)
    : env_(env),
      config_(config),
      pressure_(config.lag_records_max),
      admin_token_(random_token(env)),
      unix_socket_((config.data / "socket").string()),
      contracts_(std::make_unique<Contracts>(config.contracts, true)),
      quiet_contracts_(std::make_unique<Contracts>(config.contracts)) {}

Result<std::unique_ptr<Platform>> Platform::open(Env& env, const Config& config, Listen listen) {
  MILLRACE_TRY(check_config(config));
  raise_open_files_limit();
  std::unique_ptr<Platform> platform(new Platform(env, config));
  if (Status opened = platform->open_all(listen); !opened) {
    const std::vector<Path> made = std::move(platform->made_);
    // The log holds the lock of the directory: until it is gone nobody else may begin to use it.
    const std::unique_ptr<EventLog> log = std::move(platform->log_);
    platform.reset();
    remove_made(made);
    return fail(std::move(opened).error());
  }
  return platform;
}

Status Platform::open_all(Listen listen) {
  MILLRACE_TRY(open_data());
  MILLRACE_TRY(open_lake());
  MILLRACE_TRY(open_stores());
  start_jobs();
  MILLRACE_TRY(start_streaming());
  MILLRACE_TRY(start_transforms());
  MILLRACE_TRY(start_windows());
  start_tables();
  start_features();
  MILLRACE_TRY(open_server(listen));
  // A command that is its own server for a moment leaves the files to the next real one.
  if (listen == Listen::kNetwork) {
    follower_ = std::make_unique<FileFollower>(*log_, env_, config_.data / "follow", config_.follow,
                                               FollowOptions{.limits = {.contracts = contracts_.get()}});
    http_streams_->start();
    model_keeper_->start();
    ranker_keeper_->start();
    pipelines_->start();
  }
  return write_server_file();
}

Status Platform::open_data() {
  const std::vector<Path> missing = missing_dirs(env_, config_.data);
  MILLRACE_TRY(env_.make_dirs(config_.data));
  if (!missing.empty()) {
    // It holds people's data and the commands' token; whoever wants to share it may widen this later.
    std::error_code ignored;
    std::filesystem::permissions(config_.data, std::filesystem::perms::owner_all, ignored);
  }
  // The log's lock decides who owns the directory, so it is opened before anything is written.
  MILLRACE_ASSIGN(log_, SegmentLog::open(env_, config_.data / "log"));
  made_ = missing;
  MILLRACE_TRY(check_data_version(env_, config_.data));
  keep_logs();
  return make_topics();
}

/// From here on keep what is logged in DATA/logs too, without the secrets we know.
void Platform::keep_logs() {
  std::vector<std::string> secrets = {config_.token, admin_token_};
  for (const PushTarget& target : config_.push_targets) {
    secrets.push_back(target.secret);
    secrets.push_back(target.authorization);
  }
  for (const MysqlSource& source : config_.sources) secrets.push_back(source.password);
  for (const HttpSource& api : config_.apis)
    secrets.insert(secrets.end(), api.secrets.begin(), api.secrets.end());
  set_log_secrets(std::move(secrets));
  log_files_ = std::make_shared<LogFiles>(env_, config_.data / "logs",
                                          LogFilesOptions{.bytes_max = config_.log_keep_bytes});
  set_log_sink(
      std::make_shared<const LogSink>([files = log_files_](std::string_view line) { files->add(line); }));
  sink_guard_ = std::make_unique<SinkGuard>();
}

Status Platform::make_topics() {
  TopicConfig events = config_.events_topic;
  events.content_type = "application/json";
  const auto topics = log_->topics();
  const auto known = topics.find(std::string(kEventsTopic));
  if (known != topics.end()) events.partitions = known->second.partitions;
  if (config_.events_partitions) events.partitions = *config_.events_partitions;
  MILLRACE_TRY(log_->create_topic(kEventsTopic, events));
  TopicConfig small = events;
  small.partitions = 1;
  small.segment_bytes = std::min(events.segment_bytes, kSmallTopicSegmentBytes);
  for (const std::string_view topic :
       {kQuarantineTopic, kRecommendationsTopic, kItemsTopic, kUsersTopic, kDecisionsTopic})
    MILLRACE_TRY(log_->create_topic(topic, small));
  return {};
}

Status Platform::open_stores() {
  WarehouseOptions warehouse;
  warehouse.path = config_.data / "warehouse" / "warehouse.duckdb";
  warehouse.lake_dir = config_.data / "lake";
  warehouse.memory_bytes_max = config_.warehouse_memory_bytes;
  MILLRACE_ASSIGN(warehouse_, open_in_background(env_, warehouse));
  MILLRACE_TRY(declare_aggregations(*warehouse_, config_.aggregations));
  MILLRACE_ASSIGN(queries_, QueryService::open(*warehouse_, {}));
  MILLRACE_ASSIGN(catalogue_, QueryService::open(*warehouse_, {.at_once_max = kWorkers}));
  feed_ = std::make_unique<EventFeed>(*archived_log_, EventFeedOptions{});
  replays_ = std::make_unique<Replays>(Replays::Tools{
      .env = env_,
      .log = *archived_log_,
      .warehouse = *warehouse_,
      .lake = *lake_,
      .manifest = *manifest_,
      .staging = config_.data / "lake" / ".tmp" / "rebuild.parquet",
      .message_ids_dir = config_.data / "warehouse" / "replay_ids",
      .message_ids_max = config_.duplicate_ids_max,
      .aggregator = {},
      .run_alone = [this](const auto& work, const auto& stop) { return load_job_->run_alone(work, stop); }});
  quarantine_ = std::make_unique<QuarantineDesk>(QuarantineDesk::Tools{.log = *log_,
                                                                       .env = env_,
                                                                       .queries = *catalogue_,
                                                                       .loaded = [this] { return loaded(); },
                                                                       .contracts = quiet_contracts_.get()});
  MILLRACE_TRY(open_models());
  make_sql_transforms();
  MILLRACE_ASSIGN(notices_, SourceNotices::open({*log_, env_, *contracts_}));
  contracts_->gate().set_on_fault([this](const SourceFault& fault) { notices_->report(fault); });
  collector_ = std::make_unique<Collector>(*log_, env_, collect_limits(), &pressure_);
  push_targets_ = std::make_unique<HttpPushTargets>(config_.push_targets, env_);
  MILLRACE_ASSIGN(subscriptions_, SubscriptionEngine::open(*log_, env_, *push_targets_,
                                                           config_.data / "subscriptions.sqlite"));
  MILLRACE_ASSIGN(ingest_, Ingest::open(*log_, env_, config_.data / "ingested.sqlite",
                                        IngestLimits{.contracts = contracts_.get()}, open_parquet_texts));
  MILLRACE_ASSIGN(vectors_, VectorSets::open(env_, config_.data / "vectors", config_.vectors));
  recommender_ =
      std::make_unique<Recommender>(env_, RecommenderOptions{config_.model, config_.recommender, {}});
  MILLRACE_TRY(open_pipelines());
  answers_ = std::make_unique<RecommendationLog>(
      *log_, RecommendationLogOptions{.queue_max = config_.answers_queue_max});
  return {};
}

BodyLimits Platform::collect_limits() const {
  BodyLimits limits = config_.collect_limits;
  limits.contracts = contracts_.get();
  return limits;
}

void Platform::make_sql_transforms() {
  const auto load = [this]() -> Result<std::optional<std::vector<TransformFile>>> {
    if (!config_.sql_transforms) return std::nullopt;
    return load_sql_transforms(env_, *config_.sql_transforms);
  };
  sql_transforms_ =
      std::make_unique<Transforms>(*warehouse_, load, Transforms::Options{.contracts = contracts_.get()});
}

Status Platform::open_lake() {
  // A group that nobody moves would hold back retention for ever.
  if (!config_.archive)
    for (const std::string_view topic : ArchiveJob::kTopics)
      MILLRACE_TRY(log_->delete_group(ArchiveJob::kGroup, topic));
  MILLRACE_ASSIGN(lake_, LocalObjectStore::open(env_, config_.data / "lake"));
  MILLRACE_ASSIGN(manifest_, Manifest::open(config_.data / "manifest.sqlite"));
  archived_log_ = std::make_unique<ArchivedLog>(*log_, *manifest_, *lake_, std::string(ArchiveJob::kGroup));
  return {};
}

void Platform::start_jobs() {
  jobs_ = std::make_unique<JobRunner>(*log_, env_, JobRunnerOptions{.pressure = &pressure_});
  LoadJobOptions load;
  load.transaction_interval = config_.load_interval;
  load.writer.message_ids_max = config_.duplicate_ids_max;
  load.writer.message_ids_dir = config_.data / "warehouse" / "message_ids";
  auto load_job = LoadJob::make(*log_, *feed_, *warehouse_, load);
  RecommendJobOptions recommend;
  recommend.snapshot_interval = config_.recommender_snapshot_interval;
  if (recommend.snapshot_interval > 0) recommend.snapshot = config_.data / "recommender.snapshot";
  auto recommend_job = RecommendJob::make(*log_, *feed_, *warehouse_, *recommender_, recommend);
  load_job_ = load_job.get();
  recommend_job_ = recommend_job.get();
  jobs_->start(std::move(load_job), kLoadNiceness);
  jobs_->start(std::move(recommend_job), kRecommendNiceness);
  if (config_.archive)
    jobs_->start(ArchiveJob::make(env_, *log_, *lake_, *manifest_, config_.lake), kArchiveNiceness);
  if (!config_.curated) return;
  const Path staging = config_.data / "lake" / ".tmp" / "curate.parquet";  // goes when the store is opened
  jobs_->start(CurateJob::make(*log_, *warehouse_, *lake_, *manifest_, staging, config_.curate),
               kArchiveNiceness);
}

Status Platform::start_streaming() {
  streams_ = std::make_unique<RecommendationStreams>();
  StreamingJobOptions options;
  options.settings = config_.streaming;
  options.position = config_.data / "streaming.json";
  if (!config_.streaming.enabled) return StreamingJob::forget(env_, options.position);
  options.on_answers = [this](std::span<const StreamedAnswer> answers) { streams_->send(answers); };
  streaming_ = std::make_unique<JobRunner>(*log_, env_);
  streaming_->start(
      StreamingJob::make({*log_, *feed_, env_, *recommender_, *recommend_job_}, std::move(options)),
      kStreamingNiceness);
  return {};
}

Status Platform::start_transforms() {
  // A command that runs without the project says nothing about them: they go on where they are, later.
  if (!config_.transforms) return {};
  transforms_ = std::make_unique<JobRunner>(*log_, env_);
  const Path dir = config_.data / "transforms";
  MILLRACE_TRY(forget_transforms(*log_, env_, dir, *config_.transforms));
  for (const InFlightTransform& transform : *config_.transforms) {
    MILLRACE_ASSIGN(auto job, make_transform_job(*log_, env_, dir, transform));
    transforms_->start(std::move(job), kTransformNiceness);
  }
  return {};
}

/// Nothing runs while nothing is published.
Status Platform::start_windows() {
  const Path dir = config_.data / "windows";
  MILLRACE_ASSIGN(auto rows, PublishedRows::open(*warehouse_));
  if (rows->aggregations().empty()) return WindowJob::forget(env_, dir);
  WindowJobOptions options;
  options.dir = dir;
  options.state = config_.windows;
  windows_ = std::make_unique<JobRunner>(*log_, env_);
  auto made = std::make_unique<WindowJob>(*log_, env_, std::move(rows), [this] { return loaded(); }, options);
  const WindowJob& job = *made;
  windows_->start(std::move(made), kWindowNiceness);
  // What comes once we answer shall be published: the job begins with what is open when it first looks. One
  // that cannot begin yet keeps nobody waiting for long.
  const DurationUs until = env_.steady_now() + kWindowsBegin;
  while (job.done().empty() && env_.steady_now() < until) env_.sleep_for(kMillisecondUs);
  return {};
}

/// Tables of sources are made, whether this configuration names any or not: their topics may hold records.
void Platform::start_tables() {
  TableJobOptions options;
  for (const MysqlSource& source : config_.sources)
    if (source.orders) options.orders.push_back(source.orders->tables);
  auto job = TableJob::make(*log_, *warehouse_, options);
  table_job_ = job.get();
  tables_ = std::make_unique<JobRunner>(*log_, env_);
  tables_->start(std::move(job), kTableNiceness);
  if (!options.orders.empty())
    tables_->start(
        make_order_job(*log_, *warehouse_, config_.sources, contracts_.get(), orders_stop_.get_token()),
        kTableNiceness);
  TopicConfig topic = config_.events_topic;
  topic.partitions = 1;
  topic.content_type = "application/octet-stream";
  const Extracts::Tools tools{.log = *log_,
                              .env = env_,
                              .sources = config_.sources,
                              .topic = topic,
                              .loaded = [this](const std::string& source) -> std::optional<SourceLoad> {
                                auto loaded = table_job_->loaded(source);
                                if (!loaded) return std::nullopt;
                                return SourceLoad{loaded->next, std::move(loaded->states),
                                                  std::move(loaded->stream)};
                              },
                              .turns = source_turns_};
  extracts_ = std::make_unique<Extracts>(tools);
  change_streams_ = std::make_unique<ChangeStreams>(tools, std::filesystem::absolute(config_.data).string());
  http_streams_ = std::make_unique<HttpStreams>(HttpStreams::Tools{.log = *log_,
                                                                   .env = env_,
                                                                   .state_dir = config_.data / "follow",
                                                                   .limits = {.contracts = contracts_.get()},
                                                                   .topic = topic},
                                                config_.apis);
}

void Platform::start_features() {
  features_ = std::make_unique<FeatureStore>(config_.features, config_.features_memory_bytes);
  feature_jobs_ = std::make_unique<JobRunner>(*log_, env_);
  const auto is_flow = [](const FeatureView& view) { return view.flow.has_value(); };
  if (std::ranges::any_of(config_.features, is_flow)) {
    auto job = FlowFeatureJob::make({*log_, *feed_, *warehouse_, *features_, [this] { return loaded(); }});
    flow_features_ = job.get();
    feature_jobs_->start(std::move(job), kFeatureNiceness);
  }
  if (!std::ranges::all_of(config_.features, is_flow))
    feature_jobs_->start(make_table_feature_job(*warehouse_, *features_), kFeatureNiceness);
}

std::optional<JobPosition> Platform::loaded() const {
  LoadPosition position = load_job_->position();
  if (!position.known) return std::nullopt;
  return std::move(position.next);
}

Status Platform::ready() const {
  if (!recommend_job_->ready())
    return fail(Code::kOverloaded, "the recommender is being rebuilt from the warehouse");
  if (!features_->filled()) return fail(Code::kOverloaded, "features are being read from the warehouse");
  return warehouse_->check();
}

Status Platform::check_tables() const {
  return warehouse_->check();
}

Status Platform::wait_ready(DurationUs limit) {
  const DurationUs end = env_.steady_now() + limit;
  while (!ready()) {
    if (env_.steady_now() > end) return fail(Code::kDeadline, "the recommender was not ready in time");
    env_.sleep_for(2 * kMillisecondUs);
  }
  return {};
}

Status Platform::wait_caught_up(DurationUs limit) {
  const DurationUs end = env_.steady_now() + limit;
  for (;;) {
    MILLRACE_ASSIGN(const Books now, books());
    if (now.events.pending == 0 && now.quarantine.pending == 0 && recommend_job_->caught_up()) break;
    if (env_.steady_now() > end)
      return fail(Code::kDeadline, fmt::format("{} events are still being taken in", now.events.pending));
    env_.sleep_for(20 * kMillisecondUs);
  }
  recommender_->refresh();
  return {};
}

Result<Books> Platform::books() const {
  return draw_up_books(*log_, load_job_->position());
}

void Platform::stop(DurationUs grace) {
  if (std::exchange(stopped_, true)) return;
  std::error_code ignored;
  std::filesystem::remove(config_.data / "server.json", ignored);
  subscriptions_->stop();  // answers the pulls that wait, for which the server else would
  server_->stop(grace);
  follower_.reset();
  http_streams_->stop();
  model_keeper_->request_stop();
  ranker_keeper_->request_stop();
  pipelines_->stop();
  queries_->stop();
  catalogue_->stop();
  warehouse_->end_answers();
  model_keeper_->stop();  // its reading of tables has been ended
  ranker_keeper_->stop();
  ingest_workers_.reset();
  workers_.reset();
  log_streams_.reset();
  flow_.reset();
  dashboard_.reset();  // routes and workers speak to it until here
  if (Status drained = answers_->stop(kSecondUs); !drained) log_warning("recommend", drained.error().message);
  // What is not through goes on at the next start.
  if (streaming_) static_cast<void>(streaming_->drain(std::min(grace, kTransformGrace)));
  if (transforms_) static_cast<void>(transforms_->drain(std::min(grace, kTransformGrace)));
  if (windows_) static_cast<void>(windows_->drain(std::min(grace, kTransformGrace)));
  change_streams_->stop();
  feature_jobs_->stop();
  orders_stop_.request_stop();
  static_cast<void>(tables_->drain(std::min(grace, kTransformGrace)));
  if (Status drained = jobs_->drain(grace); !drained)
    log_warning("app", "stopped before all was loaded; the rest follows at the next start",
                {field("why", drained.error().message)});
}

Platform::~Platform() {
  if (server_) stop(0);
}

Platform::SinkGuard::~SinkGuard() {
  set_log_sink(nullptr);
}

}  // namespace millrace
