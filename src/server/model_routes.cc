#include "server/model_routes.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "server/json_text.h"
#include "server/long_work.h"
#include "server/model_answers.h"
#include "server/model_evaluation.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kModelNameMax = 64;
constexpr std::int64_t kListMax = 1'000;

/// The baseline that the gate holds models against: the second of every evaluation.
constexpr std::size_t kBaselineAt = 1;

Json version_json(const ModelVersion& version) {
  Json json{{"version", version.version}, {"deployed", version.deployed}};
  if (!version.problem.empty()) json["problem"] = version.problem;
  for (const char* member :
       {"kind", "made", "settings", "training", "metrics", "gate", "passed", "trained_because"})
    if (version.manifest.contains(member)) json[member] = version.manifest[member];
  return json;
}

/// Add what popularity reached in the version's evaluation, and by how much the version is better.
void add_baseline(Json& version, const Json& evaluation) {
  const Json::json_pointer baseline = Json::json_pointer("/models") / kBaselineAt;
  const Json::json_pointer judged = Json::json_pointer("/models") / (kBaselineAt + 1);
  if (!evaluation.contains(baseline) || !evaluation.contains(judged)) return;
  version["baseline"] = evaluation.value(baseline / "alone", Json());
  version["gain"] = evaluation.value(judged / "ndcg_gain_over_baseline", Json());
}

class ModelRoutes {
 public:
  using Stream = std::shared_ptr<ResponseStream>;

  ModelRoutes(ModelSources sources, const AccessPolicy& access)
      : sources_(std::move(sources)), access_(access) {}

  Result<ModelSpec> find(const std::string& name) const {
    MILLRACE_ASSIGN(auto models, sources_.load());
    return find_model_spec(std::move(models), name);
  }

  /// All models; and whether who asks may train and deploy them.
  Result<Json> list_all(const Exchange& asked) const {
    MILLRACE_ASSIGN(Json all, list());
    all["may_change"] = may_change(asked);
    return all;
  }

  /// The project's models and those that only have versions; with the versions of `only` that one, if given.
  Result<Json> list(std::string_view only = {}) const {
    MILLRACE_ASSIGN(const ProjectModels project, sources_.load());
    MILLRACE_ASSIGN(const auto versions, sources_.registry.list(only));
    std::map<std::string, Json> models;
    for (const ModelSpec& spec : project.specs)
      models[spec.name] = {{"name", spec.name},
                           {"description", spec.description},
                           {"kind", ranking_kind_name(spec.settings.kind)},
                           {"versions", Json::array()}};
    for (const auto& [name, problem] : project.problems)
      models[name] = {{"name", name}, {"problem", problem.text()}, {"versions", Json::array()}};
    for (const ModelVersion& version : versions) {
      Json& model = models[version.name];
      if (model.is_null()) model = {{"name", version.name}, {"versions", Json::array()}};
      model["versions"].push_back(version_json(version));
      add_baseline(model["versions"].back(), evaluation_of(version.name, version.version));
      if (version.deployed) model["deployed"] = version.version;
    }
    Json all = Json::array();
    for (auto& [name, model] : models) all.push_back(std::move(model));
    return Json{{"models", std::move(all)}};
  }

  Result<Json> show(const Exchange& asked) const {
    const std::string& name = asked.path_values.front();
    MILLRACE_ASSIGN(Json all, list(name));
    for (Json& model : all["models"])
      if (model["name"] == name) {
        MILLRACE_ASSIGN(model["history"], sources_.registry.history(name));
        model["may_change"] = may_change(asked);
        return std::move(model);
      }
    return fail(find(name).error());
  }

  /// A version's manifest and its evaluation.
  Result<Json> version(const Exchange& asked) const {
    const std::string &name = asked.path_values[0], &number = asked.path_values[1];
    MILLRACE_ASSIGN(const auto versions, sources_.registry.list(name));
    for (const ModelVersion& one : versions) {
      if (one.version != number) continue;
      if (!one.problem.empty()) return fail(Code::kCorrupt, one.problem);
      Json json = one.manifest;
      json["deployed"] = one.deployed;
      Json evaluation = evaluation_of(name, number);
      if (!evaluation.is_null()) json["evaluation"] = std::move(evaluation);
      return json;
    }
    return fail(Code::kNotFound, fmt::format("{} has no version {}", name, number));
  }

