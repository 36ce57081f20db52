#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/evaluation.h"
#include "model/ranking_model.h"
#include "model/rating_evaluation.h"
#include "model/retrain_report.h"

namespace millrace {

/// A model to judge.
struct NamedRanking {
  std::string name;
  RankingSettings settings;
  const RankingModel* ready = nullptr;  ///< judged as it is, in the place of one that is trained
};

/// How one model did, alone and as a whole: with the baseline for whom and for what it has nothing to say.
struct JudgedRanking {
  std::string name;
  double training_s = 0;
  Evaluation alone;
  Evaluation with_fallback;
  Estimate gain;                         ///< NDCG of the whole less that of the baseline, person by person
  std::optional<RatingQuality> ratings;  ///< of a model that foresees them
};

struct EvaluationReport {
  std::string protocol;
  EvaluationOptions options;
  std::size_t train_rows = 0;
  std::size_t users = 0;
  std::size_t items = 0;
  std::vector<JudgedRanking> models;      ///< the baselines first
  std::vector<RetrainReport> retraining;  ///< of models whose cadences were compared as well
};

/// What every evaluation holds models against: popularity of all time, and fading with a half-life that is a
/// twelfth of the time the rows span. The second is what the models fall back on.
std::vector<NamedRanking> baselines(std::span<const Feedback> train);

/// Train the baselines and each model on `data.train` and judge them on its cases. `on_step` hears what is
/// being done: "ease: training", "ease: judging". Errors: kInvalid for data without cases; those of the
/// trainers, with the model's name; kCancelled.
Result<EvaluationReport> run_evaluation(const EvaluationData& data, std::span<const NamedRanking> models,
                                        const EvaluationOptions& options, const TrainingControl& control,
                                        const std::function<void(std::string_view)>& on_step);

/// Say whether a model as a whole, whose NDCG is so much more, is better than the baseline.
std::string verdict_in_words(std::string_view model, std::string_view baseline, const Estimate& gain);

nlohmann::json to_json(const EvaluationReport& report);

/// Write the report as a table for a terminal.
std::string to_text(const EvaluationReport& report);

}  // namespace millrace
