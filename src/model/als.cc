#include "model/als.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "base/parallel.h"
#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr std::size_t kRowsPerSlice = 128;
constexpr std::size_t kRowsAhead = 12;
constexpr std::size_t kCacheLineBytes = 64;
constexpr std::size_t kGatherRows =
    4'096;  ///< copied together: 1 MB of 64 factors, within a core's own cache

/// Solves for one row after another while the other side is fixed. One for each thread's slice.
class RowSolver {
 public:
  RowSolver(const AlsSettings& settings, MatrixView fixed, const Matrix& gram)
      : settings_(settings),
        fixed_(fixed),
        gram_(gram),
        n_(fixed.columns),
        right_(n_),
        residual_(n_),
        direction_(n_),
        product_(n_) {}

  /// Solve for the row that met `cells`, from what `x` is; return its part of the loss.
  double solve(const SparseMatrix::Row& cells, std::span<float> x) {
    if (cells.size() == 0) {
      std::ranges::fill(x, 0.F);
      return 0;
    }
    ridge_ = static_cast<float>(settings_.regularization *
                                std::pow(static_cast<double>(cells.size()) +
                                             settings_.unobserved_weight * static_cast<double>(fixed_.rows),
                                         settings_.frequency_exponent));
    gathered_from_ = kNothing;
    if (const std::size_t rows = std::min(kGatherRows, cells.size()); gathered_.rows < rows) {
      gathered_ = Matrix(rows, n_);
      weights_.resize(rows);
    }
    return settings_.solver == AlsSolver::kCholesky ? by_cholesky(cells, x) : by_gradient(cells, x);
  }

 private:
  static constexpr std::size_t kNothing = static_cast<std::size_t>(-1);

  /// Copy the fixed rows of cells from `from` on together; return how many.
  std::size_t gather(const SparseMatrix::Row& cells, std::size_t from) {
    const std::size_t count = std::min(kGatherRows, cells.size() - from);
    if (gathered_from_ == from) return count;
    // Rows lie anywhere in memory: asked for some ahead, they come while others are copied.
    for (std::size_t i = 0; i < count; ++i) {
      if (from + i + kRowsAhead < cells.size()) ask_for(fixed_.row(cells.columns[from + i + kRowsAhead]));
      std::ranges::copy(fixed_.row(cells.columns[from + i]), gathered_.row(i).begin());
    }
    gathered_from_ = from;
    return count;
  }

  static void ask_for(std::span<const float> row) {
    for (std::size_t at = 0; at < row.size(); at += kCacheLineBytes / sizeof(float))
      __builtin_prefetch(&row[at]);
  }

  /// out = A·x, with A = α₀·gram + Σ w·y·yᵀ + ridge; and, where `with_right`, right_ = Σ w·y.
  void apply(const SparseMatrix::Row& cells, const float* x, float* out, bool with_right = false) {
    if (with_right) std::ranges::fill(right_, 0.F);
    const auto scale = static_cast<float>(settings_.unobserved_weight);
    use_.dots(gram_.data(), n_, n_, x, out);
    for (std::size_t i = 0; i < n_; ++i) out[i] = scale * out[i] + ridge_ * x[i];
    for (std::size_t from = 0; from < cells.size(); from += kGatherRows) {
      const std::size_t count = gather(cells, from);
      if (with_right)
        use_.weighted_sum(gathered_.data(), count, n_, cells.values.data() + from, 1, right_.data());
      use_.dots(gathered_.data(), count, n_, x, weights_.data());
      for (std::size_t i = 0; i < count; ++i) weights_[i] *= cells.values[from + i];
      use_.weighted_sum(gathered_.data(), count, n_, weights_.data(), 1, out);
    }
  }

  /// Σw − b·x − x·r: the loss at x, whose residual is r = b − A·x.
  double loss(const SparseMatrix::Row& cells, std::span<const float> x) const {
    const double most = std::accumulate(cells.values.begin(), cells.values.end(), 0.0);
    return most - use_.dot(right_.data(), x.data(), n_) - use_.dot(residual_.data(), x.data(), n_);
  }

