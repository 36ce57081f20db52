#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "warehouse/query_service.h"

namespace millrace {

/// Add POST /v1/sql {"query":"SELECT …","rows_max":1000,"timeout_ms":5000}; the answer is
/// QueryService::run's. All arguments must outlive the router.
void add_query_routes(Router& router, QueryService& queries, WorkerPool& workers);

}  // namespace millrace
