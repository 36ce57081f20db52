#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "model/batch_recommendations.h"
#include "model/model_registry.h"
#include "model/model_spec.h"
#include "model/model_trainer.h"
#include "server/router.h"
#include "server/table_wait.h"
#include "server/worker_pool.h"

namespace millrace {

/// What the routes of models use; all must outlive the router.
struct ModelSources {
  Env& env;
  ModelTrainer& trainer;
  ModelRegistry& registry;
  BatchRecommendations& batch;
  Path dir;                                     ///< of the registry
  std::function<Result<ProjectModels>()> load;  ///< the project's, as its files are now
  std::mutex& one_at_a_time;                    ///< held while a model is trained, judged or searched
  TableLag lag;
};

/// Serve GET /v1/models and /v1/models/{name}; POST …/train, …/evaluate and …/tune, which answer JSON lines,
/// the last one with the result, and of which one runs at a time; POST …/deploy, …/rollback and …/retire; GET
/// and DELETE …/versions/{version}, GET its files and …/report, its evaluation as a page; POST …/import of
/// files on this machine, which answers as …/train does; GET and POST …/recommendations for a person, and
/// POST …/vectors. Also POST /v1/batch-recommendations/{set}?model=&n=, which makes the lists of everyone,
/// GET /v1/batch-recommendations and GET /v1/batch-recommendations/{set}/{user}.
void add_model_routes(Router& router, ModelSources sources, WorkerPool& long_workers, WorkerPool& workers);

}  // namespace millrace
