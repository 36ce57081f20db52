#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

/// Return what the codes of a vector's values, -127 to 127, are to be multiplied by.
float byte_scale(std::span<const float> values);

/// Return the code of one of those values.
std::int8_t byte_code(float value, float scale);

/// A query as RowCodes compare it.
struct CodedQuery {
  std::vector<std::int8_t> values;  ///< the query is about `scale` times these, zeros up to a whole step
  float scale = 0;
  float length = 0;       ///< of the query
  float error = 0;        ///< the length of what the values do not tell
  std::int32_t zero = 0;  ///< what rows of nothing but the code of 0 give
};

/// Rows told in a byte a value, so that a search reads a quarter of the memory and yet misses nothing: of
/// each row it gives a score that the true one cannot be above. With row = s·c + e and query = t·k + d, the
/// product lies within |query|·|e| + |d|·|s·c| of s·t·(c·k) (Cauchy and Schwarz). One thread changes it.
class RowCodes {
 public:
  explicit RowCodes(std::size_t dimensions);

  /// Tell of row `row`, which is at most one beyond those there are. Scores are `factor` times the products.
  void set(std::size_t row, std::span<const float> values, float factor);

  /// Needs finite values.
  CodedQuery code(std::span<const float> query) const;

  /// Write what the scores of `count` rows from `from` on cannot be above, and something for the rows that
  /// their last block has beside. Needs `from` to be a multiple of kBlockRows, and `bounds` to hold whole
  /// blocks.
  void bound(const CodedQuery& query, std::size_t from, std::size_t count, float* bounds) const;

 private:
  std::size_t dimensions_;
  std::size_t width_;                ///< bytes of a row: the dimensions, up to a whole step
  std::vector<std::uint8_t> codes_;  ///< in blocks (Kernels::block_dots)
  std::vector<float> scales_;        ///< by row, with the factor in it, as the next two
  std::vector<float> lengths_;       ///< of what the codes tell
  std::vector<float> errors_;        ///< the length of what they do not
};

}  // namespace millrace
