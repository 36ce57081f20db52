#include "model/model_drift.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

/// People of three tastes of forty items each; whoever comes on a day meets some of what they like.
class ModelDriftTest : public WarehouseTest {
 protected:
  ModelDriftTest()
      : registry_(ModelRegistry::open(env_, options().lake_dir / "models").value()),
        tools_{env_, *warehouse_, *registry_, 2} {
    execute("CREATE TABLE met (visitor VARCHAR, item_id VARCHAR, event_time TIMESTAMP, w DOUBLE)");
  }

  /// Add what people did in the `day`-th stretch. `taste` and `item` are SQL over person p and step k.
  void add_day(int day, const std::string& taste = "p % 3", const std::string& item = "i", int people = 240,
               const std::string& weight = "1 + hash(p || '-' || k) % 5", int steps = 3) {
    execute(
        fmt::format("INSERT INTO met SELECT 'p' || p, '{0}' || (({1}) * 40 + hash(p || '-' || k || '-' || "
                    "{2}) % 40), TIMESTAMP '2026-01-01' "
                    "+ INTERVAL ({2}) DAY + INTERVAL (k) HOUR + INTERVAL (p) SECOND, {3} FROM range({4}) "
                    "a(p), range({5}) "
                    "b(k)",
                    item, taste, day, weight, people, steps));
  }
  static ModelSpec spec(const std::string& more = "kind: item_knn\n", const std::string& weight = "") {
    auto parsed = parse_model_spec(more + "interactions: {from: met" + weight + "}\n", "models/m.yaml");
    EXPECT_TRUE(parsed) << parsed.error().text();
    return parsed ? *std::move(parsed) : ModelSpec();
  }
  void train(const ModelSpec& of) {
    ModelTrainer trainer(tools_);
    const auto trained =
        trainer.train(of, ModelTrainer::Deploy::kAlways, "test", nullptr, [](std::string_view) {});
    ASSERT_TRUE(trained) << trained.error().text();
  }
  ModelDrift check(const ModelSpec& of) {
    auto found = check_drift(tools_, of, nullptr, [](std::string_view) {});
    EXPECT_TRUE(found) << found.error().text();
    return found ? *std::move(found) : ModelDrift();
  }

  std::unique_ptr<ModelRegistry> registry_;
  ModelTrainer::Tools tools_;
};

TEST_F(ModelDriftTest, TheSamePeopleOfTheSameTastesAreFine) {
  for (int day = 0; day < 8; ++day) add_day(day);
  const ModelSpec model = spec("kind: item_knn\n", ", weight: w");
  train(model);
  add_day(9);
  const ModelDrift found = check(model);
  EXPECT_EQ(found.verdict, DriftVerdict::kFine) << to_text(found);
  EXPECT_EQ(found.rows_before, 8u * 720);
  EXPECT_EQ(found.rows_since, 720u);
  EXPECT_EQ(found.people_since, 240u);
  ASSERT_TRUE(found.inputs);
  EXPECT_EQ(found.inputs->columns.size(), 2u) << "items and weights";
  for (const InputDrift& input : found.inputs->columns)
    EXPECT_EQ(stability_name(input.stability), "stable") << input.name;
  ASSERT_TRUE(found.performance);
  EXPECT_GT(found.performance->gain.low, 0) << "it knows more than popularity";
  ASSERT_TRUE(found.performance->change);
  EXPECT_LT(found.performance->change->low, 0);
  EXPECT_GT(found.performance->change->high, 0);
}

TEST_F(ModelDriftTest, LessTimeToAskForIsNotWorse) {
  // A fifth of what the evaluation held out has come: each person wants one thing, not five, and a list of
  // ten cannot meet that as well.
  const ModelSpec model = spec("kind: item_knn\nevaluate: {repeats: true}\n");
  for (int day = 0; day < 8; ++day) add_day(day, "p % 3", "i", 600);
  train(model);
  add_day(9, "p % 3", "i", 600, "1", 1);
  const ModelDrift found = check(model);
  EXPECT_EQ(found.verdict, DriftVerdict::kFine) << to_text(found);
  ASSERT_TRUE(found.performance && found.performance->at_training);
  EXPECT_LT(found.performance->now.high, found.performance->at_training->low)
      << "held against its evaluation alone, it would be called worse";
}

TEST_F(ModelDriftTest, TastesThatFlipMakeItWorseThoughNoInputMoves) {
  for (int day = 0; day < 8; ++day) add_day(day);
  train(spec());
  add_day(9, "(p + 1) % 3");
  add_day(10, "(p + 1) % 3");
  const ModelDrift found = check(spec());
  EXPECT_TRUE(found.verdict == DriftVerdict::kWorseThanMade ||
              found.verdict == DriftVerdict::kWorseThanPopularity)
      << to_text(found);
  EXPECT_THAT(found.words, HasSubstr("worse than"));
  ASSERT_TRUE(found.performance && found.performance->change);
  EXPECT_LT(found.performance->change->high, -found.limits.worse);
  EXPECT_EQ(stability_name(found.inputs->columns.front().stability), "stable") << to_text(found);
}

