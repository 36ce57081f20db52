#include "server/pipeline_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Json pipeline_json(const Pipeline& pipeline) {
  Json sources = Json::array();
  for (std::size_t number = 0; number < kBuiltInSources + pipeline.models.size(); ++number) {
    if (pipeline.weights[number] <= 0) continue;
    const auto source = static_cast<CandidateSource>(number);
    Json one{{"name", pipeline.source_name(source)}, {"weight", pipeline.weights[number]}};
    if (source >= CandidateSource::kModel) {
      const ModelSource& model = *pipeline.models[number - kBuiltInSources];
      one["model"] = model.model().name + "@" + model.model().version;
      one["how"] = model.description();
    }
    sources.push_back(std::move(one));
  }
  Json promotions = Json::array();
  for (const Promotion& promotion : pipeline.promotions) promotions.push_back(promotion.name);
  return {{"model", pipeline.name},
          {"sources", std::move(sources)},
          {"absent", pipeline.absent},
          {"surplus", pipeline.surplus},
          {"promotions", std::move(promotions)},
          {"filter", pipeline.filter.text()},
          {"deadline_ms", pipeline.settings.deadline / kMillisecondUs},
          {"ranker", pipeline.ranker ? Json(pipeline.ranker->version) : Json()}};
}

/// How each placement is answered now, and what keeps it from being answered as the files say.
Result<Json> show(const PipelineSources& sources, const Exchange&) {
  const auto set = sources.recommender.pipelines();
  Json placements = Json::object();
  for (const Placement placement :
       {Placement::kHome, Placement::kItem, Placement::kCart, Placement::kCheckout})
    placements[std::string(placement_name(placement))] = pipeline_json(set->of(placement));
  Json problems = Json::array();
  for (const auto& [about, why] : sources.keeper.problems())
    problems.push_back({{"about", about}, {"why", why}});
  return Json{{"placements", std::move(placements)}, {"problems", std::move(problems)}};
}

Result<PipelineSpec> asked_pipeline(const PipelineSources& sources, const Exchange& asked) {
  const std::string& name = asked.path_values.front();
  MILLRACE_ASSIGN(auto specs, sources.load());
  std::vector<std::string> names;
  for (PipelineSpec& spec : specs) {
    if (spec.name == name) return std::move(spec);
    names.push_back(spec.name);
  }
  const std::string nearest = nearest_name(name, names);
  return fail(Code::kNotFound, fmt::format("the project has no pipeline models/{}.yaml{}", name,
                                           nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

/// Whether a trained ranker is to be used: `if_better`, `never`, `always`.
Result<bool> is_to_be_used(const QueryParameters& query, const TrainedRanker& trained) {
  const std::string_view how = query.get("use", "if_better");
  if (how == "if_better") return trained.better();
  if (how == "never" || how == "always") return how == "always";
  return fail(Code::kInvalid, fmt::format("use is if_better, never or always, not '{}'", how));
}

Result<Json> train(const PipelineSources& sources, const Exchange& asked) {
  MILLRACE_ASSIGN(const PipelineSpec spec, asked_pipeline(sources, asked));
  if (!spec.learned) return fail(Code::kInvalid, fmt::format("models/{}.yaml says ranker: fixed", spec.name));
  MILLRACE_ASSIGN(const auto lists, read_served_lists(sources.warehouse, spec.name));
  MILLRACE_ASSIGN(TrainedRanker trained, train_ranker(lists));
  MILLRACE_ASSIGN(const bool use, is_to_be_used(asked.request.query(), trained));
  MILLRACE_ASSIGN(trained.ranker.version, sources.rankers.add(spec.name, trained, use));
  Json json = to_json(trained);
  json["pipeline"] = spec.name;
  json["in_use"] = use;
  return json;
}

Result<Json> retire(const PipelineSources& sources, const Exchange& asked) {
  MILLRACE_TRY(sources.rankers.retire(asked.path_values.front()));
  return Json{{"pipeline", asked.path_values.front()}, {"in_use", nullptr}};
}

}  // namespace

void add_pipeline_routes(Router& router, PipelineSources sources, WorkerPool& workers) {
  const auto shared = std::make_shared<const PipelineSources>(std::move(sources));
  using Answer = Result<Json> (*)(const PipelineSources&, const Exchange&);
  const auto add = [&](std::string_view method, std::string_view path, Access access, Answer answer) {
    router.add(method, path, {access, false}, [=, &workers](const std::shared_ptr<Exchange>& exchange) {
      const Status queued = workers.submit([shared, answer, exchange] {
        const Result<Json> json = answer(*shared, *exchange);
        if (!json) return exchange->send_error(json.error());
        exchange->send(HttpResponse::json(200, json_text(*json)));
      });
      if (!queued) exchange->send_error(queued.error());
    });
  };
  add("GET", "/v1/pipelines", Access::kRead, show);
  add("POST", "/v1/pipelines/{name}/train", Access::kAdmin, train);
  add("DELETE", "/v1/pipelines/{name}/ranker", Access::kAdmin, retire);
}

}  // namespace millrace
