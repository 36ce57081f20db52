#include "model/evaluation.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Four people, five items, times as given.
FeedbackSet small() {
  FeedbackSet all;
  for (const char* user : {"a", "b", "c", "d"}) all.users.add(user);
  for (const char* item : {"v", "w", "x", "y", "z"}) all.items.add(item);
  all.rows = {{0, 0, 1, 0, 10}, {1, 0, 1, 0, 20}, {0, 1, 1, 0, 30}, {2, 1, 1, 0, 40},
              {0, 2, 1, 0, 50}, {0, 0, 1, 0, 60}, {3, 4, 1, 0, 70}, {1, 3, 1, 0, 80}};
  return all;
}

/// Says the same to everyone.
class Fixed : public RankingModel {
 public:
  explicit Fixed(std::vector<float> scores) : scores_(std::move(scores)) {}
  void score(const Person&, std::span<float> scores) const override {
    std::ranges::copy(scores_, scores.begin());
  }
  Status save(BundleWriter&) const override { return {}; }

 private:
  std::vector<float> scores_;
};

float metric(const EvaluationOf& part, Metric which) {
  return static_cast<float>(part.metrics[static_cast<std::size_t>(which)].mean);
}

TEST(Split, ByTimeNothingOfTheFutureIsKnown) {
  const EvaluationData data = split_by_time(small(), 50);
  EXPECT_EQ(data.train.size(), 4u);
  ASSERT_EQ(data.cases.size(), 3u);
  EXPECT_EQ(data.cases[0].user, 0u);
  EXPECT_EQ(data.cases[0].history.size(), 2u);
  EXPECT_THAT(data.cases[0].wanted, ElementsAre(0, 2));
  EXPECT_EQ(data.cases[1].user, 1u);
  EXPECT_THAT(data.cases[2].history, IsEmpty()) << "d is new";
  for (const auto& one : data.cases) EXPECT_EQ(one.now, 50);
  EXPECT_THAT(data.protocol, testing::HasSubstr("1970-01-01T00:00:00.000050Z"));
}

TEST(Split, LeaveLastOut) {
  const EvaluationData data = split_leave_last_out(small());
  ASSERT_EQ(data.cases.size(), 2u) << "c and d did only one thing";
  EXPECT_THAT(data.cases[0].wanted, ElementsAre(0));
  EXPECT_EQ(data.cases[0].history.size(), 3u);
  EXPECT_THAT(data.cases[1].wanted, ElementsAre(3));
  EXPECT_EQ(data.train.size(), 6u);
  EXPECT_TRUE(std::ranges::is_sorted(data.train, {}, &Feedback::time));
}

TEST(Split, ByPeopleTrainingSeesNothingOfThoseHeldOut) {
  FeedbackSet all;
  for (std::uint32_t user = 0; user < 300; ++user) {
    all.users.add(std::to_string(user));
    for (std::uint32_t item = 0; item < 10; ++item)
      all.rows.push_back({.user = user, .item = item, .time = item});
  }
  for (std::uint32_t item = 0; item < 10; ++item) all.items.add(std::to_string(item));
  sort_by_time(all.rows);
  const EvaluationData data = split_by_people(all, 0.2, 7);
  EXPECT_NEAR(static_cast<double>(data.cases.size()), 60, 25);
  EXPECT_EQ(data.train.size() + 10 * data.cases.size(), all.rows.size());
  for (const auto& one : data.cases) {
    EXPECT_EQ(std::ranges::count(data.train, one.user, &Feedback::user), 0);
    EXPECT_EQ(one.history.size(), 8u);
    EXPECT_EQ(one.wanted.size(), 2u);
    for (const Feedback& row : one.history) EXPECT_FALSE(std::ranges::binary_search(one.wanted, row.item));
  }
  EXPECT_EQ(split_by_people(all, 0.2, 7).cases.size(), data.cases.size()) << "a seed gives one split";
}

TEST(Split, TimeAtAShare) {
  EXPECT_EQ(time_at_share(small().rows, 0.5), 50);
  EXPECT_EQ(time_at_share(small().rows, 1), 80);
  EXPECT_EQ(time_at_share({}, 0.5), 0);
}

