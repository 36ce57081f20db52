#include "model/model_import.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "model/embedding_ranking.h"
#include "model/model_trainer.h"

namespace millrace {
namespace {

struct ImportedVectors {
  Matrix users;
  Matrix items;
};

/// Add the rows of a side that it has no vectors of.
Status add_rest(const TwoTowerSide& tower, const FeatureTable& known, const IdMap& numbers,
                const std::vector<std::uint32_t>& first, int threads, IdMap& ids, Matrix& vectors) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t number = 0; number < numbers.size(); ++number)
    if (!ids.find(numbers.id(number))) {
      ids.add(numbers.id(number));
      rows.push_back(first[number]);
    }
  if (rows.empty()) return {};
  MILLRACE_ASSIGN(const Embeddings made, tower.embed(known.take(rows), threads));
  if (vectors.rows > 0 && vectors.columns != made.vectors.columns)
    return fail(Code::kInvalid, fmt::format("the vectors have {} dimensions, those that the towers make {}",
                                            vectors.columns, made.vectors.columns));
  vectors.columns = made.vectors.columns;
  vectors.rows += made.vectors.rows;
  vectors.values.insert(vectors.values.end(), made.vectors.values.begin(), made.vectors.values.end());
  return {};
}

Status check_side(const IdMap& ids, const Matrix& vectors, std::string_view whose) {
  if (ids.size() != vectors.rows)
    return fail(Code::kInvalid,
                fmt::format("there are {} {} and {} vectors", ids.size(), whose, vectors.rows));
  for (std::size_t i = 0; i < vectors.rows; ++i)
    if (!std::ranges::all_of(vectors.row(i), [](float value) { return std::isfinite(value); }))
      return fail(Code::kInvalid, fmt::format("the vector of {} ({}) has a number that is not finite",
                                              ids.id(static_cast<std::uint32_t>(i)), whose));
  return {};
}

}  // namespace

Status embed_the_rest(ImportedModel& model, const TrainingFeedback& feedback, int threads) {
  const RankingFeatures& known = *feedback.features;
  MILLRACE_TRY(add_rest(model.towers->users, known.users, feedback.set.users,
                        last_rows(feedback.set.rows, known.first_user_row, known.user_rows, &Feedback::user),
                        threads, model.users, model.user_vectors));
  return add_rest(model.towers->items, known.items, feedback.set.items,
                  last_rows(feedback.set.rows, known.first_item_row, known.item_rows, &Feedback::item),
                  threads, model.items, model.item_vectors);
}

Status check_imported(const ImportedModel& model) {
  MILLRACE_TRY(check_side(model.users, model.user_vectors, "users"));
  MILLRACE_TRY(check_side(model.items, model.item_vectors, "items"));
  const std::size_t dimensions = model.item_vectors.columns;
  if (model.items.size() == 0 || dimensions == 0)
    return fail(Code::kInvalid,
                "it has no item: give --items, or --towers with a models/NAME.yaml whose `items` has some");
  if (model.user_vectors.rows > 0 && model.user_vectors.columns != dimensions)
    return fail(Code::kInvalid, fmt::format("vectors of users have {} dimensions, those of items {}",
                                            model.user_vectors.columns, dimensions));
  if (model.towers && model.towers->items.tower.outputs() != dimensions)
    return fail(Code::kInvalid,
                fmt::format("the towers make vectors of {} dimensions, those of items have {}",
                            model.towers->items.tower.outputs(), dimensions));
  return {};
}

std::shared_ptr<ServedModel> served(ImportedModel model, std::string name, std::string version) {
  const auto kept = std::make_shared<const ImportedVectors>(
      ImportedVectors{std::move(model.user_vectors), std::move(model.item_vectors)});
  auto made = std::make_shared<ServedModel>();
  made->name = std::move(name);
  made->version = std::move(version);
  made->settings = {.kind = RankingKind::kImported};
  made->items = std::move(model.items);
  made->users = std::move(model.users);
  made->ranking = make_embedding_ranking(kept->users, kept->items, kept, std::move(model.towers));
  return made;
}

Result<std::optional<EvaluationReport>> ModelTrainer::judge_imported(const ServedModel& model,
                                                                     const ModelSpec& spec,
                                                                     const TrainingFeedback& feedback,
                                                                     const std::atomic<bool>* stop,
                                                                     const OnStep& on_step) {
  const auto ready = renumbered(model, feedback.set);
  std::vector<NamedRanking> models = {{model.name, model.settings, ready.get()}};
  const auto current = tools_.registry.current(model.name);
  const auto present = current ? renumbered(*current, feedback.set) : nullptr;
  if (present) models.push_back({std::string(kDeployedAsIs), current->settings, present.get()});
  const EvaluationData data = split_as(spec.evaluation, feedback.set, feedback.features.get(), 1);
  if (data.train.empty() || data.cases.empty()) return std::nullopt;  // too little to ask
  MILLRACE_ASSIGN(EvaluationReport report, judge_as_asked(spec, feedback, models, stop, on_step));
  return report;
}

Result<TrainedModel> ModelTrainer::import(const std::string& name, const ModelSpec* spec, ImportedModel model,
                                          Deploy deploy, std::string_view by, const std::atomic<bool>* stop,
                                          const OnStep& on_step) {
  TrainingFeedback feedback;
  if (spec != nullptr) {
    on_step("reading");
    MILLRACE_ASSIGN(feedback, read_training_feedback(tools_.warehouse, *spec, tools_.sets, NoRows::kAllowed));
    if (model.towers && feedback.features) MILLRACE_TRY(embed_the_rest(model, feedback, tools_.threads));
  }
  MILLRACE_TRY(check_imported(model));
  MILLRACE_ASSIGN(const auto place, tools_.registry.next_version(name));
  const auto made = served(std::move(model), name, place.first);
  std::optional<EvaluationReport> report;
  if (!feedback.set.rows.empty()) {
    MILLRACE_ASSIGN(report, judge_imported(*made, *spec, feedback, stop, on_step));
  }
  on_step("writing");
  TrainedModel trained{
      .version = place.first,
      .manifest = {{"name", name},
                   {"version", place.first},
                   {"kind", ranking_kind_name(RankingKind::kImported)},
                   {"description", spec == nullptr ? "" : spec->description},
                   {"made", format_time(tools_.env.now())},
                   {"settings", to_json(made->settings)},
                   {"training", {{"users", made->users.size()}, {"items", made->items.size()}}}}};
  GateVerdict verdict{.passed = true,
                      .words = "without being judged: there are not the interactions to ask it for"};
  if (report) {
    trained.manifest["metrics"] = to_json(report->models[2].with_fallback);
    verdict = gate(*spec, *report);
  }
  trained.manifest.update({{"gate", verdict.words}, {"passed", verdict.passed}});
  MILLRACE_ASSIGN(BundleWriter writer, BundleWriter::begin(tools_.env, place.second));
  MILLRACE_TRY(writer.add("items", made->items));
  MILLRACE_TRY(writer.add("users", made->users));
  MILLRACE_TRY(made->ranking->save(writer));
  if (report) MILLRACE_TRY(writer.add_json("evaluation", to_json(*report)));
  MILLRACE_TRY(writer.finish(trained.manifest));
  if (report) trained.manifest["evaluation"] = to_json(*report);
  MILLRACE_TRY(deploy_by_gate(name, deploy, verdict, by, trained));
  return trained;
}

}  // namespace millrace
