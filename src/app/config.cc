#include "app/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/follow_config.h"
#include "app/sources_config.h"
#include "base/yaml.h"
#include "net/tls_client.h"
#include "server/access.h"

namespace millrace {
namespace {

constexpr std::size_t kAggregationBytesMax = 64 << 10;
constexpr std::size_t kTransformBytesMax = 1 << 20;

void read_server(const YamlMap& server, Config& config) {
  server.optional("threads", config.http_threads, 1, 64);
  server.optional("hosts", config.hosts);
  server.optional("connections_max", config.connections_max, 16, 1'000'000);
  server.optional_duration("request_timeout", config.request_timeout, kSecondUs);
}

void read_collect(const YamlMap& collect, Config& config) {
  std::uint64_t bytes = config.collect_limits.event_bytes_max;
  if (collect.optional_bytes("event_bytes_max", bytes, 256, 16 << 20))
    config.collect_limits.event_bytes_max = bytes;
  bytes = config.collect_limits.batch_bytes_max;
  if (collect.optional_bytes("batch_bytes_max", bytes, 256, 64 << 20))
    config.collect_limits.batch_bytes_max = bytes;
  bytes = config.body_bytes_max;
  if (collect.optional_bytes("body_bytes_max", bytes, 256, 64 << 20)) config.body_bytes_max = bytes;
  collect.optional("lag_records_max", config.lag_records_max, std::uint64_t{0}, std::uint64_t{1} << 40);
  for (const auto& [source, value] : collect.map("write_keys").entries()) {
    std::string key;
    value.read(key);
    if (key.empty()) value.error("a write key must not be empty");
    config.write_keys[key] = source;
  }
}

void read_log(const YamlMap& log, Config& config) {
  TopicConfig& topic = config.events_topic;
  std::uint32_t partitions = 0;
  log.optional("partitions", partitions, 1, 1024);
  if (partitions > 0) config.events_partitions = partitions;
  log.optional_duration("retention", topic.retention, kDayUs);
  log.optional_bytes("bytes_soft", topic.bytes_soft, 1 << 20);
  log.optional_bytes("bytes_hard", topic.bytes_hard, 1 << 20);
  log.optional_bytes("segment_bytes", topic.segment_bytes, 1 << 20);
  if (topic.bytes_hard < topic.bytes_soft) log.error("bytes_hard must not be below bytes_soft");
}

void read_lake(const YamlMap& lake, Config& config) {
  ArchiveJobOptions& archive = config.lake;
  lake.optional("archive", config.archive);
  lake.optional_duration("interval", archive.interval, kSecondUs, kHourUs);
  lake.optional_bytes("file_bytes", archive.file_bytes_max, 1 << 20, 1 << 30);
  lake.optional_bytes("memory", archive.memory_bytes_max, 16 << 20);
  lake.optional_duration("lateness", archive.lateness, kSecondUs, kDayUs);
  lake.optional("compression_level", archive.compression_level, -7, 19);
  lake.optional("curated", config.curated);
  lake.optional_duration("curated_interval", config.curate.interval, kSecondUs, kDayUs);
  config.curate.lateness = archive.lateness;
}

void read_windows(const YamlMap& map, Config& config) {
  WindowStateOptions& windows = config.windows;
  map.optional_bytes("memory", windows.limits.bytes_max, 1 << 20);
  map.optional("entries_max", windows.limits.entries_max, std::uint64_t{1'000}, std::uint64_t{1} << 32);
  map.optional_duration("disorder", windows.watermarks.disorder_live, kSecondUs, kDayUs);
  map.optional("sources_max", windows.watermarks.sources_max, std::size_t{1}, std::size_t{10'000});
}

void read_weights(const YamlMap& map, SignalWeights& weights) {
  map.optional("view", weights.view, 0.0, 1e6);
  map.optional("read", weights.read, 0.0, 1e6);
  map.optional("cart", weights.cart, 0.0, 1e6);
  map.optional("rating", weights.rating, 0.0, 1e6);
  map.optional("purchase", weights.purchase, 0.0, 1e6);
}

void read_streaming(const YamlMap& map, StreamingSettings& streaming) {
  map.optional("enabled", streaming.enabled);
  map.optional_duration("age_max", streaming.age_max, kSecondUs);
}

void read_recommend(const YamlMap& map, Config& config) {
  ModelSettings& model = config.model;
  map.optional("name", model.name);
  map.optional("version", model.version);
  map.optional_duration("deadline", model.deadline, kMillisecondUs);
  map.optional_duration("popularity_half_life", model.popularity_half_life, kMinuteUs);
  map.optional_duration("session_gap", model.session_gap, kMinuteUs);
  map.optional_duration("item_age_max", model.item_age_max);
  map.optional_duration("new_item_age", model.new_item_age);
  map.optional("exclude_bought", model.exclude_bought);
  map.optional("exclude_read", model.exclude_read);
  map.optional("popularity_share", model.popularity_share, 0.0, 1.0);
  map.optional("category_share_max", model.category_share_max, 0.05, 1.0);
  map.optional_choice("sold_measure", model.sold_measure,
                      {{"units", SoldMeasure::kUnits}, {"orders", SoldMeasure::kOrders}});
  read_weights(map.map("weights"), model.weights);
  const YamlMap limits = map.map("limits");
  limits.optional("items", config.recommender.items, 100, 1 << 24);
  limits.optional("profiles", config.recommender.profiles, 100, 100'000'000);
  limits.optional_bytes("item_attribute_bytes", config.recommender.item_attribute_bytes);
  limits.optional_bytes("attribute_bytes", config.recommender.attribute_bytes);
  limits.optional("neighbours", config.recommender.neighbours, 5, 1'000);
  limits.optional("history", config.recommender.history, 5, 10'000);
  map.optional_duration("snapshot_interval", config.recommender_snapshot_interval);
  map.optional("answers_queue_max", config.answers_queue_max, 1, 10'000'000);
  read_streaming(map.map("streaming"), config.streaming);
}

void read_vectors(const YamlMap& map, Config& config) {
  VectorSets::Options& vectors = config.vectors;
  map.optional("vectors_max", vectors.vectors_max, 1, 1'000'000'000);
  map.optional("sets_max", vectors.sets_max, 1, 1'000'000);
  map.optional("exact_max", vectors.set.index.exact_max, 0, 10'000'000);
  map.optional("recall", vectors.set.index.recall, 0.0, 1.0);
  map.optional("build_threads", vectors.set.index.threads, 1, 64);
  map.optional("items", config.vector_sets.items);
  map.optional("users", config.vector_sets.users);
}

/// Each is a URL, or a map of one with its secrets.
std::vector<PushTarget> read_targets(const YamlMap& map, std::string_view key) {
  std::vector<PushTarget> targets;
  for (const YamlValue& entry : map.list(key)) {
    PushTarget target;
    if (entry.is_map()) {
      entry.map().required("url", target.url);
      entry.map().optional("secret", target.secret);
      entry.map().optional("authorization", target.authorization);
      entry.map().optional("ca_file", target.ca_file);
    } else {
      entry.read(target.url);
    }
    if (target.url.empty()) continue;
    if (const auto url = PushUrl::parse(target.url); !url) entry.error(url.error().message);
    if (!target.ca_file.empty())
      if (const auto trust = TlsTrust::load(target.ca_file); !trust) entry.error(trust.error().message);
    const auto breaks_header = [](char c) { return c < ' ' || c == '\x7F'; };
    if (std::ranges::any_of(target.authorization, breaks_header))
      entry.error("authorization must be one line, as a header can carry it");
    targets.push_back(std::move(target));
  }
  return targets;
}

void read_logging(const YamlMap& map, Config& config) {
  map.optional_choice("format", config.log_format, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
  map.optional_choice("level", config.log_level,
                      {{"debug", LogLevel::kDebug},
                       {"info", LogLevel::kInfo},
                       {"warning", LogLevel::kWarning},
                       {"error", LogLevel::kError}});
  map.optional_bytes("keep", config.log_keep_bytes, 1 << 20, 16ull << 30);
}

/// Call `take` with the path and text of each YAML file of a folder, in the order of their names.
template <class Take>
Status each_yaml_file(Env& env, const Path& dir, Take take) {
  if (!env.exists(dir)) return {};
  MILLRACE_ASSIGN(auto names, env.list_dir(dir));
  std::ranges::sort(names);
  for (const auto& name : names) {
    if (Path(name).extension() != ".yaml") continue;
    MILLRACE_ASSIGN(const auto text, read_file(env, dir / name, kAggregationBytesMax));
    MILLRACE_TRY(take(dir / name, text));
  }
  return {};
}

/// Read the feature views of a project: all mistakes of all files at once.
Result<std::vector<FeatureView>> load_feature_views(Env& env, const Path& dir) {
  std::vector<FeatureView> views;
  std::optional<Error> mistakes;
  MILLRACE_TRY(each_yaml_file(env, dir, [&](const Path& path, const std::string& text) -> Status {
    auto view = parse_feature_view(text, path);
    if (view)
      views.push_back(*std::move(view));
    else if (mistakes)
      mistakes->message += '\n' + view.error().text();
    else
      mistakes = view.error();
    return {};
  }));
  if (mistakes) return fail(*std::move(mistakes));
  return views;
}

/// Read the files of the folder `aggregations`, in the order of their names.
Result<std::vector<AggregationFile>> load_aggregations(Env& env, const Path& dir) {
  std::vector<AggregationFile> files;
  if (!env.exists(dir)) return files;
  MILLRACE_ASSIGN(auto names, env.list_dir(dir));
  std::ranges::sort(names);
  for (const auto& name : names) {
    const Path path = dir / name;
    if (path.extension() != ".yaml" && path.extension() != ".yml") continue;  // the latter is refused later
    MILLRACE_ASSIGN(auto text, read_file(env, path, kAggregationBytesMax));
    files.push_back({path, std::move(text)});
  }
  return files;
}

/// What lies within the path of another set would go when that is made: keep such sets from being used.
void check_paths(ProjectTrainingSets& project, const Path& dir) {
  for (const TrainingSet& one : project.sets)
    for (const TrainingSet& other : project.sets)
      if (&one != &other && !one.path.empty() && !other.path.empty() &&
          (one.path + "/").starts_with(other.path + "/"))
        project.problems.emplace(
            one.name, Error{Code::kInvalid,
                            fmt::format("path: {} lies within {}, the path of {}: their files would be mixed",
                                        one.path, other.path, other.name),
                            (dir / (one.name + ".yaml")).string()});
  std::erase_if(project.sets, [&](const TrainingSet& set) { return project.problems.contains(set.name); });
}

}  // namespace

Result<Config> load_config(Env& env, const Path& file) {
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::load(env, file, YamlReferences::kExpand));
  Config config;
  const YamlMap root = yaml.root();
  std::string data = config.data.string();
  if (root.optional("data", data))
    config.data = Path(data).is_absolute() ? Path(data) : file.parent_path() / data;
  root.optional("listen", config.listen);
  read_server(root.map("server"), config);
  root.map("auth").optional("token", config.token);
  read_collect(root.map("collect"), config);
  read_log(root.map("log"), config);
  const YamlMap warehouse = root.map("warehouse");
  warehouse.optional_bytes("memory", config.warehouse_memory_bytes, 64 << 20);
  warehouse.optional_duration("load_interval", config.load_interval, 10 * kMillisecondUs, kMinuteUs);
  warehouse.optional("duplicate_ids_max", config.duplicate_ids_max, 1'000, 1'000'000'000);
  read_lake(root.map("lake"), config);
  read_windows(root.map("windows"), config);
  read_recommend(root.map("recommend"), config);
  root.map("features").optional_bytes("memory", config.features_memory_bytes, 1 << 20);
  read_vectors(root.map("vectors"), config);
  config.push_targets = read_targets(root.map("subscriptions"), "push_targets");
  config.function_targets = read_targets(root.map("flow"), "http_targets");
  Sources sources = read_sources(env, file.parent_path(), root.map("sources"));
  config.sources = std::move(sources.databases);
  config.apis = std::move(sources.apis);
  config.follow = read_followed_files(env, file.parent_path(), root.map("follow"));
  read_logging(root.map("logging"), config);
  MILLRACE_TRY(yaml.finish());
  MILLRACE_ASSIGN(config.aggregations, load_aggregations(env, file.parent_path() / "aggregations"));
  MILLRACE_ASSIGN(config.features, load_feature_views(env, file.parent_path() / "features"));
  MILLRACE_ASSIGN(config.contracts, load_contracts(env, file.parent_path() / "contracts"));
  config.models = std::filesystem::absolute(file.parent_path() / "models").lexically_normal();
  config.training_sets = std::filesystem::absolute(file.parent_path() / "training_sets").lexically_normal();
  config.sql_transforms = std::filesystem::absolute(file.parent_path() / "transforms").lexically_normal();
  return config;
}

Result<ProjectModels> load_models(Env& env, const Path& dir) {
  ProjectModels models;
  MILLRACE_TRY(each_yaml_file(env, dir, [&](const Path& path, const std::string& text) -> Status {
    if (is_pipeline(text)) return {};
    auto spec = parse_model_spec(text, path);
    if (spec)
      models.specs.push_back(*std::move(spec));
    else
      models.problems.emplace(path.stem().string(), std::move(spec).error());
    return {};
  }));
  return models;
}

Result<std::vector<PipelineSpec>> load_pipelines(Env& env, const Path& dir) {
  std::vector<PipelineSpec> pipelines;
  MILLRACE_TRY(each_yaml_file(env, dir, [&](const Path& path, const std::string& text) -> Status {
    if (!is_pipeline(text)) return {};
    MILLRACE_ASSIGN(pipelines.emplace_back(), parse_pipeline(text, path));
    return {};
  }));
  return pipelines;
}

Result<ProjectTrainingSets> load_training_sets(Env& env, const Path& dir,
                                               std::span<const FeatureView> views) {
  ProjectTrainingSets project;
  MILLRACE_TRY(each_yaml_file(env, dir, [&](const Path& path, const std::string& text) -> Status {
    auto set = parse_training_set(text, path, views);
    if (set)
      project.sets.push_back(*std::move(set));
    else
      project.problems.emplace(path.stem().string(), std::move(set).error());
    return {};
  }));
  check_paths(project, dir);
  return project;
}

Result<std::optional<std::vector<TransformFile>>> load_sql_transforms(Env& env, const Path& dir) {
  if (!env.exists(dir)) return std::nullopt;
  std::vector<TransformFile> files;
  MILLRACE_ASSIGN(auto names, env.list_dir(dir));
  std::ranges::sort(names);
  for (const auto& name : names) {
    const Path path = dir / name;
    if (path.extension() != ".sql") continue;
    MILLRACE_ASSIGN(auto text, read_file(env, path, kTransformBytesMax));
    files.push_back({path, std::move(text)});
  }
  return files;
}

Status check_config(const Config& config) {
  if (config.listen.find(':') == std::string::npos)
    return fail(Code::kInvalid,
                "listen takes HOST:PORT, such as 127.0.0.1:8080, not '" + config.listen + "'");
  // What a header can carry; a browser would send other letters in another encoding than they stand here.
  const auto is_visible = [](char c) { return c > ' ' && c < '\x7F'; };
  if (!std::ranges::all_of(config.token, is_visible))
    return fail(Code::kInvalid,
                "auth.token may hold letters, digits and signs of ASCII only, without blanks");
  if (!config.token.empty() || is_loopback_address(config.listen)) return {};
  return fail(Code::kDenied,
              "listening on " + config.listen +
                  " would let other machines in without a token; set auth.token in millrace.yaml "
                  "(for example to ${env:MILLRACE_TOKEN}), or listen on 127.0.0.1");
}

}  // namespace millrace
