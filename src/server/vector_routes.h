#pragma once

#include <string>

#include "base/env.h"
#include "server/router.h"
#include "server/worker_pool.h"
#include "vector/vector_sets.h"

namespace millrace {

/// Which sets the e-commerce system's own calls answer from.
struct VectorSeedSets {
  std::string items = "items";
  std::string users = "users";
};

/// What the routes of vectors use; all must outlive the router.
struct VectorSources {
  Env& env;
  VectorSets& sets;
  VectorSeedSets seed;
};

/// Serve GET /v1/vectors, PUT, GET, POST and DELETE /v1/vectors/{set}, GET and DELETE /v1/vectors/{set}/{id},
/// POST /v1/vectors/{set}/query (of one vector on the io thread) and …/rows; and the e-commerce system's own
/// POST /user_embeddings, POST /items_from_user and GET /items_from_item (E6).
void add_vector_routes(Router& router, const VectorSources& sources, WorkerPool& workers);

}  // namespace millrace