TEST(Evaluate, MasksWhatPeopleMetAndAsksForNewThings) {
  const EvaluationData data = split_by_time(small(), 50);
  // Best first: v w x y z. a wants x (v it met already), b wants y, d wants z.
  const Evaluation evaluation = evaluate("fixed", Fixed({5, 4, 3, 2, 1}), data, {.n = 2, .resamples = 10});
  ASSERT_EQ(evaluation.each.size(), 3u);
  EXPECT_EQ(evaluation.each[0][static_cast<std::size_t>(Metric::kMrr)], 1) << "a met v and w, so x is first";
  EXPECT_EQ(evaluation.each[1][static_cast<std::size_t>(Metric::kHitRate)], 0) << "b is shown w and x";
  EXPECT_EQ(evaluation.each[2][static_cast<std::size_t>(Metric::kHitRate)], 0) << "d is shown v and w";
  EXPECT_FLOAT_EQ(metric(evaluation.all, Metric::kHitRate), 1.F / 3);
  EXPECT_EQ(evaluation.warm.people, 2u);
  EXPECT_FLOAT_EQ(metric(evaluation.warm, Metric::kMrr), 0.5);
  EXPECT_EQ(evaluation.cold.people, 1u);
  EXPECT_FLOAT_EQ(metric(evaluation.cold, Metric::kMrr), 0);
  EXPECT_EQ(evaluation.new_items.people, 3u) << "nobody met x, y, z in training";
  EXPECT_FLOAT_EQ(static_cast<float>(evaluation.coverage), 4.F / 5) << "v w x y were shown";
}

TEST(Evaluate, WithRepeatsNothingIsMasked) {
  const EvaluationData data = split_by_time(small(), 50);
  const Evaluation evaluation =
      evaluate("fixed", Fixed({5, 4, 3, 2, 1}), data, {.n = 1, .repeats = true, .resamples = 10});
  EXPECT_EQ(evaluation.each[0][static_cast<std::size_t>(Metric::kMrr)], 1) << "a comes back to v";
}

TEST(Evaluate, LeavesOutWhoOnlyRepeated) {
  FeedbackSet all = small();
  all.rows = {{0, 0, 1, 0, 10}, {0, 0, 1, 0, 60}, {1, 1, 1, 0, 60}};
  const EvaluationData data = split_by_time(all, 50);
  EXPECT_EQ(data.cases.size(), 2u);
  EXPECT_EQ(evaluate("fixed", Fixed({5, 4, 3, 2, 1}), data, {.resamples = 10}).all.people, 1u);
}

TEST(Evaluate, JudgesTheSameListsAtFurtherLengths) {
  const EvaluationData data = split_by_time(small(), 50);
  const Fixed model({5, 4, 3, 2, 1});
  const EvaluationOptions one{.n = 1, .resamples = 10};
  EvaluationOptions several = one;
  several.further_n = {3, 2};
  const Evaluation evaluation = evaluate("fixed", model, data, several);
  ASSERT_EQ(evaluation.further.size(), 2u);
  for (const EvaluationAt& at : evaluation.further) {
    const EvaluationOf alone = evaluate("fixed", model, data, {.n = at.n, .resamples = 10}).all;
    for (std::size_t m = 0; m < kMetricCount; ++m)
      EXPECT_EQ(at.all.metrics[m].mean, alone.metrics[m].mean) << at.n << metric_name(static_cast<Metric>(m));
  }
  nlohmann::json rest = to_json(evaluation);
  EXPECT_EQ(rest["further"][0]["n"], 3);
  rest["further"] = nlohmann::json::array();
  EXPECT_EQ(rest, to_json(evaluate("fixed", model, data, one))) << "coverage too is of the first length";
}

TEST(Evaluate, ReadsLengthsOfLists) {
  EvaluationOptions options;
  ASSERT_TRUE(set_list_lengths(options, "20,100,20"));
  EXPECT_EQ(options.n, 20u);
  EXPECT_THAT(options.further_n, ElementsAre(100));
  for (const char* wrong : {"", "0", "10,", "ten", "10001", "5;6", "-3"})
    EXPECT_EQ(set_list_lengths(options, wrong).error().code, Code::kInvalid) << wrong;
  EXPECT_EQ(options.n, 20u) << "left as it was";
}

