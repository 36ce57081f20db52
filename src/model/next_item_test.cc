#include "model/next_item.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

TEST(ForwardDecay, HalvesWithAge) {
  FadingCounts counts(kHourUs);
  counts.add(0, 0);
  counts.add(1, kHourUs);
  counts.add(1, 0);
  std::vector<float> scores(3);
  counts.score(3, scores);
  EXPECT_THAT(scores, ElementsAre(1, 3, 0)) << "1 against 2 + 1";
  EXPECT_TRUE(counts.has(0));
  EXPECT_FALSE(counts.has(2));
  EXPECT_FALSE(counts.has(99));
}

TEST(ForwardDecay, NeverGrowsOutOfBounds) {
  FadingCounts counts(kMinuteUs);
  for (TimeUs time = 0; time < 20 * kDayUs; time += 10 * kMinuteUs) counts.add(0, time);
  counts.add(1, 20 * kDayUs);
  std::vector<float> scores(2);
  counts.score(1, scores);
  EXPECT_NEAR(scores[0], std::exp2(-10.0), 1e-4);
  EXPECT_EQ(scores[1], 1);
}

TEST(ForwardDecay, WithoutAHalfLifeNothingFades) {
  FadingCounts counts(0);
  counts.add(0, 0);
  counts.add(1, 1'000 * kDayUs);
  std::vector<float> scores(2);
  counts.score(1, scores);
  EXPECT_THAT(scores, ElementsAre(1, 1));
}

class NextItemTest : public testing::Test {
 protected:
  std::vector<float> part(NextItemPart which, std::vector<std::uint32_t> items, std::size_t count,
                          TimeUs now = 0) {
    std::vector<float> scores(count);
    model_.score_part(which, items, now, scratch_, scores);
    return scores;
  }
  NextItemModel model_{NextItemSettings{}};
  NextItemModel::Scratch scratch_;
};

TEST_F(NextItemTest, LearnsWhatFollows) {
  for (std::uint64_t session = 0; session < 3; ++session) {
    model_.add(session, 0, 1);
    model_.add(session, session == 0 ? 2 : 1, 2);
    model_.add(session, 3, 3);
  }
  // 0 leads to 1 twice, to 2 once, and in two steps, which count half, to 3 three times.
  EXPECT_THAT(part(NextItemPart::kTransitions, {0}, 4),
              ElementsAre(0, 1, FloatNear(0.5, 1e-4), FloatNear(0.75, 1e-4)));
}

TEST_F(NextItemTest, ANewItemIsFresh) {
  model_.add(1, 0, 0);
  model_.add(2, 0, 6 * kHourUs);
  model_.add(3, 1, 6 * kHourUs);
  EXPECT_THAT(part(NextItemPart::kFreshness, {}, 2), ElementsAre(0.5, 1)) << "met first six hours ago";
  EXPECT_THAT(part(NextItemPart::kPopularity, {}, 2), ElementsAre(1, FloatNear(1 / 1.125F, 1e-4)));
}

TEST_F(NextItemTest, TheSumWeighsTheParts) {
  model_.add(1, 0, 0);
  model_.add(1, 1, 0);
  model_.add(2, 2, 0);
  model_.set_weights({0, 0, 0, 2, 3});
  std::vector<float> scores(3);
  model_.score(std::vector<std::uint32_t>{0}, 0, scratch_, scores);
  EXPECT_THAT(scores, ElementsAre(5, 5, 5));
  model_.set_weights({1, 1, 0, 0, 0});
  model_.score(std::vector<std::uint32_t>{0}, 0, scratch_, scores);
  EXPECT_THAT(scores, ElementsAre(1, 2, 0));
}

TEST_F(NextItemTest, OfASessionNobodyKnows) {
  model_.add(1, 0, 0);
  EXPECT_THAT(part(NextItemPart::kNeighbours, {7}, 1), ElementsAre(0));
  EXPECT_THAT(part(NextItemPart::kTransitions, {7}, 1), ElementsAre(0));
  EXPECT_THAT(part(NextItemPart::kPopularity, {7}, 1), ElementsAre(1));
}

TEST(NextItem, KeepsTheStrongestFollowers) {
  NextItemModel model({.transitions = 2});
  std::uint64_t session = 0;
  for (std::uint32_t item = 1; item <= 6; ++item)
    for (std::uint32_t times = 0; times < item; ++times) {
      model.add(++session, 0, 0);
      model.add(session, item, 0);
    }
  std::vector<float> scores(7);
  NextItemModel::Scratch scratch;
  model.score_part(NextItemPart::kTransitions, std::vector<std::uint32_t>{0}, 0, scratch, scores);
  EXPECT_EQ(scores[6], 1);
  EXPECT_LE(std::ranges::count_if(scores, [](float score) { return score > 0; }), 3);
}

}  // namespace
}  // namespace millrace
