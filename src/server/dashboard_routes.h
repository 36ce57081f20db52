#pragma once

#include "server/dashboard.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace millrace {

/// Add GET /v1/dashboard?window=, GET /v1/dashboard/stream?window= (server-sent events), the dashboard's own
/// files for every path that no route has, and GET /login?token=, which puts the token into a cookie for the
/// pages of a server that asks for one. All arguments must outlive the router.
void add_dashboard_routes(Router& router, Dashboard& dashboard, WorkerPool& workers);

}  // namespace millrace