  /// A version's evaluation as a page.
  Result<HttpResponse> report(const Exchange& asked) const {
    MILLRACE_ASSIGN(const Json json, version(asked));
    const std::string title = asked.path_values[0] + "@" + asked.path_values[1];
    const auto evaluation = json.find("evaluation");
    if (evaluation == json.end() || !evaluation->is_object())
      return fail(Code::kNotFound, fmt::format("{} has no evaluation", title));
    return evaluation_response(*evaluation, title);
  }

  Result<Json> deploy(const Exchange& asked) const {
    const std::string& name = asked.path_values.front();
    const Json body = json_of_body(asked.request.body());
    if (!body.is_object() || !body.contains("version") || !body["version"].is_string())
      return fail(Code::kInvalid, R"(send {"version":"3"})");
    MILLRACE_TRY(sources_.registry.deploy(name, body["version"], "deploy"));
    return Json{{"name", name}, {"deployed", body["version"]}};
  }

  Result<Json> rollback(const Exchange& asked) const {
    const std::string& name = asked.path_values.front();
    MILLRACE_ASSIGN(const std::string version, sources_.registry.rollback(name, "rollback"));
    return Json{{"name", name}, {"deployed", version}};
  }

  Result<Json> retire(const Exchange& asked) const {
    MILLRACE_TRY(sources_.registry.retire(asked.path_values.front(), "retire"));
    return Json{{"name", asked.path_values.front()}, {"deployed", nullptr}};
  }

  Result<Json> remove(const Exchange& asked) const {
    MILLRACE_TRY(sources_.registry.remove(asked.path_values[0], asked.path_values[1]));
    return Json{{"removed", asked.path_values[1]}};
  }

  Result<Json> recommend(const Exchange& asked) const {
    return answer_recommendations(sources_.registry, sources_.env, asked.path_values.front(),
                                  asked.request.query());
  }

  Result<Json> recommend_told(const Exchange& asked) const {
    return answer_recommendations(sources_.registry, sources_.env, asked.path_values.front(),
                                  asked.request.body());
  }

  Result<Json> vectors(const Exchange& asked) const {
    return answer_vectors(sources_.registry, asked.path_values.front(), asked.request.body());
  }

  Result<HttpResponse> file(const Exchange& asked) const {
    const std::string &name = asked.path_values[0], &number = asked.path_values[1];
    MILLRACE_ASSIGN(const Json manifest, version(asked));
    return version_file(sources_.env, sources_.dir / name / number, manifest, asked.path_values[2]);
  }

  void import(const Exchange& asked, const Stream& stream) {
    long_work(stream, [&](const auto& stop, const auto& say) -> Result<Json> {
      const std::string& name = asked.path_values.front();
      if (!is_snake_case(name, kModelNameMax))
        return fail(Code::kInvalid, "a model's name is lower-case letters, digits and _");
      MILLRACE_ASSIGN(const auto deploy, deploy_of(asked.request.query()));
      say("reading the files");
      MILLRACE_ASSIGN(ImportedModel model, read_imported(sources_.env, json_of_body(asked.request.body())));
      MILLRACE_ASSIGN(const ProjectModels project, sources_.load());
      if (const auto problem = project.problems.find(name); problem != project.problems.end())
        return fail(problem->second);
      const auto spec = std::ranges::find(project.specs, name, &ModelSpec::name);
      MILLRACE_ASSIGN(const TrainedModel trained,
                      sources_.trainer.import(name, spec == project.specs.end() ? nullptr : &*spec,
                                              std::move(model), deploy, "import", stop, say));
      return json_of(name, trained);
    });
  }

  Result<Json> batch_runs(const Exchange&) const {
    MILLRACE_ASSIGN(const auto runs, sources_.batch.runs());
    Json sets = Json::array();
    for (const BatchRun& run : runs) sets.push_back(json_of(run));
    return Json{{"sets", std::move(sets)}};
  }

  Result<Json> batch_list(const Exchange& asked) const {
    MILLRACE_ASSIGN(const std::int64_t n, asked.request.query().integer("n", kListMax, 1, kListMax));
    MILLRACE_ASSIGN(const BatchList list, sources_.batch.find(asked.path_values[0], asked.path_values[1],
                                                              static_cast<std::size_t>(n)));
    Json json = json_of(list.run);
    json["user"] = asked.path_values[1];
    json["items"] = Json::array();
    for (const auto& [item, score] : list.items) json["items"].push_back({{"id", item}, {"score", score}});
    return json;
  }

