#include "linalg/kernels.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "linalg/matrix.h"

namespace millrace {
namespace {

/// Every set of kernels that this machine can run, against sums made one by one in double.
class KernelsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  Matrix random(std::size_t rows, std::size_t columns) {
    Matrix matrix(rows, columns);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& value : matrix.values) value = uniform(random_);
    return matrix;
  }
  static Matrix transposed(const Matrix& matrix) {
    Matrix other(matrix.columns, matrix.rows);
    for (std::size_t i = 0; i < matrix.rows; ++i)
      for (std::size_t j = 0; j < matrix.columns; ++j) other.row(j)[i] = matrix.row(i)[j];
    return other;
  }
  static double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
  }
  /// Well conditioned, symmetric; what it holds above the diagonal is wrong on purpose.
  Matrix positive_definite(std::size_t n) {
    const Matrix root = random(n, n);
    Matrix matrix(n, n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        matrix.row(i)[j] =
            j > i ? 1e9F : static_cast<float>(dot(root.row(i), root.row(j)) + (i == j ? n : 0));
    return matrix;
  }
  static double symmetric(const Matrix& a, std::size_t i, std::size_t j) {
    return a.row(std::max(i, j))[std::min(i, j)];
  }

  const Kernels& use_ = *GetParam();
  std::mt19937 random_{7};
};

constexpr std::size_t kSizes[] = {1, 2, 7, 8, 16, 17, 33, 64, 100, 130};

TEST_P(KernelsTest, BlockBounds) {
  std::uniform_int_distribution<int> value(0, 127), factor(-127, 127);
  for (const std::size_t n : {4u, 8u, 64u, 68u, 4096u})
    for (const bool extreme : {false, true}) {
      constexpr std::size_t kBlocks = 3, kRows = kBlocks * kBlockRows;
      std::vector<std::uint8_t> rows(kRows * n);
      for (auto& one : rows) one = static_cast<std::uint8_t>(extreme ? 127 : value(random_));
      std::vector<std::int8_t> x(n);
      for (auto& one : x) one = static_cast<std::int8_t>(extreme ? -127 : factor(random_));
      const Matrix of_rows = random(3, kRows);
      const BoundTerms terms{.product = 0.5F, .length = 3, .error = 7, .least = 0.25F, .zero = 1000};
      std::vector<float> out(kRows);
      use_.block_bounds(rows.data(), kBlocks, n, x.data(), terms, of_rows.row(0).data(),
                        of_rows.row(1).data(), of_rows.row(2).data(), out.data());
      for (std::size_t row = 0; row < kRows; ++row) {
        const std::uint8_t* const block = rows.data() + row / kBlockRows * kBlockRows * n;
        double sum = -1000;
        for (std::size_t k = 0; k < n; ++k)
          sum += block[k / kBlockStep * kBlockRows * kBlockStep + row % kBlockRows * kBlockStep +
                       k % kBlockStep] *
                 x[k];
        const double wanted =
            0.5 * of_rows.row(0)[row] * sum + 3 * of_rows.row(1)[row] + 7 * of_rows.row(2)[row] + 0.25;
        ASSERT_NEAR(out[row], wanted, 1e-5 + 1e-6 * std::abs(sum))
            << use_.name << ", n " << n << ", row " << row;
      }
    }
}

TEST_P(KernelsTest, SmallDot) {
  std::uniform_int_distribution<int> value(-127, 127);
  for (const std::size_t n : {32u, 64u, 96u, 4096u})
    for (const bool extreme : {false, true}) {
      std::vector<std::int8_t> a(n), b(n);
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < n; ++k) {
        a[k] = static_cast<std::int8_t>(extreme ? -127 : value(random_));
        b[k] = static_cast<std::int8_t>(extreme ? 127 : value(random_));
        sum += a[k] * b[k];
      }
      EXPECT_EQ(use_.small_dot(a.data(), b.data(), n), sum) << use_.name << ", n " << n;
    }
}

TEST_P(KernelsTest, GemmInEveryOrientation) {
  for (const auto& [m, n, k] :
       {std::tuple{1u, 1u, 1u}, {3u, 5u, 7u}, {16u, 33u, 64u}, {65u, 20u, 130u}, {128u, 64u, 17u}}) {
    const Matrix a = random(m, k), b = random(k, n), before = random(m, n + 3);
    const Matrix at = transposed(a), bt = transposed(b);
    for (const Op op_a : {Op::kAsIs, Op::kTransposed})
      for (const Op op_b : {Op::kAsIs, Op::kTransposed})
        for (const float beta : {0.F, 1.F, 0.5F}) {
          Matrix c = before;
          const Matrix& left = op_a == Op::kAsIs ? a : at;
          const Matrix& right = op_b == Op::kAsIs ? b : bt;
          use_.gemm(op_a, op_b, m, n, k, 2.F, left.data(), left.columns, right.data(), right.columns, beta,
                    c.data(), c.columns);
          for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < c.columns; ++j) {
              const double want =
                  j < n ? 2 * dot(a.row(i), bt.row(j)) + beta * before.row(i)[j] : before.row(i)[j];
              ASSERT_NEAR(c.row(i)[j], want, 1e-4) << m << n << k;
            }
        }
  }
}

TEST_P(KernelsTest, GemmWithBetaZeroOnlyWrites) {
  const float a = 2, b = 3;
  float c = std::nanf("");
  use_.gemm(Op::kAsIs, Op::kAsIs, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1);
  EXPECT_EQ(c, 6);
}

