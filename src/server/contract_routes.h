#pragma once

#include "base/env.h"
#include "event/codec.h"
#include "event/contracts.h"
#include "server/router.h"
#include "server/worker_pool.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What the routes of contracts use; all must outlive the router.
struct ContractTools {
  const Contracts& contracts;
  Warehouse& warehouse;
  BodyLimits limits;  ///< the collector's
  Env& env;
};

/// Serve GET /v1/contracts; POST /v1/contracts/check, which judges tables by them; and POST /v1/validate,
/// which says of a body what collecting it would: nothing is kept.
void add_contract_routes(Router& router, const ContractTools& tools, WorkerPool& long_workers);

}  // namespace millrace
