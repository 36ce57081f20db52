#include "model/sparse_matrix.h"

#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SparseMatrix, AddsUpCellsOfOnePlaceAndSortsColumns) {
  const SparseMatrix matrix(3, 4, std::vector<SparseEntry>{{2, 3, 1}, {0, 1, 2}, {2, 0, 4}, {2, 3, 8}});
  EXPECT_EQ(matrix.rows(), 3u);
  EXPECT_EQ(matrix.columns(), 4u);
  EXPECT_EQ(matrix.size(), 3u);
  EXPECT_THAT(matrix.row(0).columns, ElementsAre(1));
  EXPECT_THAT(matrix.row(1).columns, IsEmpty());
  EXPECT_THAT(matrix.row(2).columns, ElementsAre(0, 3));
  EXPECT_THAT(matrix.row(2).values, ElementsAre(4, 9));
}

TEST(SparseMatrix, OfNothing) {
  EXPECT_EQ(SparseMatrix().rows(), 0u);
  const SparseMatrix empty(0, 0, {});
  EXPECT_EQ(empty.transposed().rows(), 0u);
}

TEST(SparseMatrix, TransposedHoldsTheSameCells) {
  std::mt19937 random(3);
  std::vector<SparseEntry> cells;
  std::map<std::pair<std::uint32_t, std::uint32_t>, float> want;
  for (int i = 0; i < 500; ++i) {
    const SparseEntry cell{static_cast<std::uint32_t>(random() % 40),
                           static_cast<std::uint32_t>(random() % 30), 1};
    cells.push_back(cell);
    want[{cell.column, cell.row}] += cell.value;
  }
  const SparseMatrix turned = SparseMatrix(40, 30, cells).transposed();
  std::map<std::pair<std::uint32_t, std::uint32_t>, float> got;
  for (std::uint32_t i = 0; i < turned.rows(); ++i) {
    const auto row = turned.row(i);
    EXPECT_TRUE(std::ranges::is_sorted(row.columns));
    for (std::size_t k = 0; k < row.size(); ++k) got[{i, row.columns[k]}] = row.values[k];
  }
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace millrace