TEST_P(KernelsTest, VectorsOfAllLengths) {
  for (const std::size_t n : kSizes) {
    const Matrix rows = random(9, n), weights = random(1, 9), x = random(1, n);
    EXPECT_NEAR(use_.dot(rows.data(), x.data(), n), dot(rows.row(0), x.row(0)), 1e-4);

    Matrix y = x;
    use_.axpy(0.5F, rows.data(), y.data(), n);
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(y.row(0)[i], x.row(0)[i] + 0.5 * rows.row(0)[i], 1e-5);

    Matrix out(1, 9);
    use_.dots(rows.data(), 9, n, x.data(), out.data());
    for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(out.row(0)[i], dot(rows.row(i), x.row(0)), 1e-4);

    for (const float beta : {0.F, 0.5F}) {
      Matrix sum = x;
      use_.weighted_sum(rows.data(), 9, n, weights.data(), beta, sum.data());
      const Matrix columns = transposed(rows);
      for (std::size_t i = 0; i < n; ++i)
        EXPECT_NEAR(sum.row(0)[i], dot(columns.row(i), weights.row(0)) + beta * x.row(0)[i], 1e-4);
    }
  }
}

TEST_P(KernelsTest, GramAddsToTheLowerTriangleOnly) {
  for (const std::size_t n : kSizes) {
    const Matrix rows = random(21, n), before = random(n, n);
    const Matrix columns = transposed(rows);
    Matrix gram = before;
    use_.add_gram(rows.data(), 21, n, gram.data());
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        EXPECT_NEAR(gram.row(i)[j], before.row(i)[j] + (j <= i ? dot(columns.row(i), columns.row(j)) : 0),
                    1e-4);
  }
}

TEST_P(KernelsTest, CholeskySolvesWhatItIsGiven) {
  for (const std::size_t n : kSizes) {
    const Matrix a = positive_definite(n), b = random(3, n);
    const auto expect_solved = [&](std::span<const float> x, std::span<const float> right) {
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += symmetric(a, i, j) * x[j];
        EXPECT_NEAR(sum, right[i], 1e-3);
      }
    };
    Matrix work = a, x = b;
    ASSERT_TRUE(use_.cholesky_solve(work.data(), n, x.data()));
    expect_solved(x.row(0), b.row(0));

    Matrix factor = a, columns = b;
    ASSERT_TRUE(use_.cholesky(factor.data(), n));
    use_.cholesky_columns(factor.data(), n, columns.data(), 3);
    for (std::size_t j = 0; j < 3; ++j) expect_solved(columns.row(j), b.row(j));
  }
}

TEST_P(KernelsTest, CholeskyRefusesWhatIsNotPositiveDefinite) {
  float a[] = {1, 9, 2, 1};
  float b[] = {1, 1};
  EXPECT_FALSE(use_.cholesky_solve(a, 2, b));
}

TEST_P(KernelsTest, SoftmaxSumsUpToOneAndTellsTheLogarithmOfTheSum) {
  for (const std::size_t n : kSizes) {
    Matrix x = random(1, n);
    for (float& value : x.values) value = 90 * value + 50;  // e^140 is beyond a float
    const Matrix before = x;
    double sum = 0;
    for (const float value : before.values) sum += std::exp(static_cast<double>(value));
    EXPECT_NEAR(use_.softmax(x.data(), n), std::log(sum), 1e-4);
    for (std::size_t i = 0; i < n; ++i)
      EXPECT_NEAR(x.values[i], std::exp(static_cast<double>(before.values[i])) / sum, 1e-5);
  }
  float masked[] = {-INFINITY, 1, -INFINITY, 1};
  EXPECT_NEAR(use_.softmax(masked, 4), 1 + std::log(2), 1e-5);
  EXPECT_LT(masked[0], 1e-25);
  EXPECT_NEAR(masked[1], 0.5, 1e-6);
}

TEST_P(KernelsTest, RectifiesAndPassesWhatWasPositive) {
  for (const std::size_t n : kSizes) {
    const Matrix before = random(1, n), other = random(1, n);
    Matrix x = before, y = other;
    use_.rectify(x.data(), n);
    use_.pass_where_positive(before.data(), y.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(x.values[i], std::max(before.values[i], 0.F));
      EXPECT_EQ(y.values[i], before.values[i] > 0 ? other.values[i] : 0.F);
    }
  }
  const float zero = 0;
  float x = 1;
  use_.pass_where_positive(&zero, &x, 1);
  EXPECT_EQ(x, 0);
}

TEST_P(KernelsTest, AdamTakesTheStepItIsDefinedBy) {
  const AdamStep step{.mean_keep = 0.8F,
                      .square_keep = 0.9F,
                      .rate = 0.3F,
                      .square_scale = 2,
                      .epsilon = 0.1F,
                      .decay = 0.05F};
  for (const std::size_t n : kSizes) {
    const Matrix g = random(1, n), mean_before = random(1, n), x_before = random(1, n);
    Matrix mean = mean_before, square = random(1, n), x = x_before;
    for (float& value : square.values) value *= value;
    const Matrix square_before = square;
    use_.adam(step, g.data(), mean.data(), square.data(), x.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const double m = 0.8 * mean_before.values[i] + 0.2 * g.values[i];
      const double v = 0.9 * square_before.values[i] + 0.1 * g.values[i] * g.values[i];
      EXPECT_NEAR(mean.values[i], m, 1e-6);
      EXPECT_NEAR(square.values[i], v, 1e-6);
      EXPECT_NEAR(x.values[i], x_before.values[i] * 0.95 - 0.3 * m / (std::sqrt(2 * v) + 0.1), 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every, KernelsTest, testing::ValuesIn(all_kernels().begin(), all_kernels().end()),
                         [](const auto& tested) {
                           std::string name(tested.param->name);
                           std::erase_if(name, [](char c) { return c == '-'; });
                           return name;
                         });

TEST(Kernels, TakesTheBest) {
  EXPECT_EQ(&kernels(), all_kernels().back());
}

}  // namespace
}  // namespace millrace
