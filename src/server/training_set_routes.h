#pragma once

#include <functional>
#include <vector>

#include "lake/object_store.h"
#include "model/training_set_build.h"
#include "server/router.h"
#include "server/table_wait.h"
#include "server/worker_pool.h"

namespace millrace {

/// What the routes of training sets use; all must outlive the router.
struct TrainingSetSources {
  TrainingSetBuilder& builder;
  const ObjectStore& lake;
  Warehouse& warehouse;
  Path lake_dir;                                      ///< where the objects of `lake` are
  std::function<Result<ProjectTrainingSets>()> load;  ///< the project's, as its files are now
  TableLag lag;
};

/// Serve GET /v1/training-sets, GET /v1/training-sets/{name} (the manifest), GET
/// /v1/training-sets/{name}/rows (JSON lines) and POST
/// /v1/training-sets/{name}, which makes it and answers JSON lines, the last one with the result. One is made
/// at a time.
void add_training_set_routes(Router& router, TrainingSetSources sources, WorkerPool& long_workers,
                             WorkerPool& workers);

}  // namespace millrace