  void make_batch(const Exchange& asked, const Stream& stream) {
    long_work(stream, [&](const auto& stop, const auto& say) -> Result<Json> {
      const QueryParameters& query = asked.request.query();
      MILLRACE_ASSIGN(const std::int64_t n, query.integer("n", 20, 1, kListMax));
      MILLRACE_ASSIGN(const ModelSpec spec, find(std::string(query.get("model", asked.path_values.front()))));
      MILLRACE_TRY(wait_for_tables(sources_.lag, stop, say));
      MILLRACE_ASSIGN(const BatchRun run, sources_.batch.run(spec, asked.path_values.front(),
                                                             static_cast<std::size_t>(n), stop, say));
      return json_of(run);
    });
  }

  void train(const Exchange& asked, const Stream& stream) {
    long_work(stream, [&](const auto& stop, const auto& say) -> Result<Json> {
      MILLRACE_ASSIGN(const auto deploy, deploy_of(asked.request.query()));
      MILLRACE_ASSIGN(const ModelSpec spec, find(asked.path_values.front()));
      MILLRACE_TRY(wait_for_tables(sources_.lag, stop, say));
      MILLRACE_ASSIGN(const TrainedModel trained, sources_.trainer.train(spec, deploy, "train", stop, say));
      return json_of(spec.name, trained);
    });
  }

  void evaluate(const Exchange& asked, const Stream& stream) {
    long_work(stream, [&](const auto& stop, const auto& say) -> Result<Json> {
      MILLRACE_ASSIGN(ModelSpec spec, find(asked.path_values.front()));
      MILLRACE_TRY(wait_for_tables(sources_.lag, stop, say));
      MILLRACE_ASSIGN(auto retrain, read_evaluation_query(asked.request.query(), spec.evaluation));
      MILLRACE_ASSIGN(const EvaluationReport report,
                      sources_.trainer.evaluate(spec, std::move(retrain), stop, say));
      Json json = to_json(report);
      json["text"] = to_text(report);
      return json;
    });
  }

