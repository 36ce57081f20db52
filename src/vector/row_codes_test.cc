#include "vector/row_codes.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "linalg/kernels.h"
#include "vector/row_scan.h"

namespace millrace {
namespace {

/// Vectors of many kinds: of all sizes, with one value far above the others, sparse, all the same, zero.
std::vector<float> vector_of(std::size_t n, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(n);
  const auto kind = random() % 6;
  for (float& value : vector) value = kind == 5 ? 1 : normal(random);
  if (kind == 1) vector[random() % n] *= 1e4F;
  if (kind == 2)
    for (float& value : vector) value *= random() % 8 == 0 ? 1.F : 0.F;
  if (kind == 3)
    for (float& value : vector) value *= 1e-41F;
  if (kind == 4)
    for (float& value : vector) value *= 1e15F;
  return vector;
}

double product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

TEST(RowCodes, NoScoreIsAboveItsBound) {
  std::mt19937_64 random(3);
  for (const std::size_t n : {1u, 3u, 4u, 17u, 64u, 65u, 4096u}) {
    constexpr std::size_t kRows = 100;
    RowCodes codes(n);
    std::vector<std::vector<float>> rows;
    std::vector<float> factors;
    for (std::size_t i = 0; i < kRows; ++i) {
      rows.push_back(vector_of(n, random));
      factors.push_back(i % 2 == 0 ? 1 : inverse_length(rows.back()));
      codes.set(i, rows.back(), factors.back());
    }
    for (int round = 0; round < 20; ++round) {
      const std::vector<float> query = vector_of(n, random);
      std::vector<float> bounds((kRows + kBlockRows) / kBlockRows * kBlockRows);
      codes.bound(codes.code(query), 0, kRows, bounds.data());
      for (std::size_t i = 0; i < kRows; ++i) {
        ASSERT_GE(bounds[i], factors[i] * product(rows[i], query)) << n << " row " << i;
        ASSERT_GE(bounds[i], factors[i] * kernels().dot(rows[i].data(), query.data(), n)) << n;
      }
    }
  }
}

TEST(RowCodes, BoundsAreNear) {
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  constexpr std::size_t kDimensions = 64;
  std::vector<float> row(kDimensions), query(kDimensions), bounds(kBlockRows);
  for (int i = 0; i < 100; ++i) {
    for (float& value : row) value = normal(random);
    for (float& value : query) value = normal(random);
    RowCodes codes(kDimensions);
    codes.set(0, row, 1);
    codes.bound(codes.code(query), 0, 1, bounds.data());
    const double lengths = std::sqrt(product(row, row) * product(query, query));
    EXPECT_LT(bounds[0], product(row, query) + 0.05 * lengths);
  }
}

TEST(RowCodes, ASearchByThemFindsWhatOneWithoutFinds) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  constexpr std::size_t kRows = 3'000, kDimensions = 20;
  for (const float spread :
       {1.F, 1e-3F, 0.F}) {  // far apart; nearer to each other than codes can tell; equal
    std::vector<float> values;
    RowCodes codes(kDimensions);
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t k = 0; k < kDimensions; ++k) values.push_back(1 + spread * normal(random));
      codes.set(i, std::span(values).last(kDimensions), 1);
    }
    const RowBlock block{.values = values.data(), .rows = kRows, .dimensions = kDimensions};
    std::vector<float> queries(3 * kDimensions);
    for (float& value : queries) value = normal(random);
    const auto odd = [](VectorIndex::Slot slot) { return slot % 2 == 1; };
    std::vector<BestSlots> with(3, BestSlots(10)), without(3, BestSlots(10));
    scan_rows(block, codes, queries, with, odd);
    scan_rows(block, queries, without, odd);
    for (std::size_t q = 0; q < 3; ++q) {
      const auto found = with[q].take(), expected = without[q].take();
      ASSERT_EQ(found.size(), 10u);
      // Equals may change places where kernels add up in another order.
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i].score, expected[i].score, 1e-4) << spread << " place " << i;
    }
  }
}

}  // namespace
}  // namespace millrace
