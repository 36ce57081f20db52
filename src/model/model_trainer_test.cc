#include "model/model_trainer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Sixty people of three tastes; each meets eight of the twelve items of their taste, an hour apart.
constexpr const char* kTastes =
    "interactions:\n  from: SELECT 'p' || p AS visitor, 'i' || (p % 3 * 12 + (p * 5 + k * (1 + p % 11)) % "
    "12) AS item_id,"
    " TIMESTAMP '2026-01-01' + INTERVAL (k) HOUR + INTERVAL (p) SECOND AS event_time, 1 AS w FROM range(60) "
    "a(p), range(8) b(k)\n";

class ModelTrainerTest : public WarehouseTest {
 protected:
  ModelTrainerTest() { open(); }
  void open() {
    registry_ = ModelRegistry::open(env_, options().lake_dir / "models").value();
    trainer_ = std::make_unique<ModelTrainer>(ModelTrainer::Tools{env_, *warehouse_, *registry_, 2});
  }
  static ModelSpec parse(const std::string& text) {
    auto spec = parse_model_spec(text, "models/m.yaml");
    EXPECT_TRUE(spec) << spec.error().text();
    return spec ? *std::move(spec) : ModelSpec();
  }
  Result<TrainedModel> train(const std::string& text,
                             ModelTrainer::Deploy deploy = ModelTrainer::Deploy::kIfGood) {
    return trainer_->train(parse(text), deploy, "test", nullptr,
                           [&](std::string_view step) { steps_.emplace_back(step); });
  }

  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelTrainer> trainer_;
  std::vector<std::string> steps_;
};

TEST_F(ModelTrainerTest, TrainsJudgesAndDeploysWhatIsBetterThanPopularity) {
  const auto trained = train(std::string("kind: item_knn\n") + kTastes);
  ASSERT_TRUE(trained) << trained.error().text();
  EXPECT_TRUE(trained->deployed) << trained->gate;
  EXPECT_THAT(trained->gate, HasSubstr("deployed, as the first"));
  const auto& manifest = trained->manifest;
  EXPECT_EQ(manifest["training"]["users"], 60);
  EXPECT_EQ(manifest["training"]["items"], 36);
  EXPECT_EQ(manifest["training"]["hash"].get<std::string>().size(), 32u);
  EXPECT_GT(manifest["metrics"]["all"]["ndcg"]["mean"].get<double>(), 0.3);
  EXPECT_THAT(steps_, testing::Contains("m: training"));
  const auto model = registry_->current("m");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->version, "1");
  const auto met = *model->items.find("i0");
  const std::vector<Feedback> history = {{0, met, 1, 0}};
  for (const auto& each : model->recommend({.history = history, .now = 1}, 5, false))
    EXPECT_LT(std::stoi(std::string(each.item.substr(1))), 12) << "of the same taste";
}

TEST_F(ModelTrainerTest, TheSameRowsGiveTheSameHashAndModel) {
  const std::string text = std::string("kind: als\nsettings: {factors: 4}\n") + kTastes;
  const auto one = train(text, ModelTrainer::Deploy::kNever), two = train(text, ModelTrainer::Deploy::kNever);
  ASSERT_TRUE(one);
  ASSERT_TRUE(two);
  EXPECT_EQ(one->manifest["training"]["hash"], two->manifest["training"]["hash"]);
  const auto read = [&](const char* version) {
    return read_file(env_, options().lake_dir / "models" / "m" / version / "item_factors.npy").value();
  };
  EXPECT_EQ(read("1"), read("2"));
  EXPECT_EQ(registry_->current("m"), nullptr);
}

TEST_F(ModelTrainerTest, AWorseOneIsNotDeployed) {
  ASSERT_TRUE(train(std::string("kind: item_knn\n") + kTastes)->deployed);
  const auto worse = train(std::string("kind: als\nsettings: {factors: 1, iterations: 1}\n") + kTastes);
  ASSERT_TRUE(worse) << worse.error().text();
  EXPECT_FALSE(worse->deployed);
  EXPECT_THAT(worse->gate, HasSubstr("not deployed"));
  EXPECT_EQ(registry_->current("m")->version, "1");
  EXPECT_TRUE(train(std::string("kind: als\nsettings: {factors: 1, iterations: 1}\n") + kTastes,
                    ModelTrainer::Deploy::kAlways)
                  ->deployed);
  EXPECT_EQ(registry_->current("m")->version, "3");
}

