#include "recommend/logistic_regression.h"

#include <algorithm>
#include <cmath>

#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr int kSteps = 50;
constexpr double kConverged = 1e-6;  ///< of the largest change of a weight
constexpr double kStepMax = 10;      ///< a weight moves by so much at the most in a step

/// One Newton step: the gradient and the Hessian of the penalised log-likelihood, the last column being the
/// intercept's, which is not penalised.
class NewtonStep {
 public:
  NewtonStep(std::span<const float> x, std::size_t columns, std::span<const std::uint8_t> y, double l2)
      : x_(x), columns_(columns), y_(y), l2_(l2) {}

  /// Move `beta`; return by how much its largest number did, or nothing when the step cannot be made.
  double move(std::vector<double>& beta) {
    const std::size_t n = columns_ + 1;
    gradient_.assign(n, 0);
    hessian_.assign(n * n, 0);
    std::vector<double> row(n, 1);
    for (std::size_t i = 0; i < y_.size(); ++i) {
      for (std::size_t k = 0; k < columns_; ++k) row[k] = x_[i * columns_ + k];
      add(row, y_[i], beta);
    }
    for (std::size_t k = 0; k < columns_; ++k) {
      gradient_[k] -= l2_ * beta[k];
      hessian_[k * n + k] += l2_;
    }
    const auto scale = static_cast<double>(y_.size());
    std::vector<float> a(n * n), b(n);
    for (std::size_t k = 0; k < n; ++k) b[k] = static_cast<float>(gradient_[k] / scale);
    for (std::size_t k = 0; k < n * n; ++k) a[k] = static_cast<float>(hessian_[k] / scale);
    for (std::size_t k = 0; k < n; ++k) a[k * n + k] += 1e-7F;
    if (!kernels().cholesky_solve(a.data(), n, b.data())) return 0;
    double largest = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const double change = std::clamp<double>(b[k], -kStepMax, kStepMax);
      beta[k] += change;
      largest = std::max(largest, std::abs(change));
    }
    return largest;
  }

 private:
  void add(const std::vector<double>& row, std::uint8_t y, const std::vector<double>& beta) {
    double sum = 0;
    for (std::size_t k = 0; k < row.size(); ++k) sum += row[k] * beta[k];
    const double p = 1 / (1 + std::exp(-sum));
    const double weight = std::max(p * (1 - p), 1e-6);
    for (std::size_t k = 0; k < row.size(); ++k) {
      gradient_[k] += (y - p) * row[k];
      for (std::size_t j = 0; j <= k; ++j) hessian_[k * row.size() + j] += weight * row[k] * row[j];
    }
  }

  const std::span<const float> x_;
  const std::size_t columns_;
  const std::span<const std::uint8_t> y_;
  const double l2_;
  std::vector<double> gradient_, hessian_;
};

}  // namespace

Result<LogisticRegression> fit_logistic(std::span<const float> x, std::size_t columns,
                                        std::span<const std::uint8_t> y, double l2) {
  if (y.empty() || x.size() != y.size() * columns)
    return fail(Code::kInvalid, "there is nothing to learn from");
  if (!std::ranges::all_of(x, [](float value) { return std::isfinite(value); }))
    return fail(Code::kInvalid, "a number is not finite");
  const auto ones = static_cast<std::size_t>(std::ranges::count(y, 1));
  if (ones == 0 || ones == y.size()) return fail(Code::kInvalid, "all came to the same");
  std::vector<double> beta(columns + 1);
  beta.back() = std::log(static_cast<double>(ones) / static_cast<double>(y.size() - ones));
  NewtonStep step(x, columns, y, l2);
  for (int i = 0; i < kSteps && step.move(beta) > kConverged; ++i) {
  }
  LogisticRegression fitted{.intercept = beta.back(), .weights = std::move(beta)};
  fitted.weights.pop_back();
  return fitted;
}

}  // namespace millrace