  void tune(const Exchange& asked, const Stream& stream) {
    long_work(stream, [&](const auto& stop, const auto& say) -> Result<Json> {
      const QueryParameters& query = asked.request.query();
      MILLRACE_ASSIGN(const std::int64_t trials, query.integer("trials", 20, 1, 10'000));
      MILLRACE_ASSIGN(const std::int64_t minutes, query.integer("minutes", 0, 0, 100'000));
      MILLRACE_ASSIGN(const std::int64_t seed,
                      query.integer("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
      MILLRACE_ASSIGN(const ModelSpec spec, find(asked.path_values.front()));
      MILLRACE_TRY(wait_for_tables(sources_.lag, stop, say));
      MILLRACE_ASSIGN(const Tuning tuning,
                      sources_.trainer.tune(spec, static_cast<std::size_t>(trials), minutes * kMinuteUs,
                                            static_cast<std::uint64_t>(seed), stop, say));
      Json list = Json::array();
      for (const TuningTrial& trial : tuning.trials)
        list.push_back({{"settings", trial.settings},
                        {"mean", trial.metric.mean},
                        {"low", trial.metric.low},
                        {"high", trial.metric.high}});
      return Json{{"metric", tuning.metric}, {"trials", std::move(list)}, {"yaml", tuning.yaml}};
    });
  }

 private:
  static Result<ModelTrainer::Deploy> deploy_of(const QueryParameters& query) {
    using Deploy = ModelTrainer::Deploy;
    const std::string_view how = query.get("deploy", "if_good");
    if (how == "if_good") return Deploy::kIfGood;
    if (how == "never") return Deploy::kNever;
    if (how == "always") return Deploy::kAlways;
    return fail(Code::kInvalid, "deploy takes if_good, never or always");
  }

  static Json json_of(const std::string& name, const TrainedModel& trained) {
    return {{"name", name},
            {"version", trained.version},
            {"deployed", trained.deployed},
            {"gate", trained.gate},
            {"manifest", trained.manifest}};
  }

  bool may_change(const Exchange& asked) const {
    return access_.check_credentials(asked.request, Access::kAdmin).has_value();
  }

  /// How a version was judged; null where that is not known.
  Json evaluation_of(const std::string& name, const std::string& version) const {
    const auto text = read_file(sources_.env, sources_.dir / name / version / "evaluation.json");
    Json json = text ? Json::parse(*text, nullptr, false) : Json();
    return json.is_object() ? json : Json();
  }

  Json json_of(const BatchRun& run) const {
    return {{"set", run.set},
            {"run", run.run},
            {"model", run.model},
            {"n", run.n},
            {"users", run.users},
            {"rows", run.rows},
            {"path", run.path},
            {"made", format_time(run.made)},
            {"age_s", static_cast<double>(sources_.env.now() - run.made) / kSecondUs}};
  }

  void long_work(const Stream& stream, const LongWork& work) {
    do_long_work(sources_.env, sources_.one_at_a_time, "another training or evaluation", stream, work);
  }

  const ModelSources sources_;
  const AccessPolicy& access_;
};

}  // namespace

void add_model_routes(Router& router, ModelSources sources, WorkerPool& long_workers, WorkerPool& workers) {
  const auto routes = std::make_shared<ModelRoutes>(std::move(sources), router.access());
  const auto add = [&](std::string_view method, std::string_view pattern, Access access,
                       Result<Json> (ModelRoutes::*answer)(const Exchange&) const) {
    router.add(method, pattern, {access, false},
               [routes, answer, &workers](const std::shared_ptr<Exchange>& exchange) {
                 const Status queued = workers.submit([routes, answer, exchange] {
                   const Result<Json> json = ((*routes).*answer)(*exchange);
                   if (!json) return exchange->send_error(json.error());
                   exchange->send(HttpResponse::json(200, json_text(*json)));
                 });
                 if (!queued) exchange->send_error(queued.error());
               });
  };
  const auto add_long = [&](std::string_view pattern,
                            void (ModelRoutes::*work)(const Exchange&, const ModelRoutes::Stream&)) {
    router.add(
        "POST", pattern, {Access::kAdmin, false},
        [routes, work, &long_workers](const std::shared_ptr<Exchange>& exchange) {
          const Status queued = long_workers.submit([routes, work, exchange] {
            ((*routes).*work)(*exchange, exchange->start_stream("application/x-ndjson"));
          });
          if (!queued)
            exchange->send_error(
                {Code::kOverloaded, "as much long work as may is waiting; try again when some is done", ""});
        });
  };
  add("GET", "/v1/models", Access::kRead, &ModelRoutes::list_all);
  add("GET", "/v1/models/{name}", Access::kRead, &ModelRoutes::show);
  add("GET", "/v1/models/{name}/versions/{version}", Access::kRead, &ModelRoutes::version);
  router.add("GET", "/v1/models/{name}/versions/{version}/report", {Access::kRead, false},
             [routes, &workers](const std::shared_ptr<Exchange>& exchange) {
               const Status queued = workers.submit([routes, exchange] {
                 Result<HttpResponse> page = routes->report(*exchange);
                 if (!page) return exchange->send_error(page.error());
                 exchange->send(*std::move(page));
               });
               if (!queued) exchange->send_error(queued.error());
             });
  add("GET", "/v1/models/{name}/recommendations", Access::kRead, &ModelRoutes::recommend);
  add("POST", "/v1/models/{name}/recommendations", Access::kRead, &ModelRoutes::recommend_told);
  add("POST", "/v1/models/{name}/vectors", Access::kRead, &ModelRoutes::vectors);
  router.add("GET", "/v1/models/{name}/versions/{version}/files/{file}", {Access::kRead, false},
             [routes, &workers](const std::shared_ptr<Exchange>& exchange) {
               const Status queued = workers.submit([routes, exchange] {
                 Result<HttpResponse> file = routes->file(*exchange);
                 if (!file) return exchange->send_error(file.error());
                 exchange->send(*std::move(file));
               });
               if (!queued) exchange->send_error(queued.error());
             });
  add("GET", "/v1/batch-recommendations", Access::kRead, &ModelRoutes::batch_runs);
  add("GET", "/v1/batch-recommendations/{set}/{user}", Access::kRead, &ModelRoutes::batch_list);
  add_long("/v1/batch-recommendations/{set}", &ModelRoutes::make_batch);
  add("POST", "/v1/models/{name}/deploy", Access::kAdmin, &ModelRoutes::deploy);
  add("POST", "/v1/models/{name}/rollback", Access::kAdmin, &ModelRoutes::rollback);
  add("POST", "/v1/models/{name}/retire", Access::kAdmin, &ModelRoutes::retire);
  add("DELETE", "/v1/models/{name}/versions/{version}", Access::kAdmin, &ModelRoutes::remove);
  add_long("/v1/models/{name}/train", &ModelRoutes::train);
  add_long("/v1/models/{name}/import", &ModelRoutes::import);
  add_long("/v1/models/{name}/evaluate", &ModelRoutes::evaluate);
  add_long("/v1/models/{name}/tune", &ModelRoutes::tune);
}

}  // namespace millrace
