#include <algorithm>

#include <fmt/format.h>

#include "app/platform.h"
#include "base/parallel.h"

namespace millrace {

/// Training sets, what is trained on them, and who trains again.
Status Platform::open_models() {
  const Path temporary = config_.data / "lake" / ".tmp";
  training_sets_ = std::make_unique<TrainingSetBuilder>(*warehouse_, *lake_, temporary / "training");
  MILLRACE_ASSIGN(models_, ModelRegistry::open(env_, config_.data / "models"));
  const TrainingSetFiles sets{config_.data / "lake",
                              [this](const std::string& name) { return training_set_manifest_of(name); }};
  batch_ = std::make_unique<BatchRecommendations>(BatchRecommendations::Tools{
      *warehouse_, *lake_, *models_, temporary / "batch", default_threads(), sets});
  const ModelTrainer::Tools tools{env_, *warehouse_, *models_, default_threads(), sets};
  trainer_ = std::make_unique<ModelTrainer>(tools);
  drift_ = std::make_unique<DriftBoard>(tools);
  const auto quiet = [](std::string_view) {};
  model_keeper_ = std::make_unique<ModelKeeper>(ModelKeeper::Tools{
      .env = env_,
      .registry = *models_,
      .one_at_a_time = model_turn_,
      .load = [this] { return model_files(); },
      .train =
          [this, quiet](const ModelSpec& spec, std::string_view by, std::string_view because,
                        const auto* stop) {
            return trainer_->train(spec, ModelTrainer::Deploy::kIfGood, by, stop, quiet, because);
          },
      .check = [this, quiet](const ModelSpec& spec,
                             const auto* stop) { return drift_->check(spec, stop, quiet); }});
  return {};
}

/// How deployed models take part in answers. Needs the models and the recommender.
Status Platform::open_pipelines() {
  MILLRACE_ASSIGN(rankers_, RankerStore::open(env_, config_.data / "rankers"));
  ranker_keeper_ = std::make_unique<RankerKeeper>(RankerKeeper::Tools{
      .env = env_,
      .store = *rankers_,
      .specs = [this] { return pipeline_files(); },
      .served = [this](const std::string& pipeline) { return read_served_lists(*warehouse_, pipeline); }});
  pipelines_ =
      std::make_unique<PipelineKeeper>(PipelineKeeper::Tools{.env = env_,
                                                             .registry = *models_,
                                                             .recommender = *recommender_,
                                                             .specs = [this] { return pipeline_files(); },
                                                             .rankers = [this] { return rankers_->in_use(); },
                                                             .graphs = config_.data / "graphs"});
  return {};
}

Result<ProjectModels> Platform::model_files() const {
  if (!config_.models) return ProjectModels{};
  return load_models(env_, *config_.models);
}

Result<std::vector<PipelineSpec>> Platform::pipeline_files() const {
  if (!config_.models) return std::vector<PipelineSpec>{};
  return load_pipelines(env_, *config_.models);
}

Result<ProjectTrainingSets> Platform::training_set_files() const {
  if (!config_.training_sets) return ProjectTrainingSets{};
  return load_training_sets(env_, *config_.training_sets, config_.features);
}

Result<std::string> Platform::training_set_manifest_of(const std::string& name) const {
  MILLRACE_ASSIGN(auto project, training_set_files());
  MILLRACE_ASSIGN(const TrainingSet set, find_training_set(std::move(project), name));
  auto manifest = training_set_manifest(*lake_, set);
  if (!manifest && manifest.error().code == Code::kNotFound)
    return fail(Code::kNotFound, fmt::format("{0} was not made yet: millrace training-set build {0}", name));
  return manifest;
}

}  // namespace millrace
