#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "model/feature_source.h"
#include "model/population_stability.h"
#include "model/ranking_metrics.h"
#include "model/ranking_settings.h"

namespace millrace {

/// How a model is judged before it may be deployed.
struct EvaluationSpec {
  enum class Split : std::uint8_t { kTime, kLast, kPeople };
  Split split = Split::kTime;
  double test_share = 0.2;
  std::size_t n = 10;
  std::vector<std::size_t> further_n;  ///< lengths of lists that are judged as well
  bool repeats = false;
};

/// A value that `millrace tune` tries in the place of a setting.
struct SearchSpec {
  std::string setting;
  std::vector<double> choices;  ///< one of these; empty: between the two, evenly by their logarithm
  double from = 0;
  double to = 0;
};

/// What counts as drift of a model: docs/how-to/models.md.
struct DriftLimits {
  double worse = 0.02;               ///< by so much at least it does worse than when it was made, for sure
  double moved = kStabilityShifted;  ///< so much of an input's stability index is beyond chance
};

/// When a model is trained again without being asked, and looked at.
struct RetrainSpec {
  DurationUs every = 0;  ///< 0: not by time
  bool on_drift = false;
  DriftLimits limits;
  DurationUs at_most_every = 6 * kHourUs;  ///< of trainings because of drift
  DurationUs check_every = 0;              ///< between looks for drift; 0: only when asked
};

/// Say it: "every 7d; on drift, at most every 6h; looked at every 1h"; "only when asked".
std::string to_text(const RetrainSpec& spec);

/// What a file says in the place of the column of times where there is none.
inline constexpr std::string_view kNoTime = "none";

/// A file `models/NAME.yaml` of a project: docs/how-to/models.md.
struct ModelSpec {
  std::string name;
  std::string description;
  std::string from;          ///< a SELECT, or a table: who met what
  std::string training_set;  ///< a training set in its place; else empty
  std::string user = "visitor";
  std::string item = "item_id";
  std::string time = "event_time";
  std::string weight;   ///< a column; empty: each row counts 1
  std::string label;    ///< a column of ratings, for models that foresee them; empty: none
  FeatureSource users;  ///< of models that read features
  FeatureSource items;
  RankingSettings settings;

  /// Whether the model reads features.
  bool reads_features() const {
    return settings.kind == RankingKind::kTwoTower || settings.kind == RankingKind::kImported ||
           !settings.segment.empty();
  }
  std::vector<SearchSpec> search;
  EvaluationSpec evaluation;
  RetrainSpec retrain;
  Metric gate_metric = Metric::kNdcg;  ///< what must not get worse …
  double gate_margin = 0;              ///< … by more than this, for a version to be deployed by itself
  std::string text;                    ///< the file's
};

/// Whether both are trained on the same: interactions, labels, features.
bool same_data(const ModelSpec& a, const ModelSpec& b);

/// Read a file. Errors: kInvalid, all mistakes at once, each with file and line.
Result<ModelSpec> parse_model_spec(std::string_view text, const Path& path);

/// "7d", "90s": in the longest unit that fits, as files of models say it.
std::string duration_text(DurationUs duration);

/// The models of a project, as its files are now. A file with a mistake keeps nobody from the others.
struct ProjectModels {
  std::vector<ModelSpec> specs;
  std::map<std::string, Error> problems;  ///< of the files that cannot be read, by the name of their model
};

/// Return the model of that name. Errors: what is wrong with its file; kNotFound, with the name that was
/// probably meant.
Result<ModelSpec> find_model_spec(ProjectModels models, std::string_view name);

}  // namespace millrace
