#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "linalg/matrix.h"
#include "model/sparse_matrix.h"
#include "model/training.h"

namespace millrace {

// Models in which an item speaks for other items: the score of item j for someone who met `row` is
// Σ row.value(i) · weight(i, j). Both learn from who met what: rows are users (or sessions), columns items,
// values how much. Scores take only what the person met, so people never seen in training are served at once.

/// Write to `scores`, one for each item, what the items of `row` say of them.
void score_by_items(const SparseMatrix& weights, const SparseMatrix::Row& row, std::span<float> scores);
void score_by_items(MatrixView weights, const SparseMatrix::Row& row, std::span<float> scores);

/// The row of meetingsᵀ·meetings of one item, without allocating for each: who met it also met these.
/// Threads: one object each.
class CoMeetings {
 public:
  /// `met_by` is `meetings` transposed. Both must outlive the object.
  CoMeetings(const SparseMatrix& meetings, const SparseMatrix& met_by)
      : meetings_(meetings), met_by_(met_by), sums_(meetings.columns()) {}

  /// Return for every item how much it was met together with `item`; valid until the next call.
  std::span<const float> of(std::size_t item);

 private:
  const SparseMatrix& meetings_;
  const SparseMatrix& met_by_;
  std::vector<float> sums_;
};

struct ItemKnnSettings {
  std::size_t neighbours = 200;  ///< kept of each item
  double damping = 5;  ///< below the cosine's fraction, so that items met together once prove little
};

/// Neighbours by cosine: weight(i, j) = C(i,j) / (√(C(i,i)·C(j,j)) + damping).
struct ItemKnnModel {
  SparseMatrix weights;  ///< items × items; the diagonal is empty
};

/// Errors: kInvalid for no cells or settings out of range; kCancelled.
Result<ItemKnnModel> train_item_knn(const SparseMatrix& meetings, const ItemKnnSettings& settings,
                                    const TrainingControl& control);

struct EaseSettings {
  double regularization = 500;     ///< λ, added to the diagonal of the co-occurrences
  std::size_t items_max = 25'000;  ///< more are refused: memory is 8 bytes · items², time grows with items³
};

/// Weights that rebuild what people met from the rest of what they met, in closed form (Steck, Embarrassingly
/// Shallow Autoencoders for Sparse Data, 2019).
struct EaseModel {
  Matrix weights;  ///< items × items; zeros on the diagonal
};

/// Errors: kInvalid for no cells, settings out of range, or more items than settings.items_max; kCancelled.
Result<EaseModel> train_ease(const SparseMatrix& meetings, const EaseSettings& settings,
                             const TrainingControl& control);

}  // namespace millrace
