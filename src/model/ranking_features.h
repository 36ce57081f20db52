#pragma once

#include <cstdint>
#include <vector>

#include "model/feature_columns.h"

namespace millrace {

/// What is known of the users and items of a set of interactions, for models that read features. The rows of
/// the two tables are what was known of someone or something at some time; several may be of one user or
/// item.
struct RankingFeatures {
  FeatureTable users;
  FeatureTable items;

  /// Of each interaction, by Feedback::row: what was known when it happened.
  std::vector<std::uint32_t> user_rows;
  std::vector<std::uint32_t> item_rows;
  std::vector<float> labels;  ///< ratings; empty where which item it was is all there is to learn

  /// Of each user and item, by number: what is taken where no interaction of the training says better.
  std::vector<std::uint32_t> first_user_row;
  std::vector<std::uint32_t> first_item_row;
};

}  // namespace millrace
