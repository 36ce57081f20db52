#pragma once

#include "server/router.h"
#include "stream/subscription_engine.h"

namespace millrace {

/// Add subscriptions of topics (docs/how-to/subscriptions.md):
///   GET    /v1/subscriptions                       all, with their settings and counts
///   PUT    /v1/subscriptions/{name}                make one, or change its settings
///   GET    /v1/subscriptions/{name}
///   DELETE /v1/subscriptions/{name}
///   POST   /v1/subscriptions/{name}/pull           {"max":10,"wait_ms":0}: messages with their ack_ids
///   POST   /v1/subscriptions/{name}/ack            {"ack_ids":[…]}: durable when it answers
///   POST   /v1/subscriptions/{name}/nack           {"ack_ids":[…],"delay_ms":…}
///   POST   /v1/subscriptions/{name}/extend         {"ack_ids":[…],"deadline_s":…}
///   POST   /v1/subscriptions/{name}/seek           {"time":"…"} or {"offset":n,"partition":p}
///   POST   /v1/subscriptions/{name}/replay         deliver its dead letters again
/// All arguments must outlive the router.
void add_subscription_routes(Router& router, SubscriptionEngine& engine);

}  // namespace millrace
