#include "model/population_stability.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace millrace {
namespace {

/// Rows of people who each draw from the same bins; `repeats` of each person are of one bin.
struct DrawnRows {
  DrawnRows(std::size_t before, std::size_t after, std::size_t count, std::size_t repeats, std::uint64_t seed,
            std::size_t moved_to = 0, double moved = 0)
      : split(before) {
    std::mt19937_64 random(seed);
    std::vector<double> weights(count);
    for (std::size_t b = 0; b < count; ++b) weights[b] = 1.0 / static_cast<double>(b + 2);
    std::discrete_distribution<std::uint32_t> usual(weights.begin(), weights.end());
    std::bernoulli_distribution moves(moved);
    std::uint32_t person = 0, bin = 0;
    for (std::size_t row = 0; row < before + after; ++row) {
      if (row % repeats == 0) {
        ++person;
        bin = row >= before && moves(random) ? static_cast<std::uint32_t>(moved_to) : usual(random);
      }
      people.push_back(person);
      bins.push_back(bin);
    }
  }
  Stability measure(std::size_t count) const { return StabilityMeter(people, split).measure(bins, count); }

  std::size_t split;
  std::vector<std::uint32_t> people, bins;
};

constexpr std::uint64_t kDraws = 300;

TEST(PopulationStability, IsWhatTheFormulaSays) {
  // 60 and 40 of 100 before, 20 and 80 after; half a row is added to each bin.
  std::vector<std::uint32_t> people(200), bins;
  for (std::uint32_t row = 0; row < 200; ++row) {
    people[row] = row;
    bins.push_back(row < 100 ? row >= 60 : row >= 120);
  }
  const Stability found = StabilityMeter(people, 100).measure(bins, 2);
  const double p = 60.5 / 101, q = 20.5 / 101;
  EXPECT_NEAR(found.index, (q - p) * std::log(q / p) + (p - q) * std::log((1 - q) / (1 - p)), 1e-12);
  EXPECT_GT(found.beyond_chance(), kStabilityShifted);
}

TEST(PopulationStability, ChanceIsAsLargeAsItIsWhenRowsAreDrawnOneByOne) {
  double index = 0, by_chance = 0;
  for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
    const Stability found = DrawnRows(2'000, 500, 20, 1, seed).measure(20);
    index += found.index / kDraws;
    by_chance += found.by_chance / kDraws;
  }
  const double theory = 19 * (1 / 2'000.0 + 1 / 500.0);
  EXPECT_NEAR(by_chance, theory, 0.1 * theory);
  EXPECT_NEAR(index, theory, 0.1 * theory);
}

TEST(PopulationStability, NothingThatStaysTheSameIsCalledMoved) {
  struct Setting {
    std::size_t before, after, bins, repeats;
  };
  // People after: ten for each bin, in which each repeats themselves.
  for (const auto& [before, after, bins, repeats] : {Setting{3'000, 400, 2, 1},
                                                     {3'000, 400, 30, 1},
                                                     {3'000, 400, 5, 8},
                                                     {8'000, 800, 10, 8},
                                                     {8'000, 1'600, 20, 8}}) {
    std::uint64_t called = 0, naive = 0;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
      const Stability found = DrawnRows(before, after, bins, repeats, 1'000 + seed).measure(bins);
      called += found.beyond_chance() > kStabilityMoved;
      naive += found.index > kStabilityMoved;
    }
    EXPECT_LE(called, 2U) << bins << " bins, each person " << repeats << " times";
    if (bins == 20) {
      EXPECT_GT(naive, kDraws / 2) << "without the correction it would be";
    }
  }
}

TEST(PopulationStability, WhatMovesIsSeenThroughTheNoise) {
  for (const std::size_t repeats : {1, 4}) {
    std::uint64_t seen = 0;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed)
      seen +=
          DrawnRows(3'000, 600, 20, repeats, seed, 15, 0.4).measure(20).beyond_chance() > kStabilityShifted;
    EXPECT_GE(seen, kDraws - 2) << repeats;
  }
}

TEST(PopulationStability, SaysNothingOfOneSideAlone) {
  const std::vector<std::uint32_t> people = {0, 1}, bins = {0, 1};
  EXPECT_EQ(StabilityMeter(people, 0).measure(bins, 2).index, 0);
  EXPECT_EQ(StabilityMeter(people, 2).measure(bins, 2).index, 0);
  EXPECT_EQ(StabilityMeter({}, 0).measure({}, 2).beyond_chance(), 0);
}

}  // namespace
}  // namespace millrace
