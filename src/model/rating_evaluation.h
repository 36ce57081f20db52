#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/evaluation.h"
#include "model/ranking_metrics.h"
#include "model/ranking_model.h"

namespace millrace {

/// How well a model foresees ratings that were held out, beside what needs no model.
struct RatingQuality {
  std::size_t rows = 0;
  Estimate rmse;
  double mean_rmse = 0;               ///< of the mean of all ratings of the training
  double item_mean_rmse = 0;          ///< of each item's mean, drawn to that of all as if by ten ratings
  double user_mean_rmse = 0;          ///< of each user's, likewise
  std::string baseline;               ///< the best of the three, here in hindsight: "the mean of each item"
  Estimate gain;                      ///< the baseline's squared error less the model's, row by row
  std::vector<float> squared_errors;  ///< of each row, in order
  std::vector<std::uint32_t> people;  ///< whose each is

  double baseline_rmse() const { return std::min({mean_rmse, item_mean_rmse, user_mean_rmse}); }
};

/// Ask a model that foresees ratings for those of `data.asked`. Needs labels in `data.features`, and rows.
RatingQuality judge_ratings(const RankingModel& model, const EvaluationData& data,
                            const EvaluationOptions& options);

/// Return by how much `a` is better than `b` in squared error, row by row, with its interval.
Estimate difference(const RatingQuality& a, const RatingQuality& b, const EvaluationOptions& options);

nlohmann::json to_json(const RatingQuality& quality);

/// Say it in a line.
std::string to_text(const RatingQuality& quality);

}  // namespace millrace
