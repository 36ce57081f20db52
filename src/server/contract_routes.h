#pragma once

#include "base/env.h"
#include "event/codec.h"
#include "event/contracts.h"
#include "server/router.h"

namespace millrace {

/// Serve GET /v1/contracts, and POST /v1/validate, which says of a body what collecting it would: nothing is
/// kept. `limits` are the collector's. All must outlive the router.
void add_contract_routes(Router& router, const Contracts& contracts, BodyLimits limits, Env& env);

}  // namespace millrace
