#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "stream/replay.h"

namespace millrace {

/// Add POST /v1/replays {"from","job","into"} (stream/replay.h), for those who administrate. Answers JSON
/// lines:
/// {"progress":{"offsets_done","offsets_total","records","records_per_second"}} about ten times a second, and
/// last
/// {"result":{"records","rows","into"}} or {"error":{"code","message"}}. Hanging up stops it; the same
/// request goes on. `workers` run it. All must outlive the router.
void add_replay_routes(Router& router, Replays& replays, WorkerPool& workers);

}  // namespace millrace
