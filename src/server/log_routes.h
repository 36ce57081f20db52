#pragma once

#include "server/log_streams.h"
#include "server/router.h"
#include "server/worker_pool.h"

namespace millrace {

/// Serve `GET /v1/logs` (pages, newest first) and `GET /v1/logs/stream`. All given must outlive the router.
void add_log_routes(Router& router, Env& env, const LogFiles& files, LogStreams& streams,
                    WorkerPool& workers);

/// Read which lines a query asks for: component, level, since, until, q, record. Times are ISO 8601, or how
/// long ago ("10m"). Errors: kInvalid.
Result<LogFilter> log_filter_of(const QueryParameters& query, TimeUs now);

}  // namespace millrace
