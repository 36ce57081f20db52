#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "source/ingest.h"

namespace millrace {

/// Add POST /v1/ingest {"format","files":[paths on this machine],"map","source","again"}, for the commands of
/// this machine. Answers JSON lines: {"progress":{"file","bytes_done","bytes_total","rows","events",
/// "quarantined","rows_per_second"}} about ten times a second, and last {"result":{"rows","events",
/// "quarantined","skipped_files","failed_files","files":[{"file","source","rows","events","quarantined",
/// "skipped","error"}]}} or {"error":{"code","message"}}. Hanging up cancels it.
/// All arguments must outlive the router.
void add_ingest_routes(Router& router, Ingest& ingest, WorkerPool& ingests);

}  // namespace millrace
