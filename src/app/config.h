#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/transforms.h"
#include "base/env.h"
#include "base/logging.h"
#include "event/codec.h"
#include "event/contract.h"
#include "log/event_log.h"
#include "model/feature_view.h"
#include "model/model_spec.h"
#include "model/training_set.h"
#include "recommend/pipeline_spec.h"
#include "recommend/settings.h"
#include "recommend/streaming_job.h"
#include "server/push_client.h"
#include "server/vector_routes.h"
#include "source/file_follower.h"
#include "source/http_source.h"
#include "source/mysql_source.h"
#include "stream/archive_job.h"
#include "stream/curate_job.h"
#include "stream/window_state.h"
#include "vector/vector_sets.h"
#include "warehouse/aggregation.h"
#include "warehouse/transform.h"

namespace millrace {

/// Everything `millrace.yaml` can say, with what holds when it says nothing. docs/configuration.md lists the
/// keys; the two change together.
struct Config {
  Path data = "millrace-data";
  std::string listen = "127.0.0.1:8080";

  int http_threads = 2;
  std::vector<std::string> hosts;  ///< names that may stand in `Host`, beside loopback and IP addresses
  std::size_t connections_max = 20'000;
  DurationUs request_timeout = 30 * kSecondUs;

  std::string token;                              ///< auth.token
  std::map<std::string, std::string> write_keys;  ///< key → source
  BodyLimits collect_limits;
  std::uint64_t lag_records_max = 0;  ///< collect.lag_records_max; 0: no limit but log.bytes_hard
  std::size_t body_bytes_max = 1'000'000;

  TopicConfig events_topic;                        ///< without its partitions
  std::optional<std::uint32_t> events_partitions;  ///< none: as many as it has, 1 when it is new
  std::uint64_t warehouse_memory_bytes = 512ull << 20;
  DurationUs load_interval = 250 * kMillisecondUs;
  /// Of the project's folder `aggregations`; none without a project, when those of before are kept.
  std::optional<std::vector<AggregationFile>> aggregations;
  std::vector<Contract> contracts;    ///< of the project's folder `contracts`
  std::optional<Path> models;         ///< the project's folder, read when one is trained; none: no project
  std::optional<Path> training_sets;  ///< the project's folder, read when a set is made; none: no project
  std::vector<FeatureView> features;  ///< of the project's folder `features`
  std::uint64_t features_memory_bytes = 256 << 20;  ///< features.memory
  /// The project's folder `transforms`, which each run reads anew; none without a project.
  std::optional<Path> sql_transforms;
  std::uint64_t duplicate_ids_max = 50'000'000;

  bool archive = true;  ///< lake.archive: write all events to DATA/lake
  ArchiveJobOptions lake;
  bool curated = true;  ///< lake.curated: write closed hours of the tables of facts to DATA/lake
  CurateJobOptions curate;

  ModelSettings model;
  RecommenderLimits recommender;
  DurationUs recommender_snapshot_interval = 10 * kMinuteUs;  ///< recommend.snapshot_interval; 0: none
  std::size_t answers_queue_max =
      10'000;                   ///< answers waiting to be logged; beyond it they are counted and dropped
  StreamingSettings streaming;  ///< recommend.streaming

  WindowStateOptions windows;  ///< of aggregations that are published

  VectorSets::Options vectors;
  VectorSeedSets vector_sets;  ///< vectors.items, vectors.users

  std::vector<PushTarget> push_targets;  ///< where subscriptions may push to; none: nowhere

  std::vector<PushTarget> function_targets;  ///< flow.http_targets: where transforms may call; none: nowhere
  std::optional<std::vector<InFlightTransform>>
      transforms;  ///< of the project's in_flight/; none: no project

  std::vector<MysqlSource> sources;  ///< databases that may be read
  std::vector<HttpSource> apis;      ///< APIs whose items come in by themselves

  std::vector<FollowedFile> follow;  ///< files that grow, whose lines come in by themselves

  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
  std::uint64_t log_keep_bytes = 64 << 20;  ///< logging.keep: of lines in DATA/logs
};

/// Read `file` over the defaults, and the aggregations beside it. Errors: kNotFound; kInvalid, all mistakes
/// at once, each with file and line.
Result<Config> load_config(Env& env, const Path& file);

/// Read the models of a project's folder, which need not be there; files with mistakes are among its
/// `problems`. Errors: those of Env.
Result<ProjectModels> load_models(Env& env, const Path& dir);

/// Read the files of the same folder that are pipelines, in the order of their names. Errors: kInvalid; those
/// of reading files.
Result<std::vector<PipelineSpec>> load_pipelines(Env& env, const Path& dir);

/// Read the training sets of a project's folder, which may name its `views`; none when there is no such
/// folder. Files with mistakes, or whose path lies within another's, are among the `problems`. Errors: those
/// of Env.
Result<ProjectTrainingSets> load_training_sets(Env& env, const Path& dir, std::span<const FeatureView> views);

/// Read the files of a project's folder `transforms`, in the order of their names. Without such a folder
/// nothing is known of them, which is not the same as having none. Errors: those of reading.
Result<std::optional<std::vector<TransformFile>>> load_sql_transforms(Env& env, const Path& dir);

/// Refuse what would be unsafe: listening beyond this machine without a token. Errors: kDenied with the
/// remedy.
Status check_config(const Config& config);

}  // namespace millrace
