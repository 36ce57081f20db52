#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "model/drift_board.h"
#include "model/model_spec.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace millrace {

/// What the routes of drift use; all must outlive the router.
struct DriftSources {
  Env& env;
  DriftBoard& board;
  std::function<Result<ProjectModels>()> load;  ///< the project's models, as their files are now
  std::mutex& one_at_a_time;                    ///< held while a model is trained, judged or looked at
};

/// Serve GET /v1/models/{name}/drift, what was found last and when the model is trained again; and POST
/// …/drift, which looks now and answers JSON lines, the last one with what it found.
void add_drift_routes(Router& router, DriftSources sources, WorkerPool& long_workers, WorkerPool& workers);

}  // namespace millrace
