#include "model/ranking_metrics.h"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

float value(const MetricValues& values, Metric metric) {
  return values[static_cast<std::size_t>(metric)];
}

TEST(RankingMetrics, OfAListWorkedOutByHand) {
  const std::uint32_t list[] = {5, 3, 8, 1}, wanted[] = {1, 3, 9};
  const MetricValues values = judge(list, 4, wanted);
  const double ideal = 1 + 1 / std::log2(3) + 1 / std::log2(4);
  EXPECT_FLOAT_EQ(value(values, Metric::kNdcg),
                  static_cast<float>((1 / std::log2(3) + 1 / std::log2(5)) / ideal));
  EXPECT_FLOAT_EQ(value(values, Metric::kRecall), 2.F / 3);
  EXPECT_FLOAT_EQ(value(values, Metric::kPrecision), 2.F / 4);
  EXPECT_EQ(value(values, Metric::kHitRate), 1);
  EXPECT_FLOAT_EQ(value(values, Metric::kMrr), 1.F / 2);
  EXPECT_FLOAT_EQ(value(values, Metric::kMap), (1.F / 2 + 2.F / 4) / 3);
}

TEST(RankingMetrics, AShortListAndMoreWantedThanPlaces) {
  const std::uint32_t list[] = {0}, wanted[] = {0, 1, 2, 3};
  const MetricValues values = judge(list, 2, wanted);
  EXPECT_FLOAT_EQ(value(values, Metric::kRecall), 0.5) << "of the two places";
  EXPECT_FLOAT_EQ(value(values, Metric::kPrecision), 0.5);
  EXPECT_FLOAT_EQ(value(values, Metric::kNdcg), static_cast<float>(1 / (1 + 1 / std::log2(3))));
  EXPECT_THAT(judge({}, 5, wanted), testing::Each(0));
}

TEST(RankingMetrics, TheBestPossibleListIsOne) {
  const std::uint32_t list[] = {7, 2, 9}, wanted[] = {2, 7, 9};
  const MetricValues values = judge(list, 3, wanted);
  EXPECT_THAT(values, testing::Each(1));
}

TEST(BestItems, AreSortedWithoutTheMasked) {
  const float scores[] = {1, 5, 3, 5, 2};
  EXPECT_THAT(best_items(scores, 3, {}), ElementsAre(1, 3, 2));
  const std::uint32_t masked[] = {1, 2, 99};
  EXPECT_THAT(best_items(scores, 3, masked), ElementsAre(3, 4, 0));
  EXPECT_THAT(best_items(scores, 0, {}), IsEmpty());
  EXPECT_THAT(best_items({}, 3, {}), IsEmpty());
}

TEST(BestItems, LeaveOutWhatHasNoScore) {
  const float none = -std::numeric_limits<float>::infinity();
  const float scores[] = {none, std::nanf(""), -3, none};
  EXPECT_THAT(best_items(scores, 4, {}), ElementsAre(2));
}

TEST(BestItems, EqualWhatSortingAllGives) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> scores(200);
    for (float& score : scores) score = static_cast<float>(random() % 40);
    std::vector<std::uint32_t> all(200);
    for (std::uint32_t i = 0; i < 200; ++i) all[i] = i;
    std::ranges::stable_sort(all, [&](auto a, auto b) { return scores[a] > scores[b]; });
    all.resize(round);
    EXPECT_EQ(best_items(scores, static_cast<std::size_t>(round), {}), all);
  }
}

TEST(Bootstrap, HoldsTheMeanAndNarrowsWithMorePeople) {
  std::mt19937 random(5);
  const auto draw = [&](std::size_t n) {
    std::vector<float> values(n);
    for (float& v : values) v = static_cast<float>(random() % 2);
    return values;
  };
  const Estimate few = bootstrap_mean(draw(100), 1'000, 1), many = bootstrap_mean(draw(10'000), 1'000, 1);
  for (const Estimate& estimate : {few, many}) {
    EXPECT_LT(estimate.low, estimate.mean);
    EXPECT_GT(estimate.high, estimate.mean);
    EXPECT_NEAR(estimate.mean, 0.5, 0.15);
  }
  EXPECT_NEAR(few.high - few.low, 2 * 1.96 * 0.05, 0.03) << "as the normal distribution would have it";
  EXPECT_NEAR(many.high - many.low, 2 * 1.96 * 0.005, 0.003);
}

TEST(Bootstrap, OfNoneAndOfOne) {
  EXPECT_EQ(bootstrap_mean({}, 100, 1).mean, 0);
  const float one[] = {0.25};
  const Estimate estimate = bootstrap_mean(one, 100, 1);
  EXPECT_EQ(estimate.low, 0.25);
  EXPECT_EQ(estimate.high, 0.25);
}

TEST(Bootstrap, DrawsPeopleWithAllTheirValues) {
  // Ten people with ten equal values each: as uncertain as ten values, not as a hundred.
  std::vector<float> each, all;
  std::vector<std::uint32_t> people;
  for (std::uint32_t person = 0; person < 10; ++person) {
    each.push_back(static_cast<float>(person % 2));
    for (int k = 0; k < 10; ++k) {
      all.push_back(each.back());
      people.push_back(person * 7);
    }
  }
  const std::vector<std::vector<float>> measures = {all, std::vector<float>(100, 2)};
  const auto estimates = bootstrap_means_of_people(measures, people, 2'000, 1);
  const Estimate as_ten = bootstrap_mean(each, 2'000, 1), as_hundred = bootstrap_mean(all, 2'000, 1);
  EXPECT_DOUBLE_EQ(estimates[0].mean, 0.5);
  EXPECT_NEAR(estimates[0].high - estimates[0].low, as_ten.high - as_ten.low, 0.11);
  EXPECT_GT(estimates[0].high - estimates[0].low, 2 * (as_hundred.high - as_hundred.low));
  EXPECT_EQ(estimates[1].low, 2);
  EXPECT_EQ(bootstrap_means_of_people(measures, {}, 10, 1)[1].mean, 0);
}

}  // namespace
}  // namespace millrace
