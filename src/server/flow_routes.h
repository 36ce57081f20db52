#pragma once

#include "log/event_log.h"
#include "server/flow.h"
#include "server/router.h"
#include "server/worker_pool.h"
#include "stream/load_job.h"
#include "warehouse/query_service.h"

namespace millrace {

/// What says where a record is and what became of it.
struct RecordSources {
  const EventLog& log;
  QueryService& queries;
  std::function<LoadPosition()> loaded;
};

/// Serve `GET /v1/flow`, `GET /v1/flow/stream`, `GET /v1/records/{record}` and `GET /v1/records?message_id=`.
/// All given must outlive the router.
void add_flow_routes(Router& router, Flow& flow, RecordSources records, WorkerPool& workers);

}  // namespace millrace