TEST_F(ModelDriftTest, OtherItemsAndWeightsAreInputsThatMoved) {
  for (int day = 0; day < 8; ++day) add_day(day);
  const ModelSpec model = spec("kind: popularity\n", ", weight: w");
  train(model);
  add_day(9, "p % 3 // 2", "i", 240, "4 + hash(p || k) % 2");
  const ModelDrift found = check(model);
  ASSERT_TRUE(found.inputs);
  EXPECT_TRUE(is_drift(found.verdict)) << to_text(found);
  EXPECT_THAT(found.words, HasSubstr("inputs moved"));
  ASSERT_EQ(found.inputs->columns.size(), 2u);
  EXPECT_EQ(found.inputs->columns[0].name, "weight");
  EXPECT_EQ(stability_name(found.inputs->columns[0].stability), "shifted");
  EXPECT_GT(found.inputs->columns[0].moved_most[0].before, 0.1);
  EXPECT_EQ(found.inputs->columns[0].moved_most[0].after, 0);
}

TEST_F(ModelDriftTest, WhoAndWhatIsNewIsCounted) {
  for (int day = 0; day < 8; ++day) add_day(day);
  train(spec());
  add_day(9, "p % 3", "new");
  const ModelDrift found = check(spec());
  ASSERT_TRUE(found.inputs);
  EXPECT_EQ(found.inputs->items.after, 1);
  EXPECT_LT(found.inputs->items.before, 0.1);
  EXPECT_EQ(found.inputs->users.after, 0);
  EXPECT_TRUE(is_drift(found.verdict)) << to_text(found);
  EXPECT_THAT(to_json(found)["new_items"]["since"].dump(), "1.0");
}

TEST_F(ModelDriftTest, OfFewRowsNothingIsSaid) {
  for (int day = 0; day < 8; ++day) add_day(day);
  train(spec());
  EXPECT_EQ(check(spec()).verdict, DriftVerdict::kTooLittle);
  add_day(9, "(p + 1) % 3", "other", 19);
  const ModelDrift found = check(spec());
  EXPECT_EQ(found.verdict, DriftVerdict::kTooLittle);
  EXPECT_THAT(found.words, HasSubstr("57 rows by 19 people since"));
  EXPECT_FALSE(is_drift(found.verdict));
  EXPECT_TRUE(to_json(found)["inputs"].is_null());
}

TEST_F(ModelDriftTest, ATimeFarAheadHidesNothing) {
  for (int day = 0; day < 8; ++day) add_day(day);
  execute("INSERT INTO met VALUES ('p1', 'i1', TIMESTAMP '2999-01-01', 1)");
  env_.now_is = parse_time("2026-01-09T12:00:00Z").value();
  train(spec());
  env_.now_is.reset();
  add_day(9);
  EXPECT_EQ(check(spec()).rows_since, 721u);
}

TEST_F(ModelDriftTest, RatingsAreHeldAgainstWhatWasForeseen) {
  const ModelSpec model = spec(
      "kind: two_tower\nusers: {features: [visitor]}\nsettings: {dimensions: 8, epochs: 30, learning_rate: "
      "0.02, hidden: []}\n",
      ", label: w");
  const auto rate = [&](int day, const std::string& stars) { add_day(day, "p % 3", "i", 240, stars, 1); };
  for (int day = 0; day < 8; ++day) rate(day, "2 + p % 2 * 2");
  train(model);
  rate(9, "2 + p % 2 * 2");
  const ModelDrift before = check(model);
  EXPECT_EQ(before.verdict, DriftVerdict::kFine) << to_text(before);
  ASSERT_TRUE(before.performance && before.performance->then);
  EXPECT_EQ(before.performance->metric, "rmse");
  EXPECT_LT(before.performance->now.mean, 0.5);

  rate(10, "4 - p % 2 * 2");
  rate(11, "4 - p % 2 * 2");
  const ModelDrift after = check(model);
  EXPECT_TRUE(is_drift(after.verdict)) << to_text(after);
  EXPECT_THAT(after.words, HasSubstr("rmse"));
  EXPECT_LT(after.performance->change->high, 0) << "more error is worse";
  EXPECT_EQ(stability_name(after.inputs->columns.front().stability), "stable") << "as many stars as before";
}

TEST_F(ModelDriftTest, SaysWhatIsMissing) {
  const auto none = check_drift(tools_, spec(), nullptr, [](std::string_view) {});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().text(), HasSubstr("millrace train m"));
}

TEST(RetrainSpec, IsReadAndSaid) {
  const auto read = [](const std::string& text) {
    return parse_model_spec("kind: ease\nretrain: " + text + "\n", "models/m.yaml");
  };
  const auto all = read("{every: 7d, on_drift: {worse: 0.05, moved: 0.3}, at_most_every: 12h}");
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_EQ(all->retrain.every, 7 * kDayUs);
  EXPECT_EQ(all->retrain.limits.worse, 0.05);
  EXPECT_EQ(all->retrain.limits.moved, 0.3);
  EXPECT_EQ(to_text(all->retrain), "every 7d; on drift, at most every 12h; looked at every 1h");
  EXPECT_EQ(to_text(read("{on_drift: false}")->retrain), "only when asked");
  EXPECT_EQ(to_text(read("{on_drift: true, check_every: 90s}")->retrain),
            "on drift, at most every 6h; looked at every 90s");
  for (const char* wrong : {"{every: soon}", "{on_drift: {wurst: 1}}", "{every: 1ms}", "{at: noon}"})
    EXPECT_FALSE(read(wrong)) << wrong;
  EXPECT_FALSE(parse_model_spec(
      "kind: ease\nretrain: {on_drift: true}\ninteractions: {from: t, time: none}\n", "models/m.yaml"));
  EXPECT_FALSE(parse_model_spec("kind: imported\nretrain: {every: 1d}\n", "models/m.yaml"));
}

}  // namespace
}  // namespace millrace
