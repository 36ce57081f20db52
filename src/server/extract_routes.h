#pragma once

#include "server/router.h"
#include "server/worker_pool.h"
#include "source/change_stream.h"
#include "source/extract.h"
#include "source/http_streams.h"

namespace millrace {

/// What reads sources.
struct SourceTools {
  Extracts& extracts;
  const ChangeStreams& changes;
  const HttpStreams& apis;
};

/// Add, for those who administrate (source/extract.h):
///
///   POST /v1/extracts {"source","tables":[…],"incremental","restart"}   JSON lines: {"progress":{"table",
///       "rows","rows_total","bytes","rows_per_second","loading"}} about five times a second, and last
///       {"result":{"rows","bytes","position","failed_tables","tables":[{"table","mode","rows","rejected",
///       "error"}]}} or {"error":{"code","message"}}. Hanging up stops it; the same request goes on.
///   GET /v1/extracts
///   {"sources":[{"source","kind":"mysql|http","address","running","tables":[{"table","rows","rejected","cursor",
///       "position","loaded_time","unfinished_rows"}],
///       "follow":{"state":"starting|snapshot|streaming|waiting|stopped","position","commit_time","seen_time","idle",
///       "error","failing_since","problems":{"TABLE":"…"}}}]}   follow: of those that are followed
///
/// `long_workers` run extractions, `workers` the rest. All must outlive the router.
void add_extract_routes(Router& router, const SourceTools& tools, WorkerPool& long_workers,
                        WorkerPool& workers);

}  // namespace millrace
