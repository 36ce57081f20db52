#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace {

/// How an operand of `gemm` is read.
enum class Op : std::uint8_t { kAsIs, kTransposed };

/// One step of Adam (Kingma, Ba, 2015), with weight decay apart from the gradient (Loshchilov, Hutter, 2019):
/// mean = mean_keep · mean + (1 - mean_keep) · g, square = square_keep · square + (1 - square_keep) · g²,
/// x -= rate · mean / (√(square_scale · square) + epsilon) + decay · x.
struct AdamStep {
  float mean_keep = 0.9F;
  float square_keep = 0.999F;
  float rate = 0;          ///< with the correction of the mean: learning rate / (1 - mean_keep^t)
  float square_scale = 1;  ///< the correction of the square: 1 / (1 - square_keep^t)
  float epsilon = 1e-8F;
  float decay = 0;
};

/// What is made of the products of small numbers; see Kernels::block_bounds.
struct BoundTerms {
  float product = 1;
  float length = 0;
  float error = 0;
  float least = 0;
  std::int32_t zero = 0;
};

/// The few dense operations that training and search spend their time in, compiled for one kind of processor.
/// All matrices are row-major floats; a leading dimension (`lda`, …) is the number of floats from one row to
/// the next. Sums are made in an order that depends on the kind of processor and on nothing else, so results
/// are the same again on the same machine. Outputs must not overlap inputs. Threads: all are pure.
struct Kernels {
  std::string_view name;  ///< "generic", "x86-64-v3" (AVX2, FMA), "x86-64-v4" (AVX-512)

  /// C = alpha · op(A) · op(B) + beta · C, where op(A) is m × k, op(B) k × n and C m × n. With beta 0, C is
  /// only written.
  void (*gemm)(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
               std::size_t lda, const float* b, std::size_t ldb, float beta, float* c, std::size_t ldc);

  /// Return the dot product of two vectors of n.
  float (*dot)(const float* a, const float* b, std::size_t n);

  /// y += alpha · x, n long.
  void (*axpy)(float alpha, const float* x, float* y, std::size_t n);

  /// out[i] = rows[i] · x for `count` rows of n.
  void (*dots)(const float* rows, std::size_t count, std::size_t n, const float* x, float* out);

  /// out[i] = terms.product · scales[i] · (rows[i] · x - terms.zero) + terms.length · lengths[i] +
  /// terms.error · errors[i] + terms.least, for rows of n small numbers, 0 to 127, and x of -127 to 127. Rows
  /// lie in blocks of kBlockRows: of a block first the values 0 to 3 of each row, then 4 to 7 of each, and so
  /// on; n is a multiple of kBlockStep.
  void (*block_bounds)(const std::uint8_t* rows, std::size_t blocks, std::size_t n, const std::int8_t* x,
                       const BoundTerms& terms, const float* scales, const float* lengths,
                       const float* errors, float* out);

  /// Return the dot product of two vectors of n small numbers, -127 to 127; n is a multiple of kSmallStep.
  std::int32_t (*small_dot)(const std::int8_t* a, const std::int8_t* b, std::size_t n);

  /// out = Σ weights[i] · rows[i] + beta · out, for `count` rows of n.
  void (*weighted_sum)(const float* rows, std::size_t count, std::size_t n, const float* weights, float beta,
                       float* out);

  /// The lower triangle of A (n × n) += rowsᵀ · rows, for `count` rows of n.
  void (*add_gram)(const float* rows, std::size_t count, std::size_t n, float* a);

  /// Solve A·x = b for a symmetric positive definite A (n × n, its lower triangle is read, and overwritten);
  /// x takes the place of b. Returns false, with b spoilt, where A is not positive definite.
  bool (*cholesky_solve)(float* a, std::size_t n, float* b);

  /// Factor a symmetric positive definite A (n × n, its lower triangle is read) into L·Lᵀ, L in the lower
  /// triangle of A. Returns false where A is not positive definite.
  bool (*cholesky)(float* a, std::size_t n);

  /// Solve L·Lᵀ·X = B, for the factor L that `cholesky` left in A; B is given and X returned column by
  /// column: b[j · n …] is column j, for `count` columns.
  void (*cholesky_columns)(const float* a, std::size_t n, float* b, std::size_t count);

  /// x[i] = e^x[i] / Σ e^x; return ln Σ e^x of what x was. Needs n > 0 and a greatest that is finite. What is
  /// 60 or more below it, as -∞, becomes 1e-26 of it.
  float (*softmax)(float* x, std::size_t n);

  /// x[i] = max(0, x[i]).
  void (*rectify)(float* x, std::size_t n);

  /// x[i] = 0 wherever value[i] is not above 0.
  void (*pass_where_positive)(const float* value, float* x, std::size_t n);

  /// Take one step with the gradient g; all are n long.
  void (*adam)(const AdamStep& step, const float* g, float* mean, float* square, float* x, std::size_t n);
};

inline constexpr std::size_t kBlockRows = 16;
inline constexpr std::size_t kBlockStep = 4;
inline constexpr std::size_t kSmallStep = 32;

/// Return those for the best kind of processor that this machine is and this build has. Threads: any.
const Kernels& kernels();

/// Return every set this machine can run, the plainest first.
std::span<const Kernels* const> all_kernels();

}  // namespace millrace
