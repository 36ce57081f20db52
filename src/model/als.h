#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "linalg/matrix.h"
#include "model/sparse_matrix.h"
#include "model/training.h"

namespace millrace {

/// How a row of factors is solved for while the other side is fixed.
enum class AlsSolver : std::uint8_t {
  kConjugateGradient,  ///< a few steps from where it was (Takács and others, 2011): faster
  kCholesky,           ///< exactly
};

/// Settings of matrix factorization by alternating least squares on implicit feedback. The defaults are those
/// of Rendle and others, Revisiting the Performance of iALS on Item Recommendation Benchmarks, 2022.
struct AlsSettings {
  std::size_t factors = 64;
  int iterations = 16;
  double unobserved_weight = 0.1;  ///< α₀: how much every cell, met or not, pulls towards 0
  double regularization = 0.003;   ///< λ
  double frequency_exponent = 1;   ///< ν: λ of a row grows with (cells + α₀ · columns)^ν; 0: the same for all
  double start_deviation = 0.1;    ///< of the random factors, divided by √factors
  AlsSolver solver = AlsSolver::kConjugateGradient;
  int steps = 3;         ///< of the conjugate gradient, for each row
  double tolerance = 0;  ///< end once the loss falls by a smaller share than this; 0: never
  std::uint64_t seed = 1;
};

/// Factors: the score of an item for a user is the dot product of their rows.
struct AlsModel {
  AlsSettings settings;
  Matrix users;
  Matrix items;
};

/// Finds factors for people the training has not seen, or who did more since. Threads: any, at once.
class AlsFoldIn {
 public:
  /// `items` must outlive the object.
  AlsFoldIn(const AlsSettings& settings, MatrixView items, int threads = 1);

  /// Return the factors of someone who did `row` (columns are items, values weights as in the training), by
  /// the equation that training solves for a user, exactly; zeros for an empty row. Needs columns <
  /// items.rows.
  std::vector<float> factors(const SparseMatrix::Row& row) const;

  MatrixView items() const { return items_; }

 private:
  AlsSettings settings_;
  MatrixView items_;
  Matrix gram_;  ///< Σ yᵢ·yᵢᵀ of all items
};

/// Train on who met what: rows are users, values the weight of the meeting (1, or such as minutes read; none
/// may be negative). Makes Σ w(1 − x·y)² + α₀ Σ_all (x·y)² + Σ λ(…)(|x|² + |y|²) small. Errors: kInvalid for
/// no cells, for a weight that is negative or not finite, for settings out of range; kCancelled.
Result<AlsModel> train_als(const SparseMatrix& meetings, const AlsSettings& settings,
                           const TrainingControl& control);

}  // namespace millrace
