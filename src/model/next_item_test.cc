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
  counts.add_shares(4, scores);
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
  counts.add_shares(1, scores);
  EXPECT_NEAR(scores[0], std::exp2(-10.0), 1e-4);
  EXPECT_NEAR(scores[1], 1, 2e-3);
}

TEST(ForwardDecay, WithoutAHalfLifeNothingFades) {
  FadingCounts counts(0);
  counts.add(0, 0);
  counts.add(1, 1'000 * kDayUs);
  std::vector<float> scores(2);
  counts.add_shares(1, scores);
  EXPECT_THAT(scores, ElementsAre(0.5, 0.5));
}

class NextItemTest : public testing::Test {
 protected:
  std::vector<float> part(NextItemPart which, std::vector<std::uint32_t> items, std::size_t count,
                          TimeUs now = 0) {
    std::vector<float> scores(count);
    model_.score_part(which, items, now, scratch_, scores);
    return scores;
  }
  NextItemModel model_{NextItemSettings{.neighbour_prior = 1, .transition_prior = 4}};
  NextItemModel::Scratch scratch_;
};

TEST_F(NextItemTest, LearnsWhatFollows) {
  for (std::uint64_t session = 0; session < 3; ++session) {
    model_.add(session, 0, 1);
    model_.add(session, session == 0 ? 2 : 1, 2);
    model_.add(session, 3, 3);
  }
  // 0 leads to 1 twice, to 2 once, and in two steps, which count half, to 3 three times: 4.5 in all. Beside
  // that, as if they had followed 4 times, what is read now: 0 three times of nine, 1 twice, 2 once, 3 three
  // times.
  const auto want = [](double followed, double read) {
    return FloatNear(static_cast<float>((followed + 4 * read / 9) / 8.5), 1e-4F);
  };
  EXPECT_THAT(part(NextItemPart::kTransitions, {0}, 4),
              ElementsAre(want(0, 3), want(2, 2), want(1, 1), want(1.5, 3)));
}

TEST_F(NextItemTest, ANewItemIsFresh) {
  model_.add(1, 0, 0);
  model_.add(2, 0, 6 * kHourUs);
  model_.add(3, 1, 6 * kHourUs);
  EXPECT_THAT(part(NextItemPart::kFreshness, {}, 2),
              ElementsAre(FloatNear(1 / 3.F, 1e-4), FloatNear(2 / 3.F, 1e-4)))
      << "met first six hours ago";
  EXPECT_THAT(part(NextItemPart::kPopularity, {}, 2),
              ElementsAre(FloatNear(9 / 17.F, 1e-4), FloatNear(8 / 17.F, 1e-4)));
}

TEST_F(NextItemTest, TheSumWeighsTheParts) {
  model_.add(1, 0, 0);
  model_.add(1, 1, 0);
  model_.set_weights({0, 0, 0, 2, 4});
  std::vector<float> scores(2);
  model_.score(std::vector<std::uint32_t>{0}, 0, scratch_, scores);
  EXPECT_THAT(scores, ElementsAre(3, 3));
  model_.set_weights({3, 0, 0, 0, 0});
  model_.score(std::vector<std::uint32_t>{0}, 0, scratch_, scores);
  EXPECT_THAT(scores, ElementsAre(1, 1)) << "a session of similarity 1 holds both; the prior is worth 1";
}

TEST_F(NextItemTest, OfASessionNobodyKnows) {
  model_.add(1, 0, 0);
  EXPECT_THAT(part(NextItemPart::kNeighbours, {7}, 1), ElementsAre(0));
  EXPECT_THAT(part(NextItemPart::kTransitions, {7}, 1), ElementsAre(1)) << "what is read now";
  EXPECT_THAT(part(NextItemPart::kTransitions, {}, 1), ElementsAre(1));
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
  const auto best = std::ranges::max_element(scores) - scores.begin();
  EXPECT_EQ(best, 6);
  // With nothing of the trend, only followers that are kept have a score.
  NextItemModel bare({.transition_prior = 1e-30, .transitions = 2});
  session = 0;
  for (std::uint32_t item = 1; item <= 6; ++item)
    for (std::uint32_t times = 0; times < item; ++times) {
      bare.add(++session, 0, 0);
      bare.add(session, item, 0);
    }
  bare.score_part(NextItemPart::kTransitions, std::vector<std::uint32_t>{0}, 0, scratch, scores);
  EXPECT_LE(std::ranges::count_if(scores, [](float score) { return score > 1e-6; }), 3);
}

}  // namespace
}  // namespace millrace
