#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

/// What one cell of a sparse matrix holds.
struct SparseEntry {
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  float value = 0;
};

/// A sparse matrix in compressed rows. The columns of a row ascend, each stands once.
class SparseMatrix {
 public:
  struct Row {
    std::span<const std::uint32_t> columns;
    std::span<const float> values;
    std::size_t size() const { return columns.size(); }
  };

  SparseMatrix() = default;

  /// Make one of cells in any order; those of one place are added up. Needs row < rows and column < columns
  /// of each, and fewer than 2^32 rows and columns.
  SparseMatrix(std::size_t rows, std::size_t columns, std::span<const SparseEntry> entries);

  std::size_t rows() const { return begin_.size() - 1; }
  std::size_t columns() const { return columns_; }
  std::size_t size() const { return column_.size(); }  ///< cells that are held

  Row row(std::size_t i) const {
    const auto begin = begin_[i], length = begin_[i + 1] - begin;
    return {std::span(column_).subspan(begin, length), std::span(value_).subspan(begin, length)};
  }

  SparseMatrix transposed() const;

 private:
  std::size_t columns_ = 0;
  std::vector<std::size_t> begin_ = {0};  ///< of each row, and the end
  std::vector<std::uint32_t> column_;
  std::vector<float> value_;
};

}  // namespace millrace
