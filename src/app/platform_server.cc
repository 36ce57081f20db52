#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/platform.h"
#include "app/version.h"
#include "base/logging.h"
#include "server/catalogue_routes.h"
#include "server/collect_routes.h"
#include "server/contract_routes.h"
#include "server/dashboard_routes.h"
#include "server/drift_routes.h"
#include "server/extract_routes.h"
#include "server/feature_routes.h"
#include "server/flow_routes.h"
#include "server/gorse_routes.h"
#include "server/ingest_routes.h"
#include "server/log_routes.h"
#include "server/model_routes.h"
#include "server/notice_routes.h"
#include "server/ops_routes.h"
#include "server/pipeline_routes.h"
#include "server/quarantine_routes.h"
#include "server/query_routes.h"
#include "server/recommend_routes.h"
#include "server/replay_routes.h"
#include "server/subscription_routes.h"
#include "server/topic_routes.h"
#include "server/training_set_routes.h"
#include "server/transform_routes.h"
#include "server/vector_routes.h"

namespace millrace {
namespace {

constexpr std::size_t kWorkerQueueMax = 64;
constexpr std::size_t kIngestWorkers = 2;  // of their own: an ingest may take minutes
constexpr std::size_t kIngestQueueMax = 8;
constexpr int kIngestNiceness = 10;  // as the loader, which it would else outrun
constexpr std::size_t kMessageBytesMax = 15 << 20;  // a record of the log holds 16 MiB
constexpr std::size_t kCatalogueBytesMax = 16 << 20;
constexpr std::size_t kVectorBytesMax = 32 << 20;

/// Topics take any bytes as they are; catalogues come in larger pieces than events.
HttpBodyLimits body_limits(std::string_view path, std::size_t events_bytes_max) {
  HttpBodyLimits limits;
  limits.wire_bytes_max = events_bytes_max;
  if (path.starts_with("/v1/topics/")) {
    limits.wire_bytes_max = kMessageBytesMax;
    limits.sniff_gzip = false;
  }
  if (path.starts_with("/v1/vectors/") && !path.ends_with("/query")) limits.wire_bytes_max = kVectorBytesMax;
  for (const char* catalogue : {"/v1/items", "/v1/users", "/api/items", "/api/users", "/api/feedback"})
    if (path == catalogue) limits.wire_bytes_max = kCatalogueBytesMax;
  return limits;
}

}  // namespace

Status Platform::open_server(Listen listen) {
  workers_ = std::make_unique<WorkerPool>("worker", kWorkers, kWorkerQueueMax);
  ingest_workers_ = std::make_unique<WorkerPool>("ingest", kIngestWorkers, kIngestQueueMax, kIngestNiceness);
  dashboard_ = std::make_unique<Dashboard>(
      Dashboard::Sources{env_, *warehouse_, serving_, [this] { return books(); }, std::string(kVersion)});
  flow_ = std::make_unique<Flow>(
      Flow::Sources{env_, *log_, *subscriptions_, *catalogue_, [this] { return books(); }});
  log_streams_ = std::make_unique<LogStreams>(env_, *log_files_);
  router_ = std::make_unique<Router>(
      AccessPolicy({config_.token, admin_token_, config_.write_keys, config_.hosts}));
  add_collect_routes(*router_, *collector_, env_);
  BodyLimits validated = config_.collect_limits;
  validated.contracts = quiet_contracts_.get();
  add_contract_routes(*router_, {*contracts_, *warehouse_, validated, env_}, *ingest_workers_);
  add_catalogue_routes(*router_, *log_, *catalogue_, *workers_, env_);
  add_recommend_routes(*router_, *recommender_, *answers_, serving_, *streams_);
  add_pipeline_routes(
      *router_, {*recommender_, *pipelines_, *rankers_, *warehouse_, [this] { return pipeline_files(); }},
      *workers_);
  add_query_routes(*router_, *queries_, *workers_);
  add_topic_routes(*router_, *log_, env_);
  add_subscription_routes(*router_, *subscriptions_);
  add_ingest_routes(*router_, *ingest_, *ingest_workers_);
  add_quarantine_routes(*router_, *quarantine_, env_, *workers_);
  const TableLag lag{env_, *log_, [this] { return load_job_->position().next; }};
  add_training_set_routes(*router_,
                          {*training_sets_, *lake_, *warehouse_, config_.data / "lake",
                           [this] { return training_set_files(); }, lag},
                          *ingest_workers_, *workers_);
  const auto models = [this] { return model_files(); };
  add_model_routes(*router_,
                   {env_, *trainer_, *models_, *batch_, config_.data / "models", models, model_turn_, lag},
                   *ingest_workers_, *workers_);
  add_drift_routes(*router_, {env_, *drift_, models, model_turn_}, *ingest_workers_, *workers_);
  add_feature_routes(*router_, {env_, *warehouse_, *features_, flow_features_}, *ingest_workers_);
  add_vector_routes(*router_, {env_, *vectors_, config_.vector_sets}, *workers_);
  add_extract_routes(*router_, {*extracts_, *change_streams_, *http_streams_}, *ingest_workers_, *workers_);
  add_replay_routes(*router_, *replays_, *ingest_workers_, *workers_);
  add_transform_routes(*router_, *sql_transforms_, *ingest_workers_, *workers_);
  add_dashboard_routes(*router_, *dashboard_, *workers_);
  add_flow_routes(*router_, *flow_, {*log_, *catalogue_, [this] { return load_job_->position(); }},
                  *workers_);
  add_log_routes(*router_, env_, *log_files_, *log_streams_, *workers_);
  add_notice_routes(*router_, *notices_, *workers_);
  add_ops_routes(*router_, [this] { return ready(); });
  add_gorse_routes(*router_, {*recommender_, *answers_, serving_, *collector_, *log_, *catalogue_, *workers_,
                              env_, config_.collect_limits, [this] { return ready(); }});
  for (const std::string& route : router_->served())
    log_line(LogLevel::kDebug, "server", "serves", {field("route", route)});

  HttpServerOptions options;
  options.listen.clear();
  if (listen == Listen::kNetwork) options.listen.push_back(config_.listen);
  options.unix_socket = unix_socket_;
  options.threads = config_.http_threads;
  options.connections_max = config_.connections_max;
  options.request_timeout = config_.request_timeout;
  options.body_limits.wire_bytes_max = config_.body_bytes_max;
  options.body_limits_for = [this](std::string_view, std::string_view path) {
    return body_limits(path, config_.body_bytes_max);
  };
  MILLRACE_ASSIGN(server_,
                  HttpServer::open(std::move(options), [this](HttpRequest&& request, Responder responder) {
                    router_->handle(std::move(request), std::move(responder));
                  }));
  return {};
}

std::string Platform::url() const {
  return server_->addresses().empty() ? "" : "http://" + server_->addresses().front();
}

Status Platform::write_server_file() {
  const nlohmann::json file = {{"url", url()},
                               {"socket", unix_socket_},
                               {"token", admin_token_},
                               {"pid", getpid()},
                               {"version", kVersion}};
  const Path path = config_.data / "server.json";
  return write_file_atomically(env_, path, file.dump() + "\n", OpenMode::kCreatePrivate);
}

}  // namespace millrace
