#include "model/retrain_backtest.h"

#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/retrain_stability.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr TimeUs kBegin = 1'700'000'000LL * kSecondUs;

/// Two hundred people of four tastes, each of whom meets two things a day for sixty days. What goes together
/// stays so, or from day 34 on is something else: every taste moves on to other things.
FeedbackSet planted_world(bool flips) {
  FeedbackSet world;
  std::mt19937_64 random(3);
  for (int day = 0; day < 60; ++day)
    for (std::uint32_t user = 0; user < 200; ++user)
      for (int k = 0; k < 2; ++k) {
        // Of 240 items each taste has 60. After the flip items 0, 4, 8, … go together: all tastes' items mix.
        const auto draw = static_cast<std::uint32_t>(random() % 60);
        const std::uint32_t taste = user % 4;
        const std::uint32_t item = flips && day >= 34 ? draw * 4 + taste : taste * 60 + draw;
        world.rows.push_back({.user = world.users.add(fmt::format("p{}", user)),
                              .item = world.items.add(fmt::format("i{}", item)),
                              .time = kBegin + day * kDayUs + static_cast<TimeUs>(random() % kDayUs)});
      }
  sort_by_time(world.rows);
  return world;
}

RetrainSettings settings_for(const char* cadences) {
  RetrainSettings settings{.cadences = parse_cadences(cadences).value(), .evaluation = {}};
  settings.evaluation.resamples = 200;
  settings.evaluation.threads = 2;
  settings.evaluation.repeats = true;
  return settings;
}

const NamedRanking kNeighbours{"near", {.kind = RankingKind::kItemKnn, .half_life = 5 * kDayUs}};

Result<RetrainReport> walk(const FeedbackSet& world, const RetrainSettings& settings,
                           const NamedRanking& model = kNeighbours) {
  return backtest_retraining(world, model, settings, {.threads = 2}, {});
}

TEST(RetrainBacktest, WhereTastesFlipRetrainingWins) {
  const auto report = walk(planted_world(true), settings_for("never,15d,3d"));
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->periods, 10u);
  ASSERT_EQ(report->cadences.size(), 3u);
  const CadenceResult &often = report->cadences[0], &never = report->cadences[2];
  EXPECT_EQ(often.trainings, 10u);
  EXPECT_EQ(report->cadences[1].trainings, 2u);
  EXPECT_EQ(never.trainings, 1u);
  EXPECT_GT(often.whole.mean, 1.2 * never.whole.mean);
  EXPECT_LT(never.change.high, 0);
  EXPECT_EQ(report->cadences[report->suggested].cadence.name, "3d") << report->why;
  EXPECT_THAT(report->why, HasSubstr("3d, the shortest that was tried"));
  EXPECT_THAT(report->why, HasSubstr("15d loses against 3d"));
  EXPECT_NEAR(never.by_age.front().against_fresh, 0, 1e-9) << "of age 0 it is the same model";
  EXPECT_LT(never.by_age.back().against_fresh, -0.01);
  EXPECT_FALSE(never.churn);
  ASSERT_TRUE(often.churn);
  EXPECT_EQ(often.churn->comparisons, 9u);
}

TEST(RetrainBacktest, WhereNothingChangesNeverIsSuggested) {
  const auto report = walk(planted_world(false), settings_for("never,15d,3d"));
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->cadences[report->suggested].cadence.name, "never") << report->why;
  EXPECT_THAT(report->why, HasSubstr("1 training in the place of 10"));
  EXPECT_GT(report->cadences[0].churn->jaccard, 0.3);
}

