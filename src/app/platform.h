#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/env.h"
#include "base/log_files.h"
#include "base/result.h"
#include "event/contracts.h"
#include "lake/manifest.h"
#include "lake/object_store.h"
#include "log/segment_log.h"
#include "model/batch_recommendations.h"
#include "model/drift_board.h"
#include "model/feature_job.h"
#include "model/feature_store.h"
#include "model/model_keeper.h"
#include "model/model_registry.h"
#include "model/model_trainer.h"
#include "model/training_set_build.h"
#include "net/http_server.h"
#include "recommend/pipeline_keeper.h"
#include "recommend/ranker_keeper.h"
#include "recommend/ranker_store.h"
#include "recommend/recommend_job.h"
#include "recommend/recommendation_log.h"
#include "recommend/recommender.h"
#include "server/collector.h"
#include "server/dashboard.h"
#include "server/flow.h"
#include "server/log_streams.h"
#include "server/push_client.h"
#include "server/recommendation_streams.h"
#include "server/router.h"
#include "server/serving_stats.h"
#include "server/worker_pool.h"
#include "source/change_stream.h"
#include "source/extract.h"
#include "source/file_follower.h"
#include "source/http_streams.h"
#include "source/ingest.h"
#include "stream/archived_log.h"
#include "stream/back_pressure.h"
#include "stream/event_feed.h"
#include "stream/job.h"
#include "stream/load_job.h"
#include "stream/quarantine_desk.h"
#include "stream/replay.h"
#include "stream/source_notices.h"
#include "stream/subscription_engine.h"
#include "stream/table_job.h"
#include "vector/vector_sets.h"
#include "warehouse/query_service.h"
#include "warehouse/transforms.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Everything that runs in one process, put together: log, warehouse, jobs, recommender, HTTP. It owns the
/// data directory from `open` to its end:
///
///     DATA/VERSION               version of this layout
///     DATA/server.json           address and token of the running server, for commands (only its owner can
///     read) DATA/log/                  the event log DATA/warehouse/            the analysts' database
///     DATA/ingested.sqlite       files that were loaded
///     DATA/subscriptions.sqlite  subscriptions, and how far they are
///     DATA/transforms/           how far transforms in flight are
///     DATA/windows/              the state of windows that are published
///     DATA/lake/                 all events as files, for other programs to read
///     DATA/manifest.sqlite       which files of the lake count
///     DATA/recommender.snapshot  what the recommender remembers
///     DATA/streaming.json        how far streaming recommendations are
///     DATA/vectors/              sets of vectors
///     DATA/logs/                 what the process has to say
///
/// Threads: one at a time.
class Platform {
 public:
  enum class Listen {
    kNetwork,     ///< on config.listen and the Unix socket: `millrace up`
    kUnixSocket,  ///< on the Unix socket alone: a command that found no server running
  };

  /// Open the data directory, start the jobs and listen. Errors: kExists when another process owns the
  /// directory or the address; kInvalid for data of a newer version; kDenied; kNoSpace; kIo. A directory
  /// that was made for it is then removed again.
  static Result<std::unique_ptr<Platform>> open(Env& env, const Config& config, Listen listen);

  /// Stops at once when `stop` was not called.
  ~Platform();

  /// Stop accepting, answer what has begun, let the jobs finish what is logged, close. Takes `grace` at most
  /// for each of requests and jobs.
  void stop(DurationUs grace);

  /// "http://127.0.0.1:8080", or "" when listening on the Unix socket alone.
  std::string url() const;
  std::string unix_socket() const { return unix_socket_; }
  const std::string& admin_token() const { return admin_token_; }

  /// Return whether the tables can be used; when not, only a restart helps. Errors: kInternal. Threads: any.
  Status check_tables() const;

  /// Wait until the recommender has been rebuilt. Errors: kDeadline.
  Status wait_ready(DurationUs limit);

  /// Wait until the warehouse and the recommender have taken in all that is logged. Errors: kDeadline.
  Status wait_caught_up(DurationUs limit);

  Result<Books> books() const;
  const ServingStats& serving() const { return serving_; }
  const Collector& collector() const { return *collector_; }

 private:
  static constexpr std::size_t kWorkers = 4;  ///< threads that answer from the warehouse

  Platform(Env& env, const Config& config);

