#include "server/gorse_routes.h"

#include "server/gorse_json.h"

namespace millrace {
namespace {

constexpr RouteRule kGorseHealth = {Access::kPublic, false};

HttpResponse gorse_health(const Status& ready) {
  const nlohmann::json error = ready ? nlohmann::json() : nlohmann::json(ready.error().message);
  const nlohmann::json body = {{"Ready", ready.has_value()},
                               {"DataStoreConnected", ready.has_value()},
                               {"DataStoreError", error},
                               {"CacheStoreConnected", ready.has_value()},
                               {"CacheStoreError", error}};
  return HttpResponse::json(ready ? 200 : 503, body.dump());
}

}  // namespace

void add_gorse_routes(Router& router, const GorseParts& parts) {
  add_gorse_feedback_routes(router, parts);
  add_gorse_recommend_routes(router, parts);
  add_gorse_catalogue_routes(router, parts);
  router.add("GET", "/api/health/live", kGorseHealth, [ready = parts.ready](const auto& exchange) {
    HttpResponse response = gorse_health(ready());
    response.status = 200;  // it answers, which is all that "live" says
    exchange->send(std::move(response));
  });
  router.add("GET", "/api/health/ready", kGorseHealth,
             [ready = parts.ready](const auto& exchange) { exchange->send(gorse_health(ready())); });
}

}  // namespace millrace
