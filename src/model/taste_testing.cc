#include "model/taste_testing.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "linalg/kernels.h"

namespace millrace {

PlantedTastes plant_tastes(std::size_t users, std::size_t items, std::size_t dimensions, std::size_t meetings,
                           std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const auto draw = [&](std::size_t rows) {
    Matrix matrix(rows, dimensions);
    for (float& value : matrix.values) value = normal(random) / std::sqrt(static_cast<float>(dimensions));
    return matrix;
  };
  const Matrix tastes = draw(users), kinds = draw(items);
  std::vector<float> popularity(items);
  for (float& value : popularity) value = 0.5F * normal(random);

  PlantedTastes planted;
  planted.test.resize(users);
  planted.chances = Matrix(users, items);
  std::vector<SparseEntry> cells;
  std::uniform_real_distribution<float> uniform(1e-9F, 1);
  for (std::uint32_t u = 0; u < users; ++u) {
    // The first of an exponential race is a draw by weight; the first few are draws without repetition.
    std::vector<std::pair<float, std::uint32_t>> race(items);
    for (std::uint32_t i = 0; i < items; ++i) {
      const float chance =
          std::exp(5 * kernels().dot(tastes.row(u).data(), kinds.row(i).data(), dimensions) + popularity[i]);
      planted.chances.row(u)[i] = chance;
      race[i] = {-std::log(uniform(random)) / chance, i};
    }
    std::ranges::partial_sort(race, race.begin() + static_cast<std::ptrdiff_t>(meetings));
    std::ranges::shuffle(race.begin(), race.begin() + static_cast<std::ptrdiff_t>(meetings), random);
    for (std::size_t k = 0; k < meetings; ++k)
      if (k % 5 == 0)
        planted.test[u].push_back(race[k].second);
      else
        cells.push_back({u, race[k].second, 1});
    std::ranges::sort(planted.test[u]);
  }
  planted.train = SparseMatrix(users, items, cells);
  planted.tastes = tastes;
  planted.kinds = kinds;
  planted.popularity = popularity;
  return planted;
}

double ndcg_at_10(const SparseMatrix::Row& met, std::span<const std::uint32_t> wanted,
                  std::span<const float> scores) {
  if (wanted.empty()) return 0;
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < scores.size(); ++i)
    if (!std::ranges::binary_search(met.columns, i)) order.push_back(i);
  const std::size_t n = std::min<std::size_t>(10, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(n),
                            [&](auto a, auto b) { return scores[a] > scores[b]; });
  double gain = 0, best = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const double worth = 1 / std::log2(static_cast<double>(k) + 2);
    if (std::ranges::binary_search(wanted, order[k])) gain += worth;
    if (k < wanted.size()) best += worth;
  }
  return gain / best;
}

}  // namespace millrace
