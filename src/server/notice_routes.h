#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "stream/source_notices.h"

namespace millrace {

/// Serve GET and POST /v1/sources/{source}/notices, and POST /v1/sources/{source}/resume. `notices` must
/// outlive the router.
void add_notice_routes(Router& router, SourceNotices& notices, WorkerPool& workers);

}  // namespace millrace
