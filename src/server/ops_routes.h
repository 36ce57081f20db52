#pragma once

#include <functional>

#include "server/router.h"

namespace millrace {

/// Add GET /healthz (the process answers), GET /readyz (200 once `ready` says so, else 503 with the reason),
/// GET /metrics (Prometheus text) and GET /openapi.json.
void add_ops_routes(Router& router, std::function<Status()> ready);

}  // namespace millrace
