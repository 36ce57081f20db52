#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "recommend/candidates.h"
#include "recommend/model_source.h"
#include "recommend/pipeline_spec.h"
#include "recommend/ranker.h"
#include "recommend/recommendation.h"
#include "recommend/settings.h"

namespace millrace {

/// How the answers of a placement are made: sources, weights, rules. Never changed once made. Threads: any.
struct Pipeline {
  std::string name;  ///< "shop@1f0c23ab": the file's name, and a hash of all that makes it up
  std::vector<std::string> models_named;  ///< "for_you@3"
  ModelSettings settings;
  ItemFilter filter;
  double new_share = 0;
  double diversity = 0;
  std::vector<Promotion> promotions;
  std::vector<std::shared_ptr<const ModelSource>> models;  ///< at most kSourcesMax − kBuiltInSources
  std::vector<std::string> absent;                         ///< models that the file names and nobody deployed
  std::vector<std::string> surplus;           ///< deployed models for which there was no place left
  std::array<double, kSourcesMax> weights{};  ///< of the built-in sources, then of the models
  std::shared_ptr<const Ranker> ranker;       ///< null: by the weights
  bool keeps_features = false;                ///< answers are kept with what a ranker learns from

  std::array<double, kSourcesMax> learned_sources{};     ///< the ranker's, in the order of `weights` …
  std::array<double, kRankFeatures> learned_features{};  ///< … and of RankFeature

  bool asks_models() const { return !models.empty() || !absent.empty(); }
  std::string_view source_name(CandidateSource source) const;

  /// Return how likely the ranker thinks it that the candidate is chosen, 0 to 1. Needs a ranker.
  double learned_score(const Candidate& candidate) const;
};

/// The pipeline of each placement.
class PipelineSet {
 public:
  /// Answer as ModelSettings say, without models.
  explicit PipelineSet(const ModelSettings& settings);

  /// Make what the files say, of what is deployed. Every model but those that foresee ratings is a source,
  /// unless the placement's file says otherwise. `rankers` may lack any pipeline's.
  PipelineSet(const ModelSettings& settings, const std::vector<PipelineSpec>& specs,
              const std::vector<std::shared_ptr<const ModelSource>>& models, const Rankers& rankers);

  const Pipeline& of(Placement placement) const {
    return *by_placement_[static_cast<std::size_t>(placement)];
  }

  /// Return each pipeline once.
  std::vector<std::shared_ptr<const Pipeline>> all() const;

 private:
  std::array<std::shared_ptr<const Pipeline>, 4> by_placement_;
};

}  // namespace millrace
