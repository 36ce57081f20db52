#pragma once

#include "base/env.h"
#include "log/event_log.h"
#include "server/collector.h"
#include "server/router.h"

namespace millrace {

/// Add the routes producers send to: Segment's family (also analytics-next's short ones), CloudEvents and
/// native events, visits, activity, GA4, Pub/Sub push. Answers 200 {"success":true,"accepted":n,
/// "quarantined":n} once everything is durable. All arguments must outlive the router.
void add_collect_routes(Router& router, Collector& collector, Env& env);

}  // namespace millrace
