#include "model/sparse_matrix.h"

#include <algorithm>
#include <cassert>

namespace millrace {
namespace {

/// Sort the cells of one row by column and add up those of one place; return how many are left.
std::size_t settle_row(std::span<SparseEntry> cells) {
  std::ranges::stable_sort(cells, {}, &SparseEntry::column);
  std::size_t kept = 0;
  for (const SparseEntry& cell : cells) {
    if (kept > 0 && cells[kept - 1].column == cell.column)
      cells[kept - 1].value += cell.value;
    else
      cells[kept++] = cell;
  }
  return kept;
}

}  // namespace

SparseMatrix::SparseMatrix(std::size_t rows, std::size_t columns, std::span<const SparseEntry> entries)
    : columns_(columns), begin_(rows + 1) {
  for (const SparseEntry& cell : entries) {
    assert(cell.row < rows && cell.column < columns);
    ++begin_[cell.row + 1];
  }
  for (std::size_t i = 0; i < rows; ++i) begin_[i + 1] += begin_[i];

  std::vector<SparseEntry> by_row(entries.size());
  std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
  for (const SparseEntry& cell : entries) by_row[next[cell.row]++] = cell;

  column_.reserve(entries.size());
  value_.reserve(entries.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const auto cells = std::span(by_row).subspan(begin_[i], begin_[i + 1] - begin_[i]);
    begin_[i] = column_.size();
    for (const SparseEntry& cell : cells.first(settle_row(cells))) {
      column_.push_back(cell.column);
      value_.push_back(cell.value);
    }
  }
  begin_[rows] = column_.size();
}

SparseMatrix SparseMatrix::transposed() const {
  SparseMatrix other;
  other.columns_ = rows();
  other.begin_.assign(columns_ + 1, 0);
  for (const std::uint32_t column : column_) ++other.begin_[column + 1];
  for (std::size_t i = 0; i < columns_; ++i) other.begin_[i + 1] += other.begin_[i];
  other.column_.resize(size());
  other.value_.resize(size());
  std::vector<std::size_t> next(other.begin_.begin(), other.begin_.end() - 1);
  for (std::size_t i = 0; i < rows(); ++i)
    for (std::size_t at = begin_[i]; at < begin_[i + 1]; ++at) {
      const std::size_t to = next[column_[at]]++;
      other.column_[to] = static_cast<std::uint32_t>(i);
      other.value_[to] = value_[at];
    }
  return other;
}

}  // namespace millrace
