#include "server/feature_routes.h"

#include <limits>
#include <ranges>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/metrics.h"
#include "model/feature_parity.h"
#include "server/feature_request.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kEntitiesDefault = 1'000;

Json value_json(FeatureType type, const FeatureValue& value) {
  std::string text;
  JsonWriter writer(text);
  write_feature(writer, type, value);
  return Json::parse(text);
}

Json seconds(DurationUs duration) {
  return duration == 0 ? Json() : Json(static_cast<double>(duration) / kSecondUs);
}

Json feature_json(const FeatureView& view, const Feature& feature) {
  Json one = {{"name", feature.name},
              {"type", feature_type_sql(feature.type)},
              {"description", feature.description},
              {"value", view.flow ? flow_text(feature.flow) : feature.expression}};
  if (view.flow) one["window_s"] = seconds(feature.flow.window);
  return one;
}

/// What memory holds of a view now.
Json online_json(const FeatureStore::Shelf& shelf) {
  Json online = {{"entities", 0}, {"bytes", 0}, {"evicted", 0}};
  if (const auto flow = shelf.flow())
    online = {{"entities", flow->size()}, {"bytes", flow->bytes()}, {"evicted", flow->evicted()}};
  if (const auto table = shelf.table())
    online = {{"entities", table->rows.size()},
              {"bytes", table->bytes},
              {"evicted", table->left_out},
              {"read_time", format_time(table->at)}};
  if (const std::string problem = shelf.problem(); !problem.empty()) online["problem"] = problem;
  return online;
}

Json view_json(const FeatureStore::Shelf& shelf) {
  const FeatureView& view = *shelf.view;
  Json entities = Json::array(), features = Json::array();
  for (const auto& entity : view.entities) entities.push_back(entity.name);
  for (const Feature& feature : view.features) features.push_back(feature_json(view, feature));
  return {{"name", view.name},
          {"owner", view.owner},
          {"description", view.description},
          {"entities", entities},
          {"kind", view.flow ? "flow" : "table"},
          {"source", view.flow ? std::string(flow_table_name(*view.flow)) : view.from},
          {"max_age_s", seconds(view.max_age)},
          {"refresh_s", seconds(view.refresh)},
          {"features", features},
          {"online", online_json(shelf)}};
}

Json difference_json(const FeatureDifference& difference) {
  const auto side = [&](bool found, const FeatureValue& value) {
    return found ? value_json(difference.feature->type, value) : Json("NOT_FOUND");
  };
  Json key = Json::array();
  for (const auto part : std::views::split(difference.key, kEntityKeyBetween))
    key.push_back(std::string(part.begin(), part.end()));
  return {{"entity", key},
          {"feature", difference.feature->name},
          {"online", side(difference.online_found, difference.online)},
          {"offline", side(difference.offline_found, difference.offline)}};
}

struct ParityRequest {
  std::vector<const FeatureStore::Shelf*> shelves;
  std::size_t entities_max = kEntitiesDefault;
};

class FeatureRoutes {
 public:
  explicit FeatureRoutes(const FeatureSources& sources)
      : sources_(sources),
        seconds_(metrics::latency_seconds(
            "millrace_features_online_seconds",
            "From request to answer of POST /v1/features/online, without the network")) {}

  void online(const Exchange& exchange) {
    const DurationUs begin = sources_.env.steady_now();
    const auto request = parse_feature_request(sources_.store, exchange.request.body());
    if (!request) return exchange.send_error(request.error());
    exchange.send(HttpResponse::json(200, answer_features(*request, sources_.env.now())));
    seconds_.Observe(static_cast<double>(sources_.env.steady_now() - begin) / kSecondUs);
  }

  std::string list() const {
    Json views = Json::array();
    for (const auto& shelf : sources_.store.shelves()) views.push_back(view_json(*shelf));
    return json_text({{"views", views}});
  }

  Result<std::string> get(std::string_view view) const {
    MILLRACE_ASSIGN(const FeatureStore::Shelf* const shelf, sources_.store.find(view));
    Json one = view_json(*shelf);
    one["definition"] = shelf->view->text;
    return json_text(one);
  }

  Result<ParityRequest> parity_request(std::string_view body) const {
    const Json asked = body.empty() ? Json::object() : json_of_body(body);
    if (!asked.is_object())
      return fail(Code::kInvalid, R"(send {"view":"NAME","entities":1000}, or "all":true)");
    ParityRequest request;
    bool all = false;
    for (const auto& [name, value] : asked.items()) {
      if (name == "view" && value.is_string()) {
        MILLRACE_ASSIGN(request.shelves.emplace_back(), sources_.store.find(value.get<std::string>()));
      } else if (name == "entities" && value.is_number_unsigned()) {
        request.entities_max = value.get<std::size_t>();
      } else if (name == "all" && value.is_boolean()) {
        all = value.get<bool>();
      } else {
        return fail(Code::kInvalid, "takes view (a name), entities (how many) and all (true or false)", name);
      }
    }
    if (all) request.entities_max = std::numeric_limits<std::int64_t>::max();
    if (request.shelves.empty())
      for (const auto& shelf : sources_.store.shelves()) request.shelves.push_back(shelf.get());
    return request;
  }

  Result<std::string> parity(const ParityRequest& request) const {
    Json views = Json::array();
    std::uint64_t different = 0;
    for (const FeatureStore::Shelf* shelf : request.shelves) {
      MILLRACE_ASSIGN(const ViewParity parity,
                      check_parity(sources_.warehouse, sources_.flow, *shelf, request.entities_max));
      Json differences = Json::array();
      for (const auto& difference : parity.differences) differences.push_back(difference_json(difference));
      different += parity.different;
      views.push_back({{"view", shelf->view->name},
                       {"at", format_time(parity.at)},
                       {"entities", parity.entities},
                       {"values", parity.values},
                       {"different", parity.different},
                       {"differences", differences}});
    }
    return json_text({{"equal", different == 0}, {"views", views}});
  }

 private:
  const FeatureSources sources_;
  prometheus::Histogram& seconds_;
};

}  // namespace

void add_feature_routes(Router& router, const FeatureSources& sources, WorkerPool& long_workers) {
  const RouteRule rule{Access::kRead, false};
  const auto routes = std::make_shared<FeatureRoutes>(sources);
  router.add("POST", "/v1/features/online", rule,
             [routes](const auto& exchange) { routes->online(*exchange); });
  router.add("GET", "/v1/features", rule,
             [routes](const auto& exchange) { exchange->send(HttpResponse::json(200, routes->list())); });
  router.add("GET", "/v1/features/{view}", rule, [routes](const auto& exchange) {
    Result<std::string> text = routes->get(exchange->path_values.front());
    if (!text) return exchange->send_error(text.error());
    exchange->send(HttpResponse::json(200, *std::move(text)));
  });
  router.add("POST", "/v1/features/parity", rule,
             [routes, &long_workers](const std::shared_ptr<Exchange>& exchange) {
               auto request = routes->parity_request(exchange->request.body());
               if (!request) return exchange->send_error(request.error());
               const Status queued = long_workers.submit([routes, exchange, request = *std::move(request)] {
                 Result<std::string> text = routes->parity(request);
                 if (!text) return exchange->send_error(text.error());
                 exchange->send(HttpResponse::json(200, *std::move(text)));
               });
               if (!queued) exchange->send_error(queued.error());
             });
}

}  // namespace millrace