TEST(RetrainBacktest, HistoriesAreCurrentAndWhatCameLaterCannotBeShown) {
  // Old things go in pairs; at day 10 a new thing comes that everyone meets from then on.
  FeedbackSet world;
  for (int day = 0; day < 20; ++day)
    for (int user = 0; user < 20; ++user) {
      const std::string item =
          day >= 10 && day % 2 == 0 ? fmt::format("new{}", day / 4) : fmt::format("old{}", (user + day) % 8);
      world.rows.push_back({.user = world.users.add(std::to_string(day * 20 + user)),
                            .item = world.items.add(item),
                            .time = kBegin + day * kDayUs + user * kHourUs});
    }
  const auto report = walk(world, settings_for("never,2d"), {"popular", {}});
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->asked, 200u) << "everyone is new, and asked once";
  EXPECT_LT(report->cadences[1].whole.mean, report->cadences[0].whole.mean);
  EXPECT_GT(report->cadences[1].whole_fresh.mean, report->cadences[1].whole.mean)
      << "a fresh fallback shows what is new";
}

TEST(RetrainBacktest, VectorsOfItemsAreComparedAsTheyAreAndAligned) {
  const NamedRanking als{"als", {.kind = RankingKind::kAls, .als = {.factors = 8, .iterations = 8}}};
  const auto report = walk(planted_world(false), settings_for("never,10d"), als);
  ASSERT_TRUE(report) << report.error().text();
  const auto& drift = report->cadences[0].drift;
  ASSERT_TRUE(drift);
  EXPECT_EQ(drift->items, 240);
  EXPECT_GE(drift->aligned, drift->cosine - 1e-6);
  EXPECT_GT(drift->aligned, drift->aligned_by_chance + 0.2);
  const auto json = to_json(*report);
  EXPECT_EQ(json["cadences"][0]["vectors"]["comparisons"], 2);
  EXPECT_TRUE(json["cadences"][1]["vectors"].is_null());
}

TEST(RetrainBacktest, IsTheSameWhateverTheNumbersOfIds) {
  const FeedbackSet world = planted_world(false);
  FeedbackSet other;
  for (int k = 300; k-- > 0;) {
    other.users.add(fmt::format("p{}", k));
    other.items.add(fmt::format("i{}", k));
  }
  for (const Feedback& row : world.rows)
    other.rows.push_back({.user = *other.users.find(world.users.id(row.user)),
                          .item = *other.items.find(world.items.id(row.item)),
                          .time = row.time});
  const RetrainSettings settings = settings_for("never,10d");
  auto one = to_json(walk(world, settings).value()), two = to_json(walk(other, settings).value());
  for (auto* json : {&one, &two})
    for (auto& cadence : (*json)["cadences"]) cadence.erase("training_s");
  EXPECT_EQ(one, two);
}

TEST(RetrainBacktest, AsksNoMoreThanTheMostOfPeople) {
  RetrainSettings settings = settings_for("never,10d");
  settings.people_max = 50;
  EXPECT_EQ(walk(planted_world(false), settings)->asked, 150u);
}

TEST(RetrainBacktest, SaysWhatIsWrong) {
  const FeedbackSet world = planted_world(false);
  const auto refusal = [&](const char* cadences, const FeedbackSet& of) {
    const auto report = walk(of, settings_for(cadences));
    return report ? std::string("walked") : report.error().text();
  };
  EXPECT_THAT(refusal("never,quarterly", world), HasSubstr("spans 30 days, less than two periods"));
  EXPECT_THAT(refusal("never,1m", world), HasSubstr("at most 400"));
  EXPECT_THAT(refusal("quarterly,weekly", world), HasSubstr("quarterly is as long as all that is walked"));
  EXPECT_THAT(refusal("weekly,8d", world),
              HasSubstr("weekly and 8d are the same in whole periods of 7 days"));
  EXPECT_THAT(refusal("never,weekly", {}), HasSubstr("no interactions"));
  FeedbackSet timeless = world;
  for (std::size_t k = 0; k < timeless.rows.size(); ++k) timeless.rows[k].time = static_cast<TimeUs>(k);
  EXPECT_THAT(refusal("never,daily", timeless), HasSubstr("no times"));
  const std::atomic<bool> stop = true;
  EXPECT_EQ(
      backtest_retraining(world, kNeighbours, settings_for("never,weekly"), {.stop = &stop}, {}).error().code,
      Code::kCancelled);
}

