#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "warehouse/transforms.h"

namespace millrace {

/// Add, for those who administrate (warehouse/transforms.h):
///
///   POST /v1/transforms/run {"select":["NAME+"],"full":bool,"from","to"}   JSON lines: {"progress":{"name",
///       "intervals_done","intervals_total"}} as they come, a line every ten seconds at least, and last
///       {"result":{"transforms":[{"name","state","intervals","rows","seconds","error"}],"notes":[…]}} or
///       {"error":{"code","message"}}. Hanging up stops it; what is filled stays.
///   GET /v1/transforms
///   {"transforms":[{"name","description","table","interval_seconds","needs","version","state",
///       "rows","last_run","seconds","filled","stale","filled_from","filled_to","error"}]}, in the order in
///       which they run
///
///   GET /v1/transforms/page                       Markdown on the tables that they make
///
/// `long_workers` run transforms, `workers` the rest. All must outlive the router.
void add_transform_routes(Router& router, Transforms& transforms, WorkerPool& long_workers,
                          WorkerPool& workers);

}  // namespace millrace