  double by_gradient(const SparseMatrix::Row& cells, std::span<float> x) {
    apply(cells, x.data(), product_.data(), true);
    for (std::size_t i = 0; i < n_; ++i) residual_[i] = right_[i] - product_[i];
    direction_ = residual_;
    float rest = use_.dot(residual_.data(), residual_.data(), n_);
    const float enough = 1e-12F * use_.dot(right_.data(), right_.data(), n_);
    for (int step = 0; step < settings_.steps && rest > enough; ++step) {
      apply(cells, direction_.data(), product_.data());
      const float along = use_.dot(direction_.data(), product_.data(), n_);
      if (!(along > 0)) break;
      use_.axpy(rest / along, direction_.data(), x.data(), n_);
      use_.axpy(-rest / along, product_.data(), residual_.data(), n_);
      const float now = use_.dot(residual_.data(), residual_.data(), n_);
      for (std::size_t i = 0; i < n_; ++i) direction_[i] = residual_[i] + now / rest * direction_[i];
      rest = now;
    }
    return loss(cells, x);
  }

  double by_cholesky(const SparseMatrix::Row& cells, std::span<float> x) {
    std::ranges::fill(right_, 0.F);
    left_.resize(n_ * n_);
    const auto scale = static_cast<float>(settings_.unobserved_weight);
    for (std::size_t i = 0; i < n_ * n_; ++i) left_[i] = scale * gram_.values[i];
    for (std::size_t i = 0; i < n_; ++i) left_[i * n_ + i] += ridge_;
    for (std::size_t from = 0; from < cells.size(); from += kGatherRows) {
      const std::size_t count = gather(cells, from);
      use_.weighted_sum(gathered_.data(), count, n_, cells.values.data() + from, 1, right_.data());
      for (std::size_t i = 0; i < count; ++i) {
        const float root = std::sqrt(cells.values[from + i]);
        if (root == 1) continue;
        for (float& value : gathered_.row(i)) value *= root;
      }
      use_.add_gram(gathered_.data(), count, n_, left_.data());
    }
    gathered_from_ = kNothing;
    std::ranges::copy(right_, x.begin());
    std::ranges::fill(residual_, 0.F);
    if (!use_.cholesky_solve(left_.data(), n_, x.data())) std::ranges::fill(x, 0.F);
    return loss(cells, x);
  }

  const Kernels& use_ = kernels();
  const AlsSettings& settings_;
  const MatrixView fixed_;
  const Matrix& gram_;
  const std::size_t n_;
  Matrix gathered_;
  std::size_t gathered_from_ = kNothing;
  std::vector<float> weights_, right_, residual_, direction_, product_, left_;
  float ridge_ = 0;
};

/// Return factorsᵀ·factors, whole. Sums slice by slice, so that it is the same with any number of threads.
Matrix gram_of(MatrixView factors, int threads) {
  constexpr std::size_t kSlice = 4'096;
  const std::size_t n = factors.columns;
  std::vector<Matrix> parts((factors.rows + kSlice - 1) / kSlice, Matrix(n, n));
  parallel_for(factors.rows, kSlice, threads, [&](std::size_t begin, std::size_t end) {
    kernels().add_gram(factors.row(begin).data(), end - begin, n, parts[begin / kSlice].data());
  });
  Matrix gram(n, n);
  for (const Matrix& part : parts) kernels().axpy(1, part.data(), gram.data(), n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) gram.row(i)[j] = gram.row(j)[i];
  return gram;
}

