#include "model/feature_taste_testing.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "linalg/kernels.h"

namespace millrace {
namespace {

/// Say a coordinate of a vector as a word, for bands of 0.1.
std::string band_word(std::size_t coordinate, float value) {
  return std::string(1, static_cast<char>('a' + coordinate)) +
         std::to_string(std::clamp(static_cast<int>(std::floor(value * 10)), -20, 20) + 20);
}

FeatureTable describe(const Matrix& hidden, bool ids, std::mt19937_64& random) {
  FeatureTable table;
  std::normal_distribution<double> blur(0, 0.03);
  const std::size_t numbers = hidden.columns / 2;
  for (std::size_t k = 0; k < numbers; ++k)
    table.columns.push_back({.name = "number_" + std::to_string(k), .kind = ColumnKind::kNumber});
  table.columns.push_back({.name = "band", .kind = ColumnKind::kCategory});
  table.columns.push_back({.name = "words", .kind = ColumnKind::kText});
  if (ids) table.columns.push_back({.name = "id", .kind = ColumnKind::kCategory});
  for (std::size_t i = 0; i < hidden.rows; ++i) {
    table.ids.push_back(std::to_string(i));
    for (std::size_t k = 0; k < numbers; ++k)
      table.columns[k].numbers.push_back(random() % 10 == 0 ? std::nan("") : hidden.row(i)[k] + blur(random));
    std::string words;
    for (std::size_t k = 0; k < hidden.columns; ++k) words += band_word(k, hidden.row(i)[k]) + ' ';
    table.columns[numbers].texts.push_back(band_word(numbers, hidden.row(i)[numbers]));
    table.columns[numbers + 1].texts.push_back(words);
    if (ids) table.columns[numbers + 2].texts.push_back(table.ids.back());
  }
  return table;
}

/// How often each item was met in training by those who are in it.
std::vector<float> times_met(const PlantedFeatures& features) {
  std::vector<float> times(features.items.rows());
  for (const TwoTowerExample& example : features.examples) times[example.item] += 1;
  return times;
}

/// What user `u` met and no example has, of the items from `first_item` on.
std::vector<std::uint32_t> unforeseen(const PlantedFeatures& features, std::uint32_t u, bool cold_user,
                                      std::size_t first_item) {
  const std::size_t warm_items = features.items.rows() - features.cold_items;
  std::vector<std::uint32_t> wanted = features.planted.test[u];
  for (const std::uint32_t item : features.planted.train.row(u).columns)
    if (cold_user || item >= warm_items) wanted.push_back(item);
  std::erase_if(wanted, [&](std::uint32_t item) { return item < first_item; });
  std::ranges::sort(wanted);
  return wanted;
}

}  // namespace

PlantedFeatures plant_features(std::size_t users, std::size_t items, std::size_t dimensions,
                               std::size_t meetings, bool ids, std::uint64_t seed) {
  PlantedFeatures features{.planted = plant_tastes(users, items, dimensions, meetings, seed)};
  std::mt19937_64 random(seed + 1);
  features.users = describe(features.planted.tastes, ids, random);
  features.items = describe(features.planted.kinds, ids, random);
  FeatureColumn& popularity = features.items.columns.emplace_back();
  popularity.name = "popularity";
  popularity.numbers.assign(features.planted.popularity.begin(), features.planted.popularity.end());
  features.cold_users = users / 10;
  features.cold_items = items / 10;
  for (std::uint32_t u = 0; u < users - features.cold_users; ++u)
    for (const std::uint32_t item : features.planted.train.row(u).columns)
      if (item < items - features.cold_items) features.examples.push_back({.user = u, .item = item});
  std::ranges::shuffle(features.examples, random);
  return features;
}

PlantedScore judge_planted(const PlantedFeatures& features, const Matrix& scores, bool cold_users,
                           bool cold_items) {
  const std::size_t warm_users = features.users.rows() - features.cold_users;
  const std::size_t warm_items = features.items.rows() - features.cold_items;
  const std::size_t first_item = cold_items ? warm_items : 0;
  const std::vector<float> times = times_met(features);
  PlantedScore sum;
  double people = 0;
  for (auto u = static_cast<std::uint32_t>(cold_users ? warm_users : 0);
       u < (cold_users ? features.users.rows() : warm_users); ++u) {
    const auto wanted = unforeseen(features, u, cold_users, first_item);
    if (wanted.empty()) continue;
    // Not shown: what an example has, and everything before `first_item`.
    std::vector<std::uint32_t> masked;
    for (std::uint32_t item = 0; item < features.items.rows(); ++item) {
      const auto met = features.planted.train.row(u).columns;
      const bool trained = !cold_users && item < warm_items && std::ranges::binary_search(met, item);
      if (item < first_item || trained) masked.push_back(item);
    }
    const SparseMatrix::Row shown_before{masked, {}};
    sum.reached += ndcg_at_10(shown_before, wanted, scores.row(u));
    sum.oracle += ndcg_at_10(shown_before, wanted, features.planted.chances.row(u));
    sum.popularity += ndcg_at_10(shown_before, wanted, times);
    ++people;
  }
  return {sum.reached / people, sum.oracle / people, sum.popularity / people};
}

Matrix planted_scores(const TwoTowerModel& model, const PlantedFeatures& features) {
  const Embeddings users = model.users.embed(features.users, 2).value();
  const Embeddings items = model.items.embed(features.items, 2).value();
  Matrix scores(users.ids.size(), items.ids.size());
  for (std::size_t u = 0; u < users.ids.size(); ++u)
    kernels().dots(items.vectors.data(), items.vectors.rows, items.vectors.columns,
                   users.vectors.row(u).data(), scores.row(u).data());
  return scores;
}

}  // namespace millrace
