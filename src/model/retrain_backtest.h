#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/evaluation.h"
#include "model/evaluation_run.h"
#include "model/feedback.h"
#include "model/retrain_report.h"
#include "model/training.h"

namespace millrace {

/// How a walk through time is made.
struct RetrainSettings {
  std::vector<Cadence> cadences;   ///< as parse_cadences returns them
  double first_share = 0.5;        ///< of the interactions: what the first training knows
  double margin_share = 0.01;      ///< of the shortest cadence's NDCG: a loss so small counts as none
  std::size_t people_max = 5'000;  ///< asked in one period; of more, those of the lowest hashes
  std::size_t periods_max = 400;   ///< and so trainings
  EvaluationOptions evaluation;    ///< `further_n` is left out
};

/// Return how cadences, as parse_cadences reads them, are compared after the first share of the interactions.
/// Errors: those of parse_cadences; kInvalid for a share that is not between 0.01 and 0.99.
Result<RetrainSettings> retrain_settings(std::string_view cadences, double first_share);

/// Walk through time as a platform would have lived it: train on the first part; ask in each period, of the
/// shortest cadence's length, everyone who did something new in it, at its begin; train again at each
/// cadence on everything before. Other cadences are rounded to whole periods. Whom a model is asked about is
/// told with all they did until then, however old the model is; items that came after its training it cannot
/// show, unless it knows items by `features`, which are of the set, and null for none; the set must be
/// numbered in the order of time then. The fallback is trained when the model is, and again with one that is
/// always fresh. People and histories are the same for every cadence, so that differences are of pairs. One
/// training serves all cadences that have it at the same time, so a run costs as many as the shortest has.
/// `on_step` hears what is done. Errors: kInvalid for fewer than two periods, for more than `periods_max`,
/// for two cadences that are one when rounded, for nobody to ask; those of the trainer; kCancelled.
Result<RetrainReport> backtest_retraining(const FeedbackSet& all, const NamedRanking& model,
                                          const RetrainSettings& settings, const TrainingControl& control,
                                          const std::function<void(std::string_view)>& on_step,
                                          const RankingFeatures* features = nullptr);

}  // namespace millrace