/// Solve for all rows of `moving`; return their part of the loss.
double solve_side(const SparseMatrix& cells, const AlsSettings& settings, const Matrix& fixed,
                  const Matrix& gram, Matrix& moving, const TrainingControl& control) {
  std::vector<double> losses((cells.rows() + kRowsPerSlice - 1) / kRowsPerSlice);
  parallel_for(
      cells.rows(), kRowsPerSlice, control.threads,
      [&](std::size_t begin, std::size_t end) {
        RowSolver solver(settings, fixed, gram);
        double loss = 0;
        for (std::size_t i = begin; i < end; ++i) loss += solver.solve(cells.row(i), moving.row(i));
        losses[begin / kRowsPerSlice] = loss;
      },
      control.stop);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

/// λ Σ (…)^ν |x|² of one side.
double ridge_loss(const SparseMatrix& cells, const AlsSettings& settings, const Matrix& factors) {
  double sum = 0;
  for (std::size_t i = 0; i < cells.rows(); ++i) {
    const auto row = factors.row(i);
    sum += std::pow(static_cast<double>(cells.row(i).size()) +
                        settings.unobserved_weight * static_cast<double>(cells.columns()),
                    settings.frequency_exponent) *
           kernels().dot(row.data(), row.data(), row.size());
  }
  return settings.regularization * sum;
}

Matrix random_factors(std::size_t rows, std::size_t columns, double deviation, std::uint64_t seed) {
  Matrix factors(rows, columns);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(
      0, static_cast<float>(deviation / std::sqrt(static_cast<double>(columns))));
  for (float& value : factors.values) value = normal(random);
  return factors;
}

Status check(const SparseMatrix& meetings, const AlsSettings& s) {
  const auto out_of_range = [](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("als: {}", what));
  };
  if (s.factors < 1 || s.factors > 4'096) return out_of_range("factors must be 1 to 4096");
  if (s.iterations < 1 || s.steps < 1) return out_of_range("iterations and steps must be at least 1");
  if (!(s.unobserved_weight >= 0) || !(s.regularization >= 0) || s.unobserved_weight + s.regularization <= 0)
    return out_of_range("unobserved_weight and regularization must not be negative, nor both 0");
  if (meetings.size() == 0) return out_of_range("there is nothing to learn from: nobody met anything");
  for (std::size_t i = 0; i < meetings.rows(); ++i)
    for (const float weight : meetings.row(i).values)
      if (!(weight >= 0) || !std::isfinite(weight))
        return out_of_range(fmt::format("the weight {} of user {} is negative or not finite", weight, i));
  return {};
}

}  // namespace

AlsFoldIn::AlsFoldIn(const AlsSettings& settings, MatrixView items, int threads)
    : settings_(settings), items_(items), gram_(gram_of(items, threads)) {
  settings_.solver = AlsSolver::kCholesky;
}

std::vector<float> AlsFoldIn::factors(const SparseMatrix::Row& row) const {
  std::vector<float> x(items_.columns);
  RowSolver(settings_, items_, gram_).solve(row, x);
  return x;
}

Result<AlsModel> train_als(const SparseMatrix& meetings, const AlsSettings& settings,
                           const TrainingControl& control) {
  MILLRACE_TRY(check(meetings, settings));
  const SparseMatrix met_by = meetings.transposed();
  AlsModel model{
      .settings = settings,
      .users = random_factors(meetings.rows(), settings.factors, settings.start_deviation, settings.seed),
      .items =
          random_factors(meetings.columns(), settings.factors, settings.start_deviation, ~settings.seed)};
  double last = 0;
  for (int step = 1; step <= settings.iterations; ++step) {
    solve_side(meetings, settings, model.items, gram_of(model.items, control.threads), model.users, control);
    double loss = solve_side(met_by, settings, model.users, gram_of(model.users, control.threads),
                             model.items, control);
    if (control.stopped()) return fail(Code::kCancelled, "als: the training was stopped");
    loss += ridge_loss(meetings, settings, model.users);
    if (!control.goes_on({.step = step, .steps = settings.iterations, .loss = loss})) break;
    if (step > 1 && last - loss < settings.tolerance * std::abs(last)) break;
    last = loss;
  }
  return model;
}

}  // namespace millrace
