#include "model/two_tower_data.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

namespace millrace {
namespace {

std::unexpected<Error> two_tower_refuses(std::string_view message) {
  return fail(Code::kInvalid, fmt::format("two_tower: {}", message));
}

std::unexpected<Error> example_refused(std::size_t example, std::string_view message) {
  return fail(Code::kInvalid, fmt::format("two_tower: {}", message), fmt::format("example {}", example));
}

Status check_shape(const TowerShape& shape) {
  constexpr std::size_t kMost = 4'096;
  const auto fits = [](std::size_t size) { return size >= 1 && size <= kMost; };
  if (!fits(shape.dimensions)) return two_tower_refuses("dimensions must be 1 to 4096");
  if (!std::ranges::all_of(shape.hidden, fits)) return two_tower_refuses("hidden must be 1 to 4096 each");
  if (!fits(shape.category_dimensions) || !fits(shape.text_dimensions))
    return two_tower_refuses("category_dimensions and text_dimensions must be 1 to 4096");
  return {};
}

Status check_two_tower_settings(const TwoTowerSettings& s) {
  MILLRACE_TRY(check_shape(s.shape));
  if (s.batch < 2 || s.batch > 65'536) return two_tower_refuses("batch must be 2 to 65536");
  if (s.epochs < 1 || s.patience < 1) return two_tower_refuses("epochs and patience must be at least 1");
  if (!(s.learning_rate > 0 && s.learning_rate <= 1))
    return two_tower_refuses("learning_rate must be above 0, at most 1");
  if (!(s.weight_decay >= 0 && s.weight_decay * s.learning_rate < 1))
    return two_tower_refuses("weight_decay must not be negative, nor 1 / learning_rate or more");
  if (!(s.temperature > 0) || !std::isfinite(s.temperature))
    return two_tower_refuses("temperature must be above 0");
  if (!(s.held_out >= 0 && s.held_out <= 0.5)) return two_tower_refuses("held_out must be 0 to 0.5");
  if (s.rating_min && s.rating_max && !(*s.rating_min <= *s.rating_max))
    return two_tower_refuses("rating_min must not be above rating_max");
  return {};
}

Status check_rating(const TwoTowerExample& example, std::size_t i, const TwoTowerSettings& s) {
  if (std::isnan(example.label))
    return example_refused(i, "it has no rating; leave it out, or train for choices");
  if (!std::isfinite(example.label)) return example_refused(i, "its rating is infinite");
  if ((s.rating_min && example.label < *s.rating_min) || (s.rating_max && example.label > *s.rating_max))
    return example_refused(
        i, fmt::format("its rating {} is not within rating_min {} and rating_max {}", example.label,
                       s.rating_min ? fmt::to_string(*s.rating_min) : "(none)",
                       s.rating_max ? fmt::to_string(*s.rating_max) : "(none)"));
  return {};
}

Status check_examples(const FeatureTable& users, const FeatureTable& items,
                      std::span<const TwoTowerExample> examples, const TwoTowerSettings& s) {
  if (examples.empty()) return two_tower_refuses("there is nothing to learn from: no examples");
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const TwoTowerExample& example = examples[i];
    if (example.user >= users.rows() || example.item >= items.rows())
      return example_refused(
          i, fmt::format("it is of user {} and item {}, but there are {} users and {} items", example.user,
                         example.item, users.rows(), items.rows()));
    if (!(example.weight >= 0) || !std::isfinite(example.weight))
      return example_refused(i, fmt::format("its weight {} is negative or not finite", example.weight));
    if (s.goal == TwoTowerGoal::kRatings) MILLRACE_TRY(check_rating(example, i, s));
  }
  return {};
}

double weight_of(std::span<const TwoTowerExample> examples) {
  double sum = 0;
  for (const TwoTowerExample& example : examples) sum += example.weight;
  return sum;
}

constexpr std::size_t kHeldOutMin = 20;  ///< fewer examples cannot tell when to stop

/// Return how many examples are trained on: all, where those held out would be too few, or would count
/// nothing, or would be of one item, among which there is nothing to choose.
std::size_t trained_of(std::span<const TwoTowerExample> examples, double held_out) {
  const auto kept = static_cast<std::size_t>(held_out * static_cast<double>(examples.size()));
  const auto last = examples.last(kept);
  const bool of_one = std::ranges::all_of(last, [&](const auto& one) { return one.item == last[0].item; });
  return kept >= kHeldOutMin && !of_one && weight_of(last) > 0 ? examples.size() - kept : examples.size();
}

std::vector<std::uint32_t> count_rows(std::span<const std::uint32_t> rows, std::size_t table_rows) {
  std::vector<std::uint32_t> counts(table_rows);
  for (const std::uint32_t row : rows) ++counts[row];
  return counts;
}

void add_log_shares(std::span<const std::uint32_t> items, std::size_t table_rows, std::vector<float>& into) {
  const auto counts = count_rows(items, table_rows);
  for (const std::uint32_t item : items)
    into.push_back(std::log(static_cast<float>(counts[item]) / static_cast<float>(items.size())));
}

/// Learn the scale of the ratings trained on, and standardise all.
void standardise_ratings(std::span<const TwoTowerExample> examples, const TwoTowerSettings& settings,
                         TwoTowerData& data) {
  RatingScale scale;
  const auto trained = examples.first(data.trained);
  const double weight = weight_of(trained);
  for (const TwoTowerExample& example : trained) scale.mean += example.weight * example.label / weight;
  double squares = 0;
  for (const TwoTowerExample& example : trained)
    squares += example.weight * std::pow(example.label - scale.mean, 2) / weight;
  // All ratings the same: nothing to learn but that.
  scale.deviation = squares > 1e-12 * scale.mean * scale.mean ? std::sqrt(squares) : 1;
  const auto [least, greatest] = std::ranges::minmax(examples, {}, &TwoTowerExample::label);
  scale.min = settings.rating_min.value_or(least.label);
  scale.max = settings.rating_max.value_or(greatest.label);
  for (const TwoTowerExample& example : examples)
    data.wanted.push_back(static_cast<float>((example.label - scale.mean) / scale.deviation));
  data.ratings = scale;
}

/// Fit the encoders to what is trained on, and encode both tables.
Status encode_sides(const FeatureTable& users, const FeatureTable& items, const EncoderSettings& settings,
                    TwoTowerData& data) {
  data.user_counts = count_rows(std::span(data.user_of).first(data.trained), users.rows());
  data.item_counts = count_rows(std::span(data.item_of).first(data.trained), items.rows());
  MILLRACE_ASSIGN(data.user_encoder, FeatureEncoder::fit(users, data.user_counts, settings, "users"));
  MILLRACE_ASSIGN(data.item_encoder, FeatureEncoder::fit(items, data.item_counts, settings, "items"));
  MILLRACE_ASSIGN(data.users, data.user_encoder.encode(users));
  MILLRACE_ASSIGN(data.items, data.item_encoder.encode(items));
  return {};
}

}  // namespace

Result<TwoTowerData> prepare_two_tower(const FeatureTable& users, const FeatureTable& items,
                                       std::span<const TwoTowerExample> examples,
                                       const TwoTowerSettings& settings) {
  MILLRACE_TRY(check_two_tower_settings(settings));
  MILLRACE_TRY(check_features(users, "users"));
  MILLRACE_TRY(check_features(items, "items"));
  MILLRACE_TRY(check_examples(users, items, examples, settings));
  TwoTowerData data;
  data.trained = trained_of(examples, settings.held_out);
  const double weight = weight_of(examples.first(data.trained));
  if (!(weight > 0)) return two_tower_refuses("the weights of all examples that are trained on are 0");
  for (const TwoTowerExample& example : examples) {
    data.user_of.push_back(example.user);
    data.item_of.push_back(example.item);
    data.weights.push_back(static_cast<float>(example.weight * static_cast<double>(data.trained) / weight));
  }
  const auto trained_items = std::span(data.item_of).first(data.trained);
  if (settings.goal == TwoTowerGoal::kRatings)
    standardise_ratings(examples, settings, data);
  else if (std::ranges::all_of(trained_items, [&](auto item) { return item == trained_items[0]; }))
    return two_tower_refuses(
        "all examples that are trained on are of one item: there is no choice to learn from");
  add_log_shares(trained_items, items.rows(), data.log_shares);
  add_log_shares(std::span(data.item_of).subspan(data.trained), items.rows(), data.log_shares);
  MILLRACE_TRY(encode_sides(users, items, settings.encoder, data));
  return data;
}

}  // namespace millrace
