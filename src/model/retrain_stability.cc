#include "model/retrain_stability.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "linalg/kernels.h"
#include "linalg/procrustes.h"

namespace millrace {
namespace {

constexpr std::uint64_t kShuffleSeed = 1;

std::size_t common_items(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  std::size_t common = 0;
  for (const std::uint32_t item : a) common += std::ranges::find(b, item) != b.end() ? 1 : 0;
  return common;
}

void add_of_length_1(std::span<const float> vector, float length, Matrix& into) {
  for (const float value : vector) into.values.push_back(value / length);
  ++into.rows;
}

float length_of(std::span<const float> vector) {
  return std::sqrt(kernels().dot(vector.data(), vector.data(), vector.size()));
}

/// Mean cosine of the rows of two matrices whose rows have length 1.
double mean_cosine(MatrixView a, MatrixView b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rows; ++i) sum += kernels().dot(a.row(i).data(), b.row(i).data(), a.columns);
  return sum / static_cast<double>(a.rows);
}

/// The same once `a` is turned to `b`: the sum of squares is least where the sum of cosines is greatest.
double aligned_cosine(MatrixView a, MatrixView b) {
  const Matrix rotation = procrustes_rotation(a, b);
  Matrix turned(a.rows, a.columns);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < a.columns; ++j) turned.row(i)[j] += a.row(i)[k] * rotation.row(k)[j];
  return mean_cosine(turned, b);
}

Matrix shuffled_rows(const Matrix& rows) {
  std::vector<std::size_t> order(rows.rows);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(kShuffleSeed);
  std::ranges::shuffle(order, random);
  Matrix shuffled(rows.rows, rows.columns);
  for (std::size_t i = 0; i < order.size(); ++i)
    std::ranges::copy(rows.row(order[i]), shuffled.row(i).begin());
  return shuffled;
}

}  // namespace

void StabilityTally::add_lists(std::span<const std::vector<std::uint32_t>> before,
                               std::span<const std::vector<std::uint32_t>> after) {
  double jaccard = 0, equal = 0;
  std::size_t compared = 0;
  for (std::size_t k = 0; k < before.size(); ++k) {
    const auto longer = static_cast<double>(std::max(before[k].size(), after[k].size()));
    if (longer == 0) continue;
    const std::size_t common = common_items(before[k], after[k]);
    jaccard += static_cast<double>(common) / static_cast<double>(before[k].size() + after[k].size() - common);
    equal += static_cast<double>(common) / longer;
    ++compared;
  }
  if (compared == 0) return;
  ++lists_.comparisons;
  lists_.jaccard += jaccard / static_cast<double>(compared);
  lists_.equal_share += equal / static_cast<double>(compared);
}

void StabilityTally::add_vectors(MatrixView before, MatrixView after) {
  if (before.columns != after.columns) return;
  Matrix a(0, before.columns), b(0, after.columns);
  for (std::size_t i = 0; i < std::min(before.rows, after.rows); ++i) {
    const float of_a = length_of(before.row(i)), of_b = length_of(after.row(i));
    if (of_a == 0 || of_b == 0) continue;
    add_of_length_1(before.row(i), of_a, a);
    add_of_length_1(after.row(i), of_b, b);
  }
  if (a.rows < 2) return;
  ++vectors_.comparisons;
  vectors_.items += static_cast<double>(a.rows);
  vectors_.cosine += mean_cosine(a, b);
  vectors_.aligned += aligned_cosine(a, b);
  vectors_.aligned_by_chance += aligned_cosine(shuffled_rows(a), b);
}

std::optional<Churn> StabilityTally::churn() const {
  if (lists_.comparisons == 0) return std::nullopt;
  const auto count = static_cast<double>(lists_.comparisons);
  return Churn{lists_.comparisons, lists_.jaccard / count, lists_.equal_share / count};
}

std::optional<VectorDrift> StabilityTally::drift() const {
  if (vectors_.comparisons == 0) return std::nullopt;
  const auto count = static_cast<double>(vectors_.comparisons);
  return VectorDrift{.comparisons = vectors_.comparisons,
                     .items = vectors_.items / count,
                     .cosine = vectors_.cosine / count,
                     .aligned = vectors_.aligned / count,
                     .aligned_by_chance = vectors_.aligned_by_chance / count};
}

}  // namespace millrace
