#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "linalg/matrix.h"
#include "model/feature_columns.h"
#include "model/feature_encoder.h"
#include "model/tower.h"
#include "model/training.h"

namespace millrace {

// The two-tower recommender: one network makes a vector of what is known of a person, another one a vector of
// what is known of an item, and their dot product says how well the two go together. Since it reads features,
// it has a vector for people and items that no training has seen; since the two sides meet only at the end,
// the best items for someone are a search among vectors made beforehand.
//   Huang and others, Learning Deep Structured Semantic Models for Web Search using Clickthrough Data, 2013;
//   Covington and others, Deep Neural Networks for YouTube Recommendations, 2016.

/// What a model is trained to foresee.
enum class TwoTowerGoal : std::uint8_t {
  kChoices,  ///< which item it was, among those of a batch; labels are not looked at
  kRatings,  ///< the label of each example
};

struct TwoTowerSettings {
  TwoTowerGoal goal = TwoTowerGoal::kChoices;
  TowerShape shape;  ///< of both towers
  EncoderSettings encoder;
  std::size_t batch = 256;
  int epochs = 20;
  double learning_rate = 0.002;  ///< of the first step; falls evenly to a twentieth after the last epoch
  /// Share that a step takes away of what it learns about, times the learning rate. A few thousand examples
  /// want 3 to 20.
  double weight_decay = 0.1;
  double temperature = 1;  ///< choices: what dot products are divided by
  /// Ratings beyond these are refused, and none beyond is foreseen; not set: those of the training.
  std::optional<double> rating_min;
  std::optional<double> rating_max;
  /// So much of the examples, from their end, is not trained on but tells when to stop: after `patience`
  /// epochs in which the loss there got no better. The weights that did best there are kept. 0: all epochs.
  double held_out = 0.1;
  int patience = 3;
  std::uint64_t seed = 1;
};

/// Vectors of rows of a table, with the rows' ids.
struct Embeddings {
  std::vector<std::string> ids;
  Matrix vectors;
};

/// One of the two sides: features in, vectors out. Threads: const methods from any.
struct TwoTowerSide {
  FeatureEncoder encoder;
  Tower tower;

  /// Return the vectors of all rows, seen in training or not; the same whatever `threads` is. Errors:
  /// kInvalid for a table without one of the columns trained with.
  Result<Embeddings> embed(const FeatureTable& table, int threads = 1) const;
};

/// What a dot product means as a rating: mean + deviation · (bias + dot), within min … max.
struct RatingScale {
  double mean = 0;
  double deviation = 1;
  double bias = 0;
  double min = 0;
  double max = 0;

  double rating(double dot) const;

  friend bool operator==(const RatingScale&, const RatingScale&) = default;
};

struct TwoTowerModel {
  TwoTowerSide users;
  TwoTowerSide items;
  std::optional<RatingScale> ratings;  ///< of a model that foresees ratings

  std::size_t held_out = 0;  ///< examples that told when to stop, and were not trained on
  int epochs = 0;            ///< that the weights kept were trained for
  double loss = 0;  ///< where they were kept for it: mean over the held-out examples, else the last epoch's

  /// Return how well a person and an item go together: the rating, else the dot product, of which the greater
  /// is the likelier item for one person.
  double score(std::span<const float> user, std::span<const float> item) const;
};

/// Train on examples, in order of time, whose numbers are rows of the tables. What the encoders know comes
/// from the examples that are trained on alone. Values of a category that none of those had get the mean of
/// the vectors of those that they had.
///
/// The same model for the same input, seed and kind of processor; `control.threads` from 2 on work on the two
/// towers at once. on_step is called after each epoch; stop is looked at after each batch.
///
/// Errors: kInvalid, with the number of the example or the name of the column, for no examples, rows beyond
/// the tables, weights that are negative, not finite or all 0, labels missing or out of range (ratings), one
/// item alone (choices: nothing else could have been chosen), tables check_features refuses or without
/// columns, settings out of range, a training that diverges; kCancelled.
Result<TwoTowerModel> train_two_tower(const FeatureTable& users, const FeatureTable& items,
                                      std::span<const TwoTowerExample> examples,
                                      const TwoTowerSettings& settings, const TrainingControl& control);

}  // namespace millrace
