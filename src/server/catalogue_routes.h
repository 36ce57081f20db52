#pragma once

#include "base/env.h"
#include "log/event_log.h"
#include "server/router.h"
#include "server/worker_pool.h"
#include "warehouse/query_service.h"

namespace millrace {

/// Add PUT and DELETE of /v1/items and /v1/users: with an id in the path one object, without one an array of
/// objects each with an `id` (PUT), or {"ids":[…]} (DELETE). Answers {"success":true,"accepted":n} once
/// durable. Also GET /v1/items/{id}, and GET /v1/items?category=&n=&cursor= for browsing. All arguments must
/// outlive the router.
void add_catalogue_routes(Router& router, EventLog& log, QueryService& queries, WorkerPool& workers,
                          Env& env);

}  // namespace millrace
