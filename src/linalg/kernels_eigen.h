#pragma once

// The kernels, by Eigen. Included once for each kind of processor by a file of its own that is compiled for
// it, with MILLRACE_CPU naming the kind. Eigen's namespace gets a name of its own each time, or the linker
// would keep one of several equally named functions, possibly one that this machine cannot run; for the same
// reason nothing here may use what is not inlined from the standard library (the test linalg.variants looks).
#define MILLRACE_JOIN_2(a, b) a##b
#define MILLRACE_JOIN(a, b) MILLRACE_JOIN_2(a, b)
#define Eigen MILLRACE_JOIN(Eigen_, MILLRACE_CPU)
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_IO

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <cstddef>

#include "linalg/kernels.h"

namespace millrace {
namespace MILLRACE_CPU {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ColumnMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
using Vector = Eigen::Matrix<float, Eigen::Dynamic, 1>;
using Rows = Eigen::Map<const RowMajor, 0, Eigen::OuterStride<>>;
using Index = Eigen::Index;

Rows view(const float* data, std::size_t rows, std::size_t columns, std::size_t stride) {
  return {data, static_cast<Index>(rows), static_cast<Index>(columns),
          Eigen::OuterStride<>(static_cast<Index>(stride))};
}

void gemm(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, float beta, float* c, std::size_t ldc) {
  Eigen::Map<RowMajor, 0, Eigen::OuterStride<>> out(c, static_cast<Index>(m), static_cast<Index>(n),
                                                    Eigen::OuterStride<>(static_cast<Index>(ldc)));
  if (beta == 0)
    out.setZero();
  else if (beta != 1)
    out *= beta;
  if (op_a == Op::kAsIs && op_b == Op::kAsIs)
    out.noalias() += alpha * (view(a, m, k, lda) * view(b, k, n, ldb));
  else if (op_a == Op::kAsIs)
    out.noalias() += alpha * (view(a, m, k, lda) * view(b, n, k, ldb).transpose());
  else if (op_b == Op::kAsIs)
    out.noalias() += alpha * (view(a, k, m, lda).transpose() * view(b, k, n, ldb));
  else
    out.noalias() += alpha * (view(a, k, m, lda).transpose() * view(b, n, k, ldb).transpose());
}

Eigen::Map<const Vector> vector(const float* data, std::size_t n) {
  return {data, static_cast<Index>(n)};
}

float dot(const float* a, const float* b, std::size_t n) {
  return vector(a, n).dot(vector(b, n));
}

void axpy(float alpha, const float* x, float* y, std::size_t n) {
  Eigen::Map<Vector>(y, static_cast<Index>(n)) += alpha * vector(x, n);
}

void dots(const float* rows, std::size_t count, std::size_t n, const float* x, float* out) {
  Eigen::Map<Vector>(out, static_cast<Index>(count)).noalias() = view(rows, count, n, n) * vector(x, n);
}

void weighted_sum(const float* rows, std::size_t count, std::size_t n, const float* weights, float beta,
                  float* out) {
  Eigen::Map<Vector> sum(out, static_cast<Index>(n));
  if (beta == 0)
    sum.setZero();
  else if (beta != 1)
    sum *= beta;
  sum.noalias() += view(rows, count, n, n).transpose() * vector(weights, count);
}

void add_gram(const float* rows, std::size_t count, std::size_t n, float* a) {
  // Row-major lower is column-major upper: of the same memory.
  Eigen::Map<ColumnMajor> gram(a, static_cast<Index>(n), static_cast<Index>(n));
  gram.selfadjointView<Eigen::Upper>().rankUpdate(view(rows, count, n, n).transpose());
}

using Triangle = Eigen::Ref<ColumnMajor>;

bool cholesky(float* a, std::size_t n) {
  Eigen::Map<ColumnMajor> matrix(a, static_cast<Index>(n), static_cast<Index>(n));
  return Eigen::LLT<Triangle, Eigen::Upper>(matrix).info() == Eigen::Success;
}

void cholesky_columns(const float* a, std::size_t n, float* b, std::size_t count) {
  const Eigen::Map<const ColumnMajor> factor(a, static_cast<Index>(n), static_cast<Index>(n));
  Eigen::Map<ColumnMajor> columns(b, static_cast<Index>(n), static_cast<Index>(count));
  factor.triangularView<Eigen::Upper>().transpose().solveInPlace(columns);
  factor.triangularView<Eigen::Upper>().solveInPlace(columns);
}

bool cholesky_solve(float* a, std::size_t n, float* b) {
  if (!cholesky(a, n)) return false;
  const Eigen::Map<const ColumnMajor> factor(a, static_cast<Index>(n), static_cast<Index>(n));
  Eigen::Map<Vector> x(b, static_cast<Index>(n));
  factor.triangularView<Eigen::Upper>().transpose().solveInPlace(x);
  factor.triangularView<Eigen::Upper>().solveInPlace(x);
  return true;
}

using Array = Eigen::Array<float, Eigen::Dynamic, 1>;

float softmax(float* data, std::size_t n) {
  Eigen::Map<Array> x(data, static_cast<Index>(n));
  const float most = x.maxCoeff();
  // Nothing smaller, or it would end among the numbers that are slow to count with.
  x = (x - most).max(-60.F).exp();
  const float sum = x.sum();
  x *= 1 / sum;
  return most + std::log(sum);
}

// Plain loops: the compiler makes vectors of them, where Eigen would begin and end short rows number by
// number.

void rectify(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = x[i] > 0 ? x[i] : 0;
}

void pass_where_positive(const float* __restrict value, float* __restrict x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = value[i] > 0 ? x[i] : 0;
}

void adam(const AdamStep& step, const float* __restrict g, float* __restrict mean, float* __restrict square,
          float* __restrict x, std::size_t n) {
  const AdamStep s = step;
  for (std::size_t i = 0; i < n; ++i) {
    const float m = s.mean_keep * mean[i] + (1 - s.mean_keep) * g[i];
    const float v = s.square_keep * square[i] + (1 - s.square_keep) * g[i] * g[i];
    mean[i] = m;
    square[i] = v;
    x[i] -= s.rate * m / (std::sqrt(s.square_scale * v) + s.epsilon) + s.decay * x[i];
  }
}

}  // namespace

extern const Kernels kKernels;
const Kernels kKernels = {.name = MILLRACE_CPU_NAME,
                          .gemm = gemm,
                          .dot = dot,
                          .axpy = axpy,
                          .dots = dots,
                          .weighted_sum = weighted_sum,
                          .add_gram = add_gram,
                          .cholesky_solve = cholesky_solve,
                          .cholesky = cholesky,
                          .cholesky_columns = cholesky_columns,
                          .softmax = softmax,
                          .rectify = rectify,
                          .pass_where_positive = pass_where_positive,
                          .adam = adam};

}  // namespace MILLRACE_CPU
}  // namespace millrace
