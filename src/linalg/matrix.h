#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace millrace {

/// A dense matrix of floats, row after row.
struct Matrix {
  Matrix() = default;
  Matrix(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), values(row_count * column_count) {}

  std::span<float> row(std::size_t i) { return {values.data() + i * columns, columns}; }
  std::span<const float> row(std::size_t i) const { return {values.data() + i * columns, columns}; }
  float* data() { return values.data(); }
  const float* data() const { return values.data(); }

  friend bool operator==(const Matrix&, const Matrix&) = default;

  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> values;  ///< rows × columns
};

/// A matrix that lies elsewhere, such as in a file that is mapped.
struct MatrixView {
  MatrixView() = default;
  MatrixView(const float* data, std::size_t row_count, std::size_t column_count)
      : values(data), rows(row_count), columns(column_count) {}
  MatrixView(const Matrix& matrix) : MatrixView(matrix.data(), matrix.rows, matrix.columns) {}

  std::span<const float> row(std::size_t i) const { return {values + i * columns, columns}; }
  const float* data() const { return values; }
  std::span<const float> all() const { return {values, rows * columns}; }

  const float* values = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
};

}  // namespace millrace
