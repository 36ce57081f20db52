#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "stream/quarantine_desk.h"

namespace millrace {

/// Serve GET /v1/quarantine and /v1/quarantine/groups, POST /v1/quarantine/try, /replay, /drop and /reopen:
/// docs/how-to/quarantine.md. All must outlive `router`.
void add_quarantine_routes(Router& router, QuarantineDesk& desk, Env& env, WorkerPool& workers);

}  // namespace millrace
