#include "linalg/procrustes.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace millrace {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Matrix matrix(rows, columns);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (float& value : matrix.values) value = uniform(random);
  return matrix;
}

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix product(a.rows, b.columns);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < b.columns; ++j) product.row(i)[j] += a.row(i)[k] * b.row(k)[j];
  return product;
}

/// A turn of the first two axes by `angle`, and the last axis mirrored.
Matrix turn_and_mirror(std::size_t size, float angle) {
  Matrix matrix(size, size);
  for (std::size_t i = 0; i < size; ++i) matrix.row(i)[i] = 1;
  matrix.row(0)[0] = matrix.row(1)[1] = std::cos(angle);
  matrix.row(0)[1] = std::sin(angle);
  matrix.row(1)[0] = -std::sin(angle);
  matrix.row(size - 1)[size - 1] = -1;
  return matrix;
}

TEST(Procrustes, FindsTheRotationBetweenTwoSets) {
  const Matrix from = random_matrix(50, 6, 1), wanted = turn_and_mirror(6, 1.2F);
  const Matrix found = procrustes_rotation(from, times(from, wanted));
  for (std::size_t k = 0; k < wanted.values.size(); ++k)
    EXPECT_NEAR(found.values[k], wanted.values[k], 1e-5) << k;
}

TEST(Procrustes, IsARotationAlsoWhereTheSetsLeaveDirectionsOpen) {
  Matrix from(3, 4), to(3, 4);
  from.row(0)[0] = 1;
  to.row(0)[1] = 2;
  const Matrix found = procrustes_rotation(from, to);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      float dot = 0;
      for (std::size_t k = 0; k < 4; ++k) dot += found.row(i)[k] * found.row(j)[k];
      EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-5);
    }
  EXPECT_NEAR(found.row(0)[1], 1, 1e-5);
}

}  // namespace
}  // namespace millrace
