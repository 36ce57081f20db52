#include "server/ops_routes.h"

#include "base/metrics.h"
#include "server/openapi.h"

namespace millrace {

void add_ops_routes(Router& router, std::function<Status()> ready) {
  constexpr RouteRule kHealth = {Access::kPublic, false};
  router.add("GET", "/healthz", kHealth,
             [](const auto& exchange) { exchange->send(HttpResponse::json(200, R"({"status":"ok"})")); });
  router.add("GET", "/readyz", kHealth, [ready = std::move(ready)](const auto& exchange) {
    if (const Status status = ready(); !status) {
      HttpResponse response = HttpResponse::error(503, "not_ready", status.error().message);
      response.headers.push_back({"Retry-After", "1"});
      return exchange->send(std::move(response));
    }
    exchange->send(HttpResponse::json(200, R"({"status":"ready"})"));
  });
  router.add("GET", "/metrics", {Access::kRead, false}, [](const auto& exchange) {
    HttpResponse response = HttpResponse::text(200, metrics::render());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    exchange->send(std::move(response));
  });
  router.add("GET", "/openapi.json", {Access::kPublic, false},
             [](const auto& exchange) { exchange->send(HttpResponse::json(200, std::string(kOpenApi))); });
}

}  // namespace millrace
