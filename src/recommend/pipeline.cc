#include "recommend/pipeline.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"

namespace millrace {
namespace {

/// Shares of the popular lists in an item's popularity.
constexpr double kOverallShare = 0.30;
constexpr double kWeekShare = 0.35;
constexpr double kCountryShare = 0.35;
constexpr double kCategoryShare = 0.40;
constexpr double kNewWeight = 0.05;
constexpr double kNewShare = 0.1;

constexpr std::array<double, kBuiltInSources> kBuiltInWeights = {
    1, 1, kCountryShare, kCategoryShare, kWeekShare, kOverallShare, kNewWeight, 0};
constexpr std::size_t kModelsMax = kSourcesMax - kBuiltInSources;

/// What the weights of a pipeline are without its file saying anything.
Pipeline plain_pipeline(const ModelSettings& settings) {
  Pipeline pipeline;
  pipeline.name = fmt::format("{}@{}", settings.name, settings.version);
  pipeline.settings = settings;
  pipeline.new_share = kNewShare;
  std::ranges::copy(kBuiltInWeights, pipeline.weights.begin());
  return pipeline;
}

void add_model(Pipeline& pipeline, std::shared_ptr<const ModelSource> source, double weight) {
  if (pipeline.models.size() == kModelsMax) return pipeline.surplus.push_back(source->model().name);
  pipeline.weights[kBuiltInSources + pipeline.models.size()] = weight;
  pipeline.models_named.push_back(fmt::format("{}@{}", source->model().name, source->model().version));
  pipeline.models.push_back(std::move(source));
}

std::optional<std::size_t> built_in(std::string_view name) {
  for (std::size_t i = 0; i < kBuiltInSources; ++i)
    if (candidate_source_name(static_cast<CandidateSource>(i)) == name) return i;
  return std::nullopt;
}

/// Add what is deployed and says what people choose, but for what the file names.
void add_other_models(Pipeline& pipeline, const std::vector<SourceWeight>& named,
                      const std::vector<std::shared_ptr<const ModelSource>>& models) {
  for (const auto& model : models) {
    const bool is_named = std::ranges::find(named, model->model().name, &SourceWeight::name) != named.end();
    if (!is_named && !model->model().ranking->foresees_ratings()) add_model(pipeline, model, 1);
  }
}

void apply_sources(Pipeline& pipeline, const PipelineSpec& spec,
                   const std::vector<std::shared_ptr<const ModelSource>>& models) {
  const auto default_weights = pipeline.weights;
  if (spec.only_sources) pipeline.weights.fill(0);
  for (const SourceWeight& source : spec.sources) {
    if (const auto number = built_in(source.name)) {
      pipeline.weights[*number] = default_weights[*number] * source.weight;
      continue;
    }
    const auto found =
        std::ranges::find_if(models, [&](const auto& model) { return model->model().name == source.name; });
    if (found == models.end())
      pipeline.absent.push_back(source.name);
    else if (source.weight > 0)
      add_model(pipeline, *found, source.weight);
  }
  if (!spec.only_sources) add_other_models(pipeline, spec.sources, models);
}

void apply_rules(Pipeline& pipeline, const PipelineSpec& spec) {
  ModelSettings& settings = pipeline.settings;
  settings.exclude_bought = spec.exclude_bought.value_or(settings.exclude_bought);
  settings.exclude_read = spec.exclude_read.value_or(settings.exclude_read);
  settings.item_age_max = spec.item_age_max.value_or(settings.item_age_max);
  settings.deadline = spec.deadline.value_or(settings.deadline);
  settings.category_share_max = spec.category_share_max.value_or(settings.category_share_max);
  pipeline.new_share = spec.new_share.value_or(pipeline.new_share);
  pipeline.filter = spec.filter;
  pipeline.diversity = spec.diversity;
  pipeline.promotions = spec.promotions;
}

void use_ranker(Pipeline& pipeline, std::shared_ptr<const Ranker> ranker) {
  for (std::size_t i = 0; i < kBuiltInSources + pipeline.models.size(); ++i)
    if (pipeline.weights[i] > 0)
      pipeline.learned_sources[i] = ranker->weight_of(pipeline.source_name(static_cast<CandidateSource>(i)));
  for (std::size_t i = 0; i < kRankFeatures; ++i)
    pipeline.learned_features[i] = ranker->weight_of(rank_feature_name(static_cast<RankFeature>(i)));
  pipeline.ranker = std::move(ranker);
}

/// The same name for the same file, models and ranker, on any machine.
void name_it(Pipeline& pipeline, std::string_view file_name, std::string_view text) {
  std::string all(text);
  for (const std::string& model : pipeline.models_named) all += "\n" + model;
  if (pipeline.ranker) all += "\nranker " + pipeline.ranker->version;
  pipeline.name = fmt::format("{}@{:08x}", file_name, hash64(all) >> 32);
}

}  // namespace

std::string_view Pipeline::source_name(CandidateSource source) const {
  if (source < CandidateSource::kModel) return candidate_source_name(source);
  return models[static_cast<std::size_t>(source) - kBuiltInSources]->model().name;
}

double Pipeline::learned_score(const Candidate& candidate) const {
  double sum = ranker->intercept;
  for (std::size_t i = 0; i < kSourcesMax; ++i) sum += learned_sources[i] * candidate.by_source[i];
  for (std::size_t i = 0; i < kRankFeatures; ++i) sum += learned_features[i] * candidate.features[i];
  return 1 / (1 + std::exp(-sum));
}

PipelineSet::PipelineSet(const ModelSettings& settings) {
  by_placement_.fill(std::make_shared<const Pipeline>(plain_pipeline(settings)));
}

PipelineSet::PipelineSet(const ModelSettings& settings, const std::vector<PipelineSpec>& specs,
                         const std::vector<std::shared_ptr<const ModelSource>>& models,
                         const Rankers& rankers) {
  Pipeline plain = plain_pipeline(settings);
  add_other_models(plain, {}, models);
  if (!plain.models.empty()) name_it(plain, settings.name, settings.version);
  by_placement_.fill(std::make_shared<const Pipeline>(std::move(plain)));
  const auto make = [&](const PipelineSpec& spec) {
    Pipeline pipeline = plain_pipeline(settings);
    apply_sources(pipeline, spec, models);
    apply_rules(pipeline, spec);
    pipeline.keeps_features = spec.learned;
    if (const auto ranker = rankers.find(spec.name); ranker != rankers.end() && spec.learned)
      use_ranker(pipeline, ranker->second);
    name_it(pipeline, spec.name, spec.text);
    return std::make_shared<const Pipeline>(std::move(pipeline));
  };
  // The one without placements first: those that name theirs go before it.
  for (const PipelineSpec& spec : specs)
    if (spec.placements.empty()) by_placement_.fill(make(spec));
  for (const PipelineSpec& spec : specs) {
    if (spec.placements.empty()) continue;
    const auto pipeline = make(spec);
    for (const Placement placement : spec.placements)
      by_placement_[static_cast<std::size_t>(placement)] = pipeline;
  }
}

std::vector<std::shared_ptr<const Pipeline>> PipelineSet::all() const {
  std::vector<std::shared_ptr<const Pipeline>> each;
  for (const auto& pipeline : by_placement_)
    if (std::ranges::find(each, pipeline) == each.end()) each.push_back(pipeline);
  return each;
}

}  // namespace millrace
