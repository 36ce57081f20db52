#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace millrace {

/// P(y = 1 | x) = 1 / (1 + e^−(intercept + weights · x)).
struct LogisticRegression {
  double intercept = 0;
  std::vector<double> weights;
};

/// Fit to rows of `columns` numbers, one after the other in `x`, and what came of each in `y` (0 or 1), by
/// Newton's method with a penalty of `l2`/2 · |weights|² on the sum over rows. Deterministic. Errors:
/// kInvalid when there is no row, all of y are the same, or a number is not finite.
Result<LogisticRegression> fit_logistic(std::span<const float> x, std::size_t columns,
                                        std::span<const std::uint8_t> y, double l2);

}  // namespace millrace
