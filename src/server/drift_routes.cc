#include "server/drift_routes.h"

#include <memory>

#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/long_work.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Json found_json(const ModelDrift& drift) {
  Json json = to_json(drift);
  json["text"] = to_text(drift);
  return json;
}

Json rule_json(const RetrainSpec& rule) {
  const auto seconds = [](DurationUs duration) { return static_cast<double>(duration) / kSecondUs; };
  return {{"words", to_text(rule)},
          {"every_s", seconds(rule.every)},
          {"on_drift", rule.on_drift},
          {"at_most_every_s", seconds(rule.at_most_every)},
          {"check_every_s", seconds(rule.check_every)},
          {"worse", rule.limits.worse},
          {"moved", rule.limits.moved}};
}

Result<ModelSpec> asked_spec(const DriftSources& sources, const Exchange& asked) {
  MILLRACE_ASSIGN(auto models, sources.load());
  return find_model_spec(std::move(models), asked.path_values.front());
}

Result<Json> last_found(const DriftSources& sources, const Exchange& asked) {
  MILLRACE_ASSIGN(const ModelSpec spec, asked_spec(sources, asked));
  const auto last = sources.board.last(spec.name);
  return Json{
      {"name", spec.name}, {"retrain", rule_json(spec.retrain)}, {"last", last ? found_json(*last) : Json()}};
}

void look(const DriftSources& sources, const Exchange& asked, const std::shared_ptr<ResponseStream>& stream) {
  do_long_work(sources.env, sources.one_at_a_time, "a training or evaluation", stream,
               [&](const auto* stop, const auto& say) -> Result<Json> {
                 MILLRACE_ASSIGN(const ModelSpec spec, asked_spec(sources, asked));
                 MILLRACE_ASSIGN(const ModelDrift found, sources.board.check(spec, stop, say));
                 return found_json(found);
               });
}

}  // namespace

void add_drift_routes(Router& router, DriftSources sources, WorkerPool& long_workers, WorkerPool& workers) {
  const auto shared = std::make_shared<const DriftSources>(std::move(sources));
  constexpr std::string_view kPattern = "/v1/models/{name}/drift";
  router.add("GET", kPattern, {Access::kRead, false},
             [shared, &workers](const std::shared_ptr<Exchange>& exchange) {
               const Status queued = workers.submit([shared, exchange] {
                 const Result<Json> json = last_found(*shared, *exchange);
                 if (!json) return exchange->send_error(json.error());
                 exchange->send(HttpResponse::json(200, json_text(*json)));
               });
               if (!queued) exchange->send_error(queued.error());
             });
  router.add(
      "POST", kPattern, {Access::kAdmin, false},
      [shared, &long_workers](const std::shared_ptr<Exchange>& exchange) {
        const Status queued = long_workers.submit(
            [shared, exchange] { look(*shared, *exchange, exchange->start_stream("application/x-ndjson")); });
        if (!queued)
          exchange->send_error(
              {Code::kOverloaded, "as much long work as may is waiting; try again when some is done", ""});
      });
}

}  // namespace millrace