TEST_F(ModelTrainerTest, WhatTheGateFoundIsKeptWithTheVersion) {
  const std::string good = std::string("kind: item_knn\n") + kTastes;
  const std::string poor = std::string("kind: als\nsettings: {factors: 1, iterations: 1}\n") + kTastes;
  ASSERT_TRUE(train(good));
  ASSERT_TRUE(train(good, ModelTrainer::Deploy::kNever));
  const auto asked = train(poor, ModelTrainer::Deploy::kAlways);
  ASSERT_TRUE(asked);
  EXPECT_THAT(asked->gate, HasSubstr("though the gate says: "));
  const auto kept = [&](const char* version) {
    return nlohmann::json::parse(
        read_file(env_, options().lake_dir / "models" / "m" / version / "model.json").value());
  };
  EXPECT_TRUE(kept("1")["passed"]);
  EXPECT_THAT(kept("1")["gate"].get<std::string>(), testing::StartsWith("as the first: ndcg +"));
  EXPECT_TRUE(kept("2")["passed"]) << "though it was asked not to deploy it";
  EXPECT_THAT(kept("2")["gate"].get<std::string>(), testing::StartsWith("not worse than what was: ndcg "));
  EXPECT_FALSE(kept("3")["passed"]) << "though it was asked to deploy it";
  EXPECT_THAT(asked->gate, testing::EndsWith(kept("3")["gate"].get<std::string>()));
}

TEST_F(ModelTrainerTest, TheSameSettingsAgainPassTheGate) {
  ASSERT_TRUE(train(std::string("kind: item_knn\n") + kTastes)->deployed);
  const auto again = train(std::string("kind: item_knn\n") + kTastes);
  EXPECT_TRUE(again->deployed) << again->gate;
  EXPECT_THAT(again->gate, HasSubstr("not worse than what was"));
}

TEST_F(ModelTrainerTest, SearchFindsBetterSettings) {
  const ModelSpec spec = parse(std::string("kind: als\nsettings: {factors: 1, iterations: 1}\nsearch: "
                                           "{factors: [2, 4, 8], iterations: [10]}\n") +
                               kTastes);
  const auto tuning = trainer_->tune(spec, 6, 0, 1, nullptr, [](std::string_view) {});
  ASSERT_TRUE(tuning) << tuning.error().text();
  ASSERT_EQ(tuning->trials.size(), 6u);
  EXPECT_GT(tuning->trials.front().metric.mean, tuning->trials.back().metric.mean);
  EXPECT_THAT(tuning->yaml,
              AllOf(HasSubstr("settings:"), HasSubstr("factors: "), HasSubstr("iterations: 10")));
  EXPECT_THAT(
      trainer_->tune(parse(std::string("kind: als\n") + kTastes), 3, 0, 1, nullptr, [](std::string_view) {})
          .error()
          .text(),
      HasSubstr("give search"));
}

TEST_F(ModelTrainerTest, SaysWhatIsWrongWithTheData) {
  const auto refusal = [&](const std::string& text) {
    const auto trained = train(text);
    return trained ? std::string("trained") : trained.error().text();
  };
  const auto from = [](const std::string& sql) { return "kind: als\ninteractions:\n  from: " + sql + "\n"; };
  EXPECT_THAT(refusal("kind: als\n"), HasSubstr("models/m.yaml: interactions: there are none to learn from"));
  EXPECT_THAT(refusal(from("SELECT nothing FROM nowhere")),
              AllOf(HasSubstr("models/m.yaml: interactions"), HasSubstr("nowhere")));
  EXPECT_THAT(refusal(from("SELECT 1 AS visitor")), HasSubstr("item_id"));
  EXPECT_THAT(refusal(from("SELECT 'a' visitor, 'b' item_id, now() event_time")), HasSubstr("now"));
  EXPECT_THAT(
      refusal(from("SELECT 'a' visitor, 'b' item_id, TIMESTAMP '2026-01-01' event_time; DROP TABLE events")),
      HasSubstr("interactions"));
  EXPECT_THAT(refusal(from("SELECT 'a' visitor, 'b' item_id, TIMESTAMP '2026-01-01' event_time, -1 w") +
                      "  weight: w\n"),
              HasSubstr("the weight -1 of a and b"));
  EXPECT_THAT(refusal(from("SELECT 'a' visitor, 'b' item_id, TIMESTAMP '2026-01-01' event_time")),
              HasSubstr("nothing to train on"));
  EXPECT_EQ(registry_->list().value().size(), 0u) << "nothing was written";
}

TEST_F(ModelTrainerTest, StopsWhenTold) {
  const std::atomic<bool> stop = true;
  const auto trained = trainer_->train(parse(std::string("kind: als\n") + kTastes),
                                       ModelTrainer::Deploy::kIfGood, "t", &stop, [](std::string_view) {});
  EXPECT_EQ(trained.error().code, Code::kCancelled);
}

TEST_F(ModelTrainerTest, LeavesOutWhatLacksAnIdOrATime) {
  const auto feedback = read_training_feedback(
      *warehouse_,
      parse("kind: als\ninteractions:\n  from: SELECT * FROM (VALUES ('a', 'x', TIMESTAMP '2026-01-01'), "
            "(NULL, 'x', TIMESTAMP '2026-01-01'), "
            "('a', NULL, TIMESTAMP '2026-01-01'), ('a', 'y', NULL)) t(visitor, item_id, event_time)\n"));
  ASSERT_TRUE(feedback) << feedback.error().text();
  EXPECT_EQ(feedback->set.rows.size(), 1u);
  EXPECT_EQ(feedback->incomplete, 3u);
}

}  // namespace
}  // namespace millrace
