#include "model/rating_evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr double kMeanDrawnBy = 10;  ///< ratings by which the mean of few is drawn to that of all

/// Means of the ratings of a training.
class RatingMeans {
 public:
  RatingMeans(std::span<const Feedback> rows, std::span<const float> labels, std::size_t count,
              std::uint32_t Feedback::* number)
      : number_(number), sums_(count), counts_(count) {
    for (const Feedback& row : rows) mean_ += labels[row.row];
    mean_ /= static_cast<double>(std::max<std::size_t>(rows.size(), 1));
    for (const Feedback& row : rows) {
      sums_[row.*number] += labels[row.row] - mean_;
      ++counts_[row.*number];
    }
  }
  double mean() const { return mean_; }
  double of(const Feedback& row) const {
    return mean_ + sums_[row.*number_] / (counts_[row.*number_] + kMeanDrawnBy);
  }

 private:
  std::uint32_t Feedback::* const number_;
  double mean_ = 0;
  std::vector<double> sums_, counts_;
};

/// What the model foresees of each row; each user is asked for once.
std::vector<double> foresee(const RankingModel& model, const EvaluationData& data) {
  std::vector<std::uint32_t> order(data.asked.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return data.asked[i].user; });
  std::vector<double> ratings(data.asked.size());
  std::vector<float> scores(data.items);
  for (std::size_t k = 0; k < order.size(); ++k) {
    const Feedback& row = data.asked[order[k]];
    if (k == 0 || data.asked[order[k - 1]].user != row.user)
      model.score({.history = {}, .now = row.time, .user = row.user}, scores);
    ratings[order[k]] = scores[row.item];
  }
  return ratings;
}

double root_mean(std::span<const float> squares) {
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0) /
                   static_cast<double>(std::max<std::size_t>(squares.size(), 1)));
}

/// The mean with its interval; the errors of one person are alike.
Estimate mean_by_people(std::vector<float> values, std::span<const std::uint32_t> people,
                        const EvaluationOptions& options) {
  const std::vector<std::vector<float>> measures = {std::move(values)};
  return bootstrap_means_of_people(measures, people, options.resamples, options.seed).front();
}

/// By how much each of `worse` is above `better`, in the mean.
Estimate less_error(std::span<const float> better, std::span<const float> worse,
                    std::span<const std::uint32_t> people, const EvaluationOptions& options) {
  std::vector<float> gains(std::min(better.size(), worse.size()));
  for (std::size_t i = 0; i < gains.size(); ++i) gains[i] = worse[i] - better[i];
  return mean_by_people(std::move(gains), people, options);
}

}  // namespace

RatingQuality judge_ratings(const RankingModel& model, const EvaluationData& data,
                            const EvaluationOptions& options) {
  const std::span<const float> labels = data.features->labels;
  const RatingMeans items(data.train, labels, data.items, &Feedback::item);
  const RatingMeans users(data.train, labels, data.users, &Feedback::user);
  const auto errors = [&](auto&& foreseen) {
    std::vector<float> squares;
    for (std::size_t i = 0; i < data.asked.size(); ++i) {
      const double error = foreseen(i) - static_cast<double>(labels[data.asked[i].row]);
      squares.push_back(static_cast<float>(error * error));
    }
    return squares;
  };
  const std::vector<double> ratings = foresee(model, data);
  const std::vector<float> of_mean = errors([&](std::size_t) { return items.mean(); });
  const std::vector<float> of_items = errors([&](std::size_t i) { return items.of(data.asked[i]); });
  const std::vector<float> of_users = errors([&](std::size_t i) { return users.of(data.asked[i]); });
  RatingQuality quality{.rows = data.asked.size(),
                        .rmse = {},
                        .mean_rmse = root_mean(of_mean),
                        .item_mean_rmse = root_mean(of_items),
                        .user_mean_rmse = root_mean(of_users),
                        .baseline = "the mean of all",
                        .gain = {},
                        .squared_errors = errors([&](std::size_t i) { return ratings[i]; }),
                        .people = {}};
  for (const Feedback& row : data.asked) quality.people.push_back(row.user);
  const Estimate mse = mean_by_people(quality.squared_errors, quality.people, options);
  quality.rmse = {std::sqrt(mse.mean), std::sqrt(mse.low), std::sqrt(mse.high)};
  const std::vector<float>* best = &of_mean;
  if (quality.item_mean_rmse == quality.baseline_rmse()) {
    quality.baseline = "the mean of each item";
    best = &of_items;
  } else if (quality.user_mean_rmse == quality.baseline_rmse()) {
    quality.baseline = "the mean of each user";
    best = &of_users;
  }
  quality.gain = less_error(quality.squared_errors, *best, quality.people, options);
  return quality;
}

Estimate difference(const RatingQuality& a, const RatingQuality& b, const EvaluationOptions& options) {
  return less_error(a.squared_errors, b.squared_errors, a.people, options);
}

nlohmann::json to_json(const RatingQuality& quality) {
  const auto estimate = [](const Estimate& e) {
    return nlohmann::json{{"mean", e.mean}, {"low", e.low}, {"high", e.high}};
  };
  return {{"rows", quality.rows},
          {"rmse", estimate(quality.rmse)},
          {"mean_rmse", quality.mean_rmse},
          {"item_mean_rmse", quality.item_mean_rmse},
          {"user_mean_rmse", quality.user_mean_rmse},
          {"baseline", quality.baseline},
          {"squared_error_gain", estimate(quality.gain)}};
}

std::string to_text(const RatingQuality& quality) {
  const char* than = quality.gain.low > 0    ? "better than"
                     : quality.gain.high < 0 ? "worse than"
                                             : "cannot be told from";
  return fmt::format("RMSE {:.3f} ({:.3f} to {:.3f}) of {} ratings held out: {} {}, {:.3f}",
                     quality.rmse.mean, quality.rmse.low, quality.rmse.high, quality.rows, than,
                     quality.baseline, quality.baseline_rmse());
}

}  // namespace millrace