TEST(RetrainBacktest, PeriodsWithoutAnybodyAreSkipped) {
  FeedbackSet world = planted_world(false);
  std::erase_if(world.rows, [](const Feedback& row) {
    return row.time >= kBegin + 40 * kDayUs && row.time < kBegin + 52 * kDayUs;
  });
  RetrainSettings settings = settings_for("never,4d");
  settings.first_share = 0.6;
  const auto report = walk(world, settings);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->periods_skipped, 2u);
  EXPECT_EQ(report->cadences[0].trainings, report->periods - 2);
}

TEST(Cadences, AreReadFromTheShortest) {
  const auto cadences = parse_cadences("never,monthly,12h,weekly").value();
  EXPECT_EQ(cadences[0].name, "12h");
  EXPECT_EQ(cadences[0].every, 12 * kHourUs);
  EXPECT_EQ(cadences[2].name, "monthly");
  EXPECT_EQ(cadences[3].every, 0);
  for (const char* wrong : {"", "weekly", "weekly,often", "never,never", "7d,weekly", "0s,1h", "never,"})
    EXPECT_EQ(parse_cadences(wrong).error().code, Code::kInvalid) << wrong;
}

/// A report of three cadences with these changes.
RetrainReport with_changes(Estimate second, Estimate third) {
  RetrainReport report{.margin_share = 0.01};
  for (const char* name : {"daily", "weekly", "never"})
    report.cadences.push_back({.cadence = {name, 0}, .whole = {.mean = 0.2}});
  report.cadences[1].change = second;
  report.cadences[2].change = third;
  report.cadences[2].change_fresh = {-0.001, -0.004, 0.002};
  suggest_cadence(report);
  return report;
}

TEST(SuggestCadence, TakesTheLongestThatLosesNothing) {
  const Estimate none{-0.001, -0.003, 0.001}, loss{-0.02, -0.03, -0.01}, slight{-0.001, -0.0015, -0.0005};
  EXPECT_EQ(with_changes(none, none).suggested, 2u);
  EXPECT_EQ(with_changes(none, loss).suggested, 1u);
  EXPECT_EQ(with_changes(loss, loss).suggested, 0u);
  EXPECT_EQ(with_changes(loss, none).suggested, 0u) << "never was lucky";
  EXPECT_EQ(with_changes(slight, slight).suggested, 2u) << "under the margin of 0.002";
  EXPECT_THAT(with_changes(loss, none).why, HasSubstr("never shows no loss"));
  EXPECT_THAT(with_changes(slight, loss).why, HasSubstr("under the margin of 1 %"));
  EXPECT_THAT(with_changes(none, loss).why, HasSubstr("loss of up to 1.5 %"));
  EXPECT_THAT(with_changes(none, loss).why, HasSubstr("popularity in it that gets old"));
}

TEST(Stability, OfListsAndOfTurnedVectors) {
  StabilityTally tally;
  EXPECT_FALSE(tally.churn());
  const std::vector<std::vector<std::uint32_t>> before = {{1, 2, 3, 4}, {}, {7, 8}},
                                                after = {{4, 3, 9, 10}, {}, {7, 8}};
  tally.add_lists(before, after);
  EXPECT_DOUBLE_EQ(tally.churn()->jaccard, (2.0 / 6 + 1) / 2);
  EXPECT_DOUBLE_EQ(tally.churn()->equal_share, (0.5 + 1) / 2);
  Matrix vectors(4, 2), turned(5, 2);
  for (std::size_t i = 0; i < 3; ++i) {  // the fourth has no vector, the fifth is new
    vectors.row(i)[0] = static_cast<float>(1 + i);
    vectors.row(i)[1] = static_cast<float>(i * i);
    turned.row(i)[0] = -3 * vectors.row(i)[1];
    turned.row(i)[1] = 3 * vectors.row(i)[0];
  }
  turned.row(4)[0] = 1;
  tally.add_vectors(vectors, turned);
  EXPECT_EQ(tally.drift()->items, 3);
  EXPECT_NEAR(tally.drift()->cosine, 0, 1e-6);
  EXPECT_NEAR(tally.drift()->aligned, 1, 1e-6);
}

}  // namespace
}  // namespace millrace
