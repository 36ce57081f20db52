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
#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

/// sums[i] = rows[i] · x for the rows of one block. Two products of at most 127 · 127 fit into 16 bits, so
/// that none is lost on the way to 32.
void block_dots(const std::uint8_t* rows, std::size_t n, const std::int8_t* x, std::int32_t* sums) {
#if defined(__AVX512BW__)
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i all = _mm512_setzero_si512();
  for (std::size_t k = 0; k < n; k += kBlockStep, rows += kBlockRows * kBlockStep) {
    std::int32_t four;
    __builtin_memcpy(&four, x + k, sizeof(four));
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_loadu_si512(rows), _mm512_set1_epi32(four));
    all = _mm512_add_epi32(all, _mm512_madd_epi16(pairs, ones));
  }
  _mm512_storeu_si512(sums, all);
#elif defined(__AVX2__)
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
  for (std::size_t k = 0; k < n; k += kBlockStep, rows += kBlockRows * kBlockStep) {
    std::int32_t four;
    __builtin_memcpy(&four, x + k, sizeof(four));
    const __m256i factor = _mm256_set1_epi32(four);
    const auto* halves = reinterpret_cast<const __m256i*>(rows);
    const auto pairs = [&](int half) {
      return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_loadu_si256(halves + half), factor), ones);
    };
    low = _mm256_add_epi32(low, pairs(0));
    high = _mm256_add_epi32(high, pairs(1));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums) + 1, high);
#else
  for (std::size_t row = 0; row < kBlockRows; ++row) sums[row] = 0;
  for (std::size_t k = 0; k < n; k += kBlockStep, rows += kBlockRows * kBlockStep)
    for (std::size_t row = 0; row < kBlockRows; ++row)
      for (std::size_t i = 0; i < kBlockStep; ++i) sums[row] += rows[row * kBlockStep + i] * x[k + i];
#endif
}

void block_bounds(const std::uint8_t* rows, std::size_t blocks, std::size_t n, const std::int8_t* x,
                  const BoundTerms& terms, const float* scales, const float* lengths, const float* errors,
                  float* out) {
  for (std::size_t at = 0; at < blocks * kBlockRows; at += kBlockRows) {
    std::int32_t sums[kBlockRows];
    block_dots(rows + at * n, n, x, sums);
    float bounds[kBlockRows];  // of its own, so that the compiler need not fear to overwrite what it reads
    for (std::size_t i = 0; i < kBlockRows; ++i)
      bounds[i] = terms.product * scales[at + i] * static_cast<float>(sums[i] - terms.zero) +
                  terms.length * lengths[at + i] + terms.error * errors[at + i] + terms.least;
    __builtin_memcpy(out + at, bounds, sizeof(bounds));
  }
}

std::int32_t small_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
#if defined(__AVX512BW__)
  __m512i sums = _mm512_setzero_si512();
  for (std::size_t k = 0; k < n; k += kSmallStep) {
    const auto wide = [k](const std::int8_t* from) {
      return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k)));
    };
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(wide(a), wide(b)));
  }
  return _mm512_reduce_add_epi32(sums);
#elif defined(__AVX2__)
  __m256i sums = _mm256_setzero_si256();
  for (std::size_t k = 0; k < n; k += kSmallStep / 2) {
    const auto wide = [k](const std::int8_t* from) {
      return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k)));
    };
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(wide(a), wide(b)));
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
#else
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += a[k] * b[k];
  return sum;
#endif
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
                          .block_bounds = block_bounds,
                          .small_dot = small_dot,
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