TEST(Evaluate, IsTheSameWithAnyNumberOfThreads) {
  const EvaluationData data = split_by_time(small(), 50);
  const Fixed model({5, 4, 3, 2, 1});
  EXPECT_EQ(to_json(evaluate("m", model, data, {.threads = 1})),
            to_json(evaluate("m", model, data, {.threads = 3})));
}

TEST(Evaluate, OfNobody) {
  const EvaluationData data = split_by_time(small(), 1'000);
  const Evaluation evaluation = evaluate("fixed", Fixed({5, 4, 3, 2, 1}), data, {});
  EXPECT_EQ(evaluation.all.people, 0u);
  EXPECT_EQ(evaluation.coverage, 0);
}

TEST(Evaluate, DifferencesArePersonByPerson) {
  const EvaluationData data = split_by_time(small(), 50);
  const Evaluation good = evaluate("good", Fixed({1, 2, 3, 4, 5}), data, {.n = 3});
  const Evaluation bad = evaluate("bad", Fixed({5, 4, 3, 2, 1}), data, {.n = 3});
  EXPECT_GT(difference(good, bad, Metric::kMrr, {}).mean, 0);
  EXPECT_EQ(difference(bad, bad, Metric::kMrr, {}).high, 0);
}

TEST(Fallback, ComesAfterWhatTheModelSays) {
  const float none = -std::numeric_limits<float>::infinity();
  const Fixed model({none, -3, none, 7, none}), popular({10, 20, 30, none, none});
  const auto both = with_fallback(model, popular);
  std::vector<float> scores(5);
  both->score({}, scores);
  EXPECT_THAT(best_items(scores, 5, {}), ElementsAre(3, 1, 2, 0));
}

TEST(RankingModels, EveryKindTrainsScoresAndHasAName) {
  const FeedbackSet all = small();
  for (std::size_t k = 0; k < static_cast<std::size_t>(RankingKind::kCount); ++k) {
    const auto kind = static_cast<RankingKind>(k);
    EXPECT_EQ(ranking_kind(ranking_kind_name(kind)), kind);
    if (kind == RankingKind::kTwoTower || kind == RankingKind::kImported) {
      EXPECT_EQ(train_ranking(all.rows, 4, 5, {.kind = kind}, {}).error().code, Code::kInvalid);
      continue;
    }
    const auto model = train_ranking(all.rows, 4, 5, {.kind = kind, .als = {.factors = 4}}, {});
    ASSERT_TRUE(model) << ranking_kind_name(kind);
    std::vector<float> scores(5);
    (*model)->score({.history = std::span(all.rows).first(1), .now = 100}, scores);
    EXPECT_GT(scores[1], -std::numeric_limits<float>::infinity())
        << "a met v and w: " << ranking_kind_name(kind);
    (*model)->score({}, scores);
    if (kind != RankingKind::kPopularity) {
      EXPECT_THAT(scores, testing::Each(-std::numeric_limits<float>::infinity()))
          << "nothing to say to a stranger";
    }
  }
  EXPECT_EQ(ranking_kind("magic"), std::nullopt);
}

TEST(RankingModels, OldMeetingsFade) {
  const std::vector<Feedback> rows = {{0, 0, 1, 0, 0}, {1, 0, 1, 0, 0}, {2, 1, 1, 0, 2 * kDayUs}};
  std::vector<float> scores(2);
  train_ranking(rows, 3, 2, {}, {}).value()->score({}, scores);
  EXPECT_GT(scores[0], scores[1]);
  train_ranking(rows, 3, 2, {.half_life = kDayUs}, {}).value()->score({}, scores);
  EXPECT_FLOAT_EQ(scores[0], 0.5);
  EXPECT_FLOAT_EQ(scores[1], 1);
}

TEST(HistoryRow, AddsUpAndFades) {
  const std::vector<Feedback> history = {
      {0, 3, 1, 0, 0}, {0, 1, 2, 0, kDayUs}, {0, 3, 1, 0, kDayUs}, {0, 9, 1, 0, kDayUs}};
  const HistoryRow plain({.history = history, .now = kDayUs}, 5);
  EXPECT_THAT(plain.columns, ElementsAre(1, 3));
  EXPECT_THAT(plain.values, ElementsAre(2, 2));
  const HistoryRow faded({.history = history, .now = kDayUs}, 5, kDayUs);
  EXPECT_THAT(faded.values, ElementsAre(2, 1.5));
}

}  // namespace
}  // namespace millrace
