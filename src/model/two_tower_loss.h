#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linalg/matrix.h"

namespace millrace {

// What two towers are trained for, on one batch: row i of `users` and row i of `items` are the vectors of
// example i, of `count`, which the spans have a place for. Each weights[i] says how much an example counts.

/// How a loss changes by the vectors of a batch; the first `count` rows are written.
struct PairGradient {
  PairGradient(std::size_t rows, std::size_t dimensions) : users(rows, dimensions), items(rows, dimensions) {}
  Matrix users;
  Matrix items;
};

/// Return Σ weight · (bias + user·item - wanted)² / count. The dot product is taken as it is and not as a
/// cosine, since how far a rating is from the mean should show in the lengths of vectors; the cosine of two
/// vectors times a learnt factor has one such factor for everyone. `gradient`, unless null, gets the
/// changes, and *by_bias that of the bias.
double rating_loss(const Matrix& users, const Matrix& items, std::span<const float> wanted,
                   std::span<const float> weights, float bias, PairGradient* gradient, float* by_bias);

/// The other items of a batch as those that were not chosen.
class ChoiceLoss {
 public:
  /// Batches have at most `rows_max` rows. Needs temperature > 0.
  ChoiceLoss(std::size_t rows_max, double temperature)
      : scores_(rows_max, rows_max), temperature_(static_cast<float>(temperature)) {}

  /// Return Σ weight · -ln(e^own / (e^own + Σ_others e^(score - ln expected))) / count, where own and score
  /// are user·item / temperature. item_of[i] says which item that of example i is, log_shares[i] the
  /// logarithm of its share of all examples, so how often it is expected among the count - 1 others. Taking
  /// that off makes the sum an estimate without bias of that over all items (importance sampling; Bengio,
  /// Senécal, 2008), and scores tell how likely an item is, popularity included. The own item is there for
  /// certain, so nothing is taken off it (Yi and others, Sampling-Bias-Corrected Neural Modeling, 2019, do,
  /// which favours frequent items). Where another row is of the same item, it is left out. `gradient`, unless
  /// null, gets the changes.
  double of(const Matrix& users, const Matrix& items, std::span<const std::uint32_t> item_of,
            std::span<const float> log_shares, std::span<const float> weights, PairGradient* gradient);

 private:
  void mask_same_items(std::span<const std::uint32_t> item_of);

  Matrix scores_;
  float temperature_;
  std::vector<std::uint32_t> by_item_;  ///< rows of the batch, those of one item together
};

}  // namespace millrace