  Status open_all(Listen listen);
  Status open_data();
  Status open_stores();
  Status make_topics();
  void keep_logs();
  Status open_lake();
  BodyLimits collect_limits() const;
  Result<ProjectTrainingSets> training_set_files() const;
  Result<ProjectModels> model_files() const;
  Result<std::vector<PipelineSpec>> pipeline_files() const;
  Status open_models();
  Status open_pipelines();
  Result<std::string> training_set_manifest_of(const std::string& name) const;
  void make_sql_transforms();
  void start_jobs();
  Status start_streaming();
  Status start_transforms();
  Status start_windows();
  void start_tables();
  void start_features();
  std::optional<JobPosition> loaded() const;
  Status open_server(Listen listen);
  Status write_server_file();
  Status ready() const;

  Env& env_;
  const Config config_;
  BackPressure pressure_;
  std::string admin_token_;
  std::string unix_socket_;
  ServingStats serving_;

  // In the order in which they depend on one another.
  std::shared_ptr<LogFiles> log_files_;  ///< the log's sink holds it too
  struct SinkGuard {
    ~SinkGuard();
  };
  std::unique_ptr<SinkGuard> sink_guard_;       ///< takes the sink away, after all that log are gone
  std::unique_ptr<Contracts> contracts_;        ///< that what comes in is held to
  std::unique_ptr<Contracts> quiet_contracts_;  ///< the same, which counts nothing and stops nobody
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<Warehouse> warehouse_;
  std::unique_ptr<QueryService> queries_;    ///< people's SQL, two at once
  std::unique_ptr<QueryService> catalogue_;  ///< the catalogue's own small questions, beside them
  std::unique_ptr<ObjectStore> lake_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<ArchivedLog> archived_log_;  ///< the log, and below its start the lake
  std::unique_ptr<EventFeed> feed_;
  std::unique_ptr<SourceNotices> notices_;
  std::unique_ptr<Collector> collector_;
  std::unique_ptr<Recommender> recommender_;
  std::unique_ptr<RecommendationLog> answers_;
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<FileFollower> follower_;
  std::unique_ptr<HttpPushTargets> push_targets_;
  std::unique_ptr<SubscriptionEngine> subscriptions_;
  std::unique_ptr<Replays> replays_;
  std::unique_ptr<QuarantineDesk> quarantine_;
  std::unique_ptr<TrainingSetBuilder> training_sets_;
  std::unique_ptr<ModelRegistry> models_;
  std::mutex model_turn_;  ///< held while a model is trained, judged, searched or looked at
  std::unique_ptr<ModelTrainer> trainer_;
  std::unique_ptr<DriftBoard> drift_;
  std::unique_ptr<BatchRecommendations> batch_;
  std::unique_ptr<Transforms> sql_transforms_;
  std::unique_ptr<RecommendationStreams> streams_;
  std::unique_ptr<JobRunner> jobs_;
  std::unique_ptr<JobRunner> streaming_;  ///< apart, as all below; asks the job `recommend`, so ends before
  std::unique_ptr<JobRunner>
      transforms_;                      ///< apart, since one that waits for its endpoint turns no events away
  std::unique_ptr<JobRunner> windows_;  ///< apart likewise; asks the load job how far it is, so ends before
  std::stop_source orders_stop_;        ///< of the job `orders`
  std::unique_ptr<JobRunner> tables_;   ///< apart likewise
  std::unique_ptr<FeatureStore> features_;
  std::unique_ptr<JobRunner> feature_jobs_;  ///< apart likewise
  std::unique_ptr<VectorSets> vectors_;
  SourceTurns source_turns_;
  std::unique_ptr<Extracts> extracts_;
  std::unique_ptr<ChangeStreams> change_streams_;
  std::unique_ptr<HttpStreams> http_streams_;
  TableJob* table_job_ = nullptr;            ///< owned by tables_
  FlowFeatureJob* flow_features_ = nullptr;  ///< owned by feature_jobs_; none: no views of the flow
  LoadJob* load_job_ = nullptr;              ///< owned by jobs_
  RecommendJob* recommend_job_ = nullptr;    ///< owned by jobs_
  std::unique_ptr<ModelKeeper> model_keeper_;
  std::unique_ptr<RankerStore> rankers_;
  std::unique_ptr<RankerKeeper> ranker_keeper_;
  std::unique_ptr<PipelineKeeper> pipelines_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<WorkerPool> ingest_workers_;
  std::unique_ptr<Dashboard> dashboard_;
  std::unique_ptr<Flow> flow_;
  std::unique_ptr<LogStreams> log_streams_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<HttpServer> server_;
  std::vector<Path> made_;  ///< the data directory and its parents, as far as they were not there before
  bool stopped_ = false;
};

}  // namespace millrace
