#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/feature_columns.h"
#include "model/taste_testing.h"
#include "model/two_tower.h"

namespace millrace {

/// People with planted tastes and what can be seen of them: their features carry the hidden vectors, so that
/// a model which reads features alone can foresee what people and items do that it has never seen.
struct PlantedFeatures {
  PlantedTastes planted;
  FeatureTable users;
  FeatureTable items;
  std::size_t cold_users = 0;             ///< the last so many users have no example
  std::size_t cold_items = 0;             ///< the last so many items have no example
  std::vector<TwoTowerExample> examples;  ///< in random order
};

/// Make `users` × `items` as plant_tastes does, a tenth of each without examples. Of the hidden coordinates
/// the first half are numbers (blurred a little, a tenth of them missing), one is a category of bands, the
/// rest are words of a text (which has all of them); items tell their popularity as a number. With `ids`,
/// both have their ids as a category, of which nothing more can be learnt.
PlantedFeatures plant_features(std::size_t users, std::size_t items, std::size_t dimensions,
                               std::size_t meetings, bool ids, std::uint64_t seed);

/// What a model reaches, and what who knows the truth would: the mean NDCG@10.
struct PlantedScore {
  double reached = 0;
  double oracle = 0;
  double popularity = 0;  ///< of lists by how often items were met in training
  double share() const { return reached / oracle; }
};

/// Judge scores (users × items) on what people met and no example has. `cold_users`: those without examples,
/// else the others; `cold_items`: only items without examples are shown and wanted, else all.
PlantedScore judge_planted(const PlantedFeatures& features, const Matrix& scores, bool cold_users,
                           bool cold_items);

/// Return the scores of all users and items.
Matrix planted_scores(const TwoTowerModel& model, const PlantedFeatures& features);

}  // namespace millrace
