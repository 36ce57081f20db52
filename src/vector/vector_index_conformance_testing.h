#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "vector/vector_index.h"

namespace millrace {

/// Makes an empty index of a shape.
using IndexMaker = std::function<std::unique_ptr<VectorIndex>(const VectorShape&)>;

/// What every VectorIndex must do, for both similarities. To run it on an implementation:
///   INSTANTIATE_TEST_SUITE_P(Exact, VectorIndexConformance, both_similarities(make));
class VectorIndexConformance : public ::testing::TestWithParam<std::pair<Similarity, IndexMaker>> {
 protected:
  VectorShape shape(std::size_t dimensions) const { return {dimensions, GetParam().first}; }
  std::unique_ptr<VectorIndex> make(std::size_t dimensions) const {
    return GetParam().second(shape(dimensions));
  }
};

inline auto both_similarities(const IndexMaker& make) {
  return ::testing::Values(std::pair(Similarity::kDot, make), std::pair(Similarity::kCosine, make));
}

/// Rows around a few centres, as real data lie: a graph finds nearly all of the nearest among them.
VectorRows clustered_rows(std::size_t count, std::size_t dimensions, std::uint64_t seed = 1);

/// Independent Gaussian rows: where all are about equally far from one another, no graph helps.
VectorRows gaussian_rows(std::size_t count, std::size_t dimensions, std::uint64_t seed = 1);

/// Return the nearest by comparing one pair after the other, in double.
std::vector<Neighbour> plain_neighbours(const VectorShape& shape, const VectorRows& rows,
                                        std::span<const float> query, std::size_t n,
                                        const IdFilter& filter = {});

/// Return the share of `wanted` that is among `found`.
double share_found(const std::vector<Neighbour>& wanted, const std::vector<Neighbour>& found);

void put_all(VectorIndex& index, const VectorRows& rows);

std::vector<std::string> ids_of(const std::vector<Neighbour>& neighbours);

}  // namespace millrace
