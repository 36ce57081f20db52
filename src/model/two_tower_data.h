#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/two_tower.h"

namespace millrace {

/// Examples as the two towers are trained on them: checked, split, standardised, encoded. Vectors have a
/// place for each example; the first `trained` are trained on, the others are held out.
struct TwoTowerData {
  std::size_t trained = 0;
  std::vector<std::uint32_t> user_of;
  std::vector<std::uint32_t> item_of;
  std::vector<float> weights;     ///< 1 in the mean of those trained on
  std::vector<float> wanted;      ///< ratings, standardised
  std::vector<float> log_shares;  ///< logarithm of the share of the example's item among those of its part

  FeatureEncoder user_encoder;
  FeatureEncoder item_encoder;
  EncodedRows users;
  EncodedRows items;
  std::vector<std::uint32_t> user_counts;  ///< how often each row occurs among those trained on
  std::vector<std::uint32_t> item_counts;
  std::optional<RatingScale> ratings;  ///< but for the bias, which is learnt

  std::size_t size() const { return user_of.size(); }
};

/// Prepare a training. Errors: those of train_two_tower.
Result<TwoTowerData> prepare_two_tower(const FeatureTable& users, const FeatureTable& items,
                                       std::span<const TwoTowerExample> examples,
                                       const TwoTowerSettings& settings);

}  // namespace millrace
