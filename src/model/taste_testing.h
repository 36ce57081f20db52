#pragma once

#include <cstdint>
#include <vector>

#include "linalg/matrix.h"
#include "model/sparse_matrix.h"

namespace millrace {

/// People with planted tastes: who would meet what is known, so a model can be held against the truth.
struct PlantedTastes {
  SparseMatrix train;                            ///< users × items, ones
  std::vector<std::vector<std::uint32_t>> test;  ///< of each user: items met and not in `train`, ascending
  Matrix chances;  ///< users × items: how likely each meeting is, relative to one another
  Matrix tastes;   ///< users × dimensions: the hidden vectors
  Matrix kinds;    ///< items × dimensions
  std::vector<float> popularity;  ///< of items: chance = e^(5 · taste·kind + popularity)
};

/// Make `users` people who each meet about `meetings` of `items` items, drawn without repetition by how well
/// two hidden vectors of `dimensions` agree and by how popular the item is; a fifth of what each met is for
/// the test.
PlantedTastes plant_tastes(std::size_t users, std::size_t items, std::size_t dimensions, std::size_t meetings,
                           std::uint64_t seed);

/// Return the NDCG@10 of the ten best scores, without what the user met in training; 0 for no test items.
double ndcg_at_10(const SparseMatrix::Row& met, std::span<const std::uint32_t> wanted,
                  std::span<const float> scores);

}  // namespace millrace
