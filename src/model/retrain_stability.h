#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "linalg/matrix.h"
#include "model/retrain_report.h"

namespace millrace {

/// Adds up what changes between successive trainings. One thread.
class StabilityTally {
 public:
  /// Compare the lists of the same cases by the model before and the one after; empty ones on both sides are
  /// left out.
  void add_lists(std::span<const std::vector<std::uint32_t>> before,
                 std::span<const std::vector<std::uint32_t>> after);

  /// Compare the vectors of items that both have, which are the first ones; those of length 0 are left out.
  void add_vectors(MatrixView before, MatrixView after);

  std::optional<Churn> churn() const;        ///< means of the comparisons
  std::optional<VectorDrift> drift() const;  ///< means of the comparisons

 private:
  Churn lists_;
  VectorDrift vectors_;
};

}  // namespace millrace
