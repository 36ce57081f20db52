#pragma once

#include <functional>
#include <vector>

#include "recommend/pipeline_keeper.h"
#include "recommend/ranker_store.h"
#include "recommend/recommender.h"
#include "server/router.h"
#include "server/worker_pool.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What the routes of pipelines use; all must outlive the router.
struct PipelineSources {
  const Recommender& recommender;
  const PipelineKeeper& keeper;
  RankerStore& rankers;
  Warehouse& warehouse;
  std::function<Result<std::vector<PipelineSpec>>()> load;  ///< the project's, as its files are now
};

/// Serve GET /v1/pipelines, how each placement is answered; POST /v1/pipelines/{name}/train?use=, which
/// trains a ranker on what was chosen from answers, and uses it if it is better; DELETE
/// /v1/pipelines/{name}/ranker.
void add_pipeline_routes(Router& router, PipelineSources sources, WorkerPool& workers);

}  // namespace millrace
