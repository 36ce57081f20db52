#pragma once

#include <functional>

#include "base/env.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "recommend/recommendation_log.h"
#include "recommend/recommender.h"
#include "server/collector.h"
#include "server/router.h"
#include "server/serving_stats.h"
#include "server/worker_pool.h"
#include "warehouse/query_service.h"

namespace millrace {

/// What Gorse's API is made of here; all of it must outlive the router.
struct GorseParts {
  const Recommender& recommender;
  RecommendationLog& answers;
  ServingStats& serving;
  Collector& collector;
  EventLog& log;
  QueryService& queries;
  WorkerPool& workers;
  Env& env;
  BodyLimits limits;              ///< of the collector
  std::function<Status()> ready;  ///< as for /readyz
};

/// Add /api/…, the HTTP API of Gorse, for programs written against it: docs/how-to/gorse.md. Errors are plain
/// text.
void add_gorse_routes(Router& router, const GorseParts& parts);

// Its pieces, each in a file of its own.
void add_gorse_catalogue_routes(Router& router, const GorseParts& parts);
void add_gorse_feedback_routes(Router& router, const GorseParts& parts);
void add_gorse_recommend_routes(Router& router, const GorseParts& parts);

}  // namespace millrace
