#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "stream/replay.h"

namespace millrace {

/// Add, for those who administrate (stream/replay.h):
///
///   POST /v1/replays {"from","to","job","into"}   JSON lines: {"progress":{"offsets_done","offsets_total",
///       "records","records_per_second"}} ten times a second at most and every ten seconds at least, and last
///       {"result":{"records","rows","into", "replaced","files"}} or {"error":{"code","message"}}. Hanging up
///       stops it; the same request goes on, or into main begins anew.
///   GET /v1/replays {"replays":[{"schema","from","rows","running","position"}]},
///       `position` by "topic/partition"
///   DELETE /v1/replays/{schema}                   {"dropped"}
///
/// `long_workers` run replays, `workers` the rest. All must outlive the router.
void add_replay_routes(Router& router, Replays& replays, WorkerPool& long_workers, WorkerPool& workers);

}  // namespace millrace
