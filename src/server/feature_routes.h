#pragma once

#include "base/env.h"
#include "model/feature_job.h"
#include "model/feature_store.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace millrace {

/// What the routes of features use; all must outlive the router.
struct FeatureSources {
  Env& env;
  Warehouse& warehouse;
  FeatureStore& store;
  FlowFeatureJob* flow = nullptr;  ///< none: the project has no views of the flow
};

/// Serve POST /v1/features/online (Feast's request and response; from memory, on the io thread), GET
/// /v1/features, GET /v1/features/{view} and POST /v1/features/parity.
void add_feature_routes(Router& router, const FeatureSources& sources, WorkerPool& long_workers);

}  // namespace millrace
