#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_trainer.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Ninety people of three countries; each meets eight of the twelve items of their country's colour. The last
/// of each colour nobody meets. Features: the country of people, the colour of items.
constexpr const char* kColours = R"(interactions:
  from: >
    SELECT 'p' || p AS visitor, 'i' || (p % 3 * 12 + (p * 5 + k * (1 + p % 10)) % 11) AS item_id,
      TIMESTAMP '2026-01-01' + INTERVAL (k) HOUR + INTERVAL (p) SECOND AS event_time, p % 3 AS country,
      p % 3 AS colour, 1 + (p + k) % 2 + 2 * (p % 2) AS stars FROM range(90) a(p), range(8) b(k)
)";
constexpr const char* kTables = R"(users:
  from: SELECT 'p' || p AS person, 'c' || p % 3 AS country FROM range(96) a(p)
  id: person
items:
  from: SELECT 'i' || i AS item_id, 'k' || i // 12 AS colour, i % 12 * 1.5 AS price FROM range(36) a(i)
  id: item_id
  features: [colour]
)";
constexpr const char* kSettings =
    "settings: {dimensions: 8, hidden: 16, epochs: 40, learning_rate: 0.02, batch: 64, held_out: 0}\n";

class FeatureModelsTest : public WarehouseTest {
 protected:
  FeatureModelsTest() {
    registry_ = ModelRegistry::open(env_, options().lake_dir / "models").value();
    trainer_ = std::make_unique<ModelTrainer>(ModelTrainer::Tools{env_, *warehouse_, *registry_, 2});
  }
  Result<TrainedModel> train(const std::string& text) {
    MILLRACE_ASSIGN(const ModelSpec spec, parse_model_spec(text, "models/m.yaml"));
    return trainer_->train(spec, ModelTrainer::Deploy::kAlways, "test", nullptr, [](std::string_view) {});
  }
  Result<TrainedModel> import(const ModelSpec* spec, ImportedModel model,
                              ModelTrainer::Deploy deploy = ModelTrainer::Deploy::kIfGood) {
    return trainer_->import("m", spec, std::move(model), deploy, "test", nullptr, [](std::string_view) {});
  }
  std::vector<std::string> best(const Person& person, std::size_t n, bool repeats = false) const {
    std::vector<std::string> items;
    for (const auto& each : registry_->current("m")->recommend(person, n, repeats))
      items.emplace_back(each.item);
    return items;
  }
  std::uint32_t user(const std::string& id) const { return *registry_->current("m")->users.find(id); }
  std::string refusal(const std::string& text) {
    const auto trained = train(text);
    return trained ? std::string("trained") : trained.error().text();
  }

  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelTrainer> trainer_;
};

/// Return which third of the 36 items each is of.
std::vector<int> colours(const std::vector<std::string>& items) {
  std::vector<int> all;
  for (const std::string& item : items) all.push_back(std::stoi(item.substr(1)) / 12);
  return all;
}

TEST_F(FeatureModelsTest, KnowsPeopleAndItemsNobodyHasSeenByTheirFeatures) {
  const auto trained = train(std::string("kind: two_tower\n") + kColours + kTables + kSettings);
  ASSERT_TRUE(trained) << trained.error().text();
  EXPECT_EQ(trained->manifest["training"]["users"], 96);
  EXPECT_EQ(trained->manifest["training"]["items"], 36);
  EXPECT_FALSE(trained->manifest["curve"].empty());
  EXPECT_GT(trained->manifest["curve"][0]["loss"].get<double>(), 0);
  const auto unseen = best({.user = user("p94")}, 12);
  EXPECT_THAT(colours(unseen), testing::Each(1));
  EXPECT_THAT(unseen, testing::Contains("i23"));
  FeatureTable stranger{
      .ids = {"x"},
      .columns = {{.name = "country", .kind = ColumnKind::kCategory, .numbers = {}, .texts = {"c2"}}}};
  EXPECT_THAT(colours(best({.features = &stranger}, 12)), testing::Each(2))
      << "of whom only features are told";
  const auto nobody = registry_->current("m")->recommend({}, 5, false);
  EXPECT_EQ(nobody.size(), 5u);
  EXPECT_TRUE(std::ranges::all_of(nobody, &ServedModel::Scored::fallback)) << "of whom nothing is known";
}

TEST_F(FeatureModelsTest, IsTrainedAgainAndAgainOnWhatWasBefore) {
  // Everyone moves on the fifth day, when the walk begins, and meets the other things from then on.
  const auto spec = parse_model_spec(std::string(R"(kind: two_tower
interactions:
  from: >
    SELECT 'p' || p AS visitor, 'i' || ((p % 2 + (k >= 4)::INTEGER) % 2 * 4 + (p + k) % 4) AS item_id,
      TIMESTAMP '2026-01-01' + INTERVAL (k) DAY + INTERVAL (p) SECOND AS event_time, 'c' || p % 2 AS home
    FROM range(60) a(p), range(16) b(k)
users:
  features: [home]
evaluate: {n: 2, repeats: true}
)") + kSettings,
                                     "models/m.yaml");
  ASSERT_TRUE(spec) << spec.error().text();
  const auto report =
      trainer_->evaluate(*spec, retrain_settings("never,2d", 0.25).value(), nullptr, [](std::string_view) {});
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_EQ(report->retraining.size(), 1u);
  const RetrainReport& walk = report->retraining.front();
  EXPECT_EQ(walk.n, 2u);
  EXPECT_EQ(walk.cadences[0].trainings, 6u);
  EXPECT_GT(walk.cadences[0].whole.mean, walk.cadences[1].whole.mean);
  EXPECT_EQ(walk.suggested, 0u) << walk.why;
  ASSERT_TRUE(walk.cadences[0].drift);
  EXPECT_EQ(walk.cadences[0].drift->items, 8);
}

TEST_F(FeatureModelsTest, ReadsFeaturesOfTheInteractionsAsTheyWereThen) {
  // Whoever has moved gets the item of where they are now.
  const auto trained = train(std::string(R"(kind: two_tower
interactions:
  from: >
    SELECT 'p' || p AS visitor, CASE WHEN lives = 'north' THEN 'sledge' ELSE 'boat' END AS item_id,
      TIMESTAMP '2026-01-01' + INTERVAL (k) DAY + INTERVAL (p) SECOND AS event_time, lives
    FROM (SELECT p, k, CASE WHEN (k < 4) = (p % 2 = 0) THEN 'north' ELSE 'south' END AS lives
          FROM range(60) a(p), range(8) b(k))
users:
  features: [lives]
)") + kSettings);
  ASSERT_TRUE(trained) << trained.error().text();
  EXPECT_EQ(best({.user = user("p2")}, 1, true).front(), "boat") << "lived in the north at first";
  EXPECT_EQ(best({.user = user("p3")}, 1, true).front(), "sledge");
}

TEST_F(FeatureModelsTest, ForeseesRatingsAndIsJudgedByThem) {
  const std::string rated = std::string(kColours) + "  label: stars\n  time: none\n";
  const auto trained = train("kind: two_tower\n" + rated + "users: {features: [visitor]}\n" + kSettings);
  ASSERT_TRUE(trained) << trained.error().text();
  const auto& ratings = trained->manifest["ratings"];
  EXPECT_NEAR(ratings["rows"].get<int>(), 144, 20);
  EXPECT_LT(ratings["rmse"]["mean"].get<double>(), ratings["mean_rmse"].get<double>());
  EXPECT_THAT(trained->gate, AllOf(HasSubstr("RMSE"), HasSubstr("the mean of each user")));
  const auto scored = registry_->current("m")->recommend({.user = user("p1")}, 1, false);
  ASSERT_EQ(scored.size(), 1u);
  EXPECT_GT(scored.front().score, 3) << "odd people give 3 or 4 stars";
  EXPECT_LE(scored.front().score, 4);
}

TEST_F(FeatureModelsTest, TheSameRowsWithoutATimeAreInOneOrder) {
  const auto spec = parse_model_spec(std::string("kind: two_tower\n") + kColours + "  time: none\n" + kTables,
                                     "models/m.yaml");
  const auto one = read_training_feedback(*warehouse_, *spec),
             two = read_training_feedback(*warehouse_, *spec);
  ASSERT_TRUE(one) << one.error().text();
  EXPECT_EQ(one->hash, two->hash);
  EXPECT_NE(one->set.users.id(0), "p0") << "drawn";
  EXPECT_EQ(one->set.rows.back().time, 720 * kSecondUs);
}

TEST_F(FeatureModelsTest, SearchesByTheErrorOfRatings) {
  const auto spec =
      parse_model_spec(std::string("kind: two_tower\n") + kColours + "  label: stars\n  time: none\n" +
                           "users: {features: [visitor]}\nsearch: {epochs: [1, 40], learning_rate: [0.02]}\n",
                       "models/m.yaml");
  ASSERT_TRUE(spec) << spec.error().text();
  const auto tuning = trainer_->tune(*spec, 4, 0, 1, nullptr, [](std::string_view) {});
  ASSERT_TRUE(tuning) << tuning.error().text();
  EXPECT_EQ(tuning->metric, "-RMSE");
  EXPECT_LT(tuning->trials.front().metric.mean, 0);
  EXPECT_GE(tuning->trials.front().metric.mean, tuning->trials.back().metric.mean);
}

TEST_F(FeatureModelsTest, CountsWhatIsPopularBySegment) {
  const auto trained =
      train(std::string("kind: popularity\nsettings: {segment: country, segment_damping: 10}\n") + kColours);
  ASSERT_TRUE(trained) << trained.error().text();
  EXPECT_EQ(trained->manifest["settings"]["segment"], "country");
  const auto check = [&] {
    EXPECT_THAT(colours(best({.user = user("p4")}, 11)), testing::Each(1));
    const FeatureTable told{
        .ids = {""},
        .columns = {{.name = "country", .kind = ColumnKind::kCategory, .numbers = {}, .texts = {"2"}}}};
    EXPECT_THAT(colours(best({.features = &told}, 11)), testing::Each(2)) << "of whom only that is told";
    EXPECT_EQ(best({}, 40).size(), 33u) << "a stranger gets what is popular overall";
    EXPECT_EQ(best({.user = user("p4")}, 40).size(), 33u) << "after one's own segment the others";
  };
  check();
  registry_ = ModelRegistry::open(env_, options().lake_dir / "models").value();
  check();
  EXPECT_THAT(refusal(std::string("kind: popularity\nsettings: {segment: city}\n") + kColours),
              HasSubstr("no column city"));
}

TEST_F(FeatureModelsTest, AWindowLeavesOutWhatIsOlder) {
  const std::string text = R"(kind: popularity
settings: {window: 7d}
interactions:
  from: >
    SELECT 'p' || p AS visitor, CASE WHEN d < 20 THEN 'old' ELSE 'new' END AS item_id,
      TIMESTAMP '2026-01-01' + INTERVAL (d) DAY + INTERVAL (p) SECOND AS event_time FROM range(30) a(d), range(20) b(p) WHERE d < 15 OR d > 20
)";
  ASSERT_TRUE(train(text)) << refusal(text);
  EXPECT_THAT(best({}, 5), testing::ElementsAre("new", "old")) << "what is older is no more than a fallback";
}

TEST_F(FeatureModelsTest, SaysWhatIsWrongWithFeatures) {
  const std::string colours = std::string("kind: two_tower\n") + kColours;
  EXPECT_THAT(refusal(colours + "users: {features: [contry]}\n"),
              AllOf(HasSubstr("models/m.yaml"), HasSubstr("users"), HasSubstr("did you mean country?")));
  EXPECT_THAT(refusal(colours + "items: {from: \"SELECT 'i1' AS item_id, 1 AS x FROM range(2)\"}\n"),
              AllOf(HasSubstr("items"), HasSubstr("several rows of item_id i1")));
  EXPECT_THAT(refusal(colours + "items: {from: \"SELECT 'i1' AS item_id, [1, 2] AS tags\"}\n"),
              AllOf(HasSubstr("tags"), HasSubstr("INTEGER[]")));
  EXPECT_THAT(refusal(colours + "items: {from: \"SELECT 1 AS sku\"}\n"), HasSubstr("no column item_id"));
  EXPECT_THAT(refusal(colours + "items: {from: \"DROP TABLE events\"}\n"), HasSubstr("items"));
  EXPECT_THAT(refusal(colours + "items: {id: sku}\n"), HasSubstr("models/m.yaml:7"));
  EXPECT_THAT(refusal(colours + "users: {features: [{name: country, kind: colour}]}\n"),
              HasSubstr("models/m.yaml:7"));
  EXPECT_THAT(refusal("kind: als\nusers: {features: [x]}\n"), HasSubstr("users"));
  EXPECT_THAT(refusal("kind: imported\n"), HasSubstr("millrace model import"));
  EXPECT_THAT(refusal("kind: two_tower\ninteractions: {training_set: rated}\n"),
              HasSubstr("no training sets here"));
}

/// Vectors of two kinds of items, and of people who like one or the other.
ImportedModel two_kinds() {
  ImportedModel model;
  for (std::size_t i = 0; i < 4; ++i) {
    model.items.add("i" + std::to_string(i * 12));  // as in kColours
    model.users.add("u" + std::to_string(i));
  }
  model.item_vectors = Matrix(4, 2);
  model.user_vectors = Matrix(4, 2);
  for (std::size_t i = 0; i < 4; ++i) {
    model.item_vectors.row(i)[i % 2] = 1 + static_cast<float>(i);
    model.user_vectors.row(i)[i % 2] = 1;
  }
  return model;
}

TEST_F(FeatureModelsTest, ServesVectorsMadeElsewhere) {
  const auto imported = import(nullptr, two_kinds());
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_TRUE(imported->deployed);
  EXPECT_THAT(imported->gate, HasSubstr("without being judged"));
  EXPECT_THAT(best({.user = user("u1")}, 2), testing::ElementsAre("i36", "i12"));
  registry_ = ModelRegistry::open(env_, options().lake_dir / "models").value();
  EXPECT_THAT(best({.user = user("u1")}, 2), testing::ElementsAre("i36", "i12")) << "after a restart";
  const std::vector<Feedback> history = {{.item = *registry_->current("m")->items.find("i12")}};
  EXPECT_THAT(best({.history = history}, 1), testing::ElementsAre("i36"))
      << "of whom only a history is known";
}

TEST_F(FeatureModelsTest, JudgesWhatIsImportedOnTheProjectsInteractions) {
  const auto spec = parse_model_spec(std::string("kind: imported\n") + kColours, "models/m.yaml");
  const auto imported = import(&*spec, two_kinds());
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_FALSE(imported->deployed) << imported->gate;
  EXPECT_THAT(imported->gate, HasSubstr("not deployed: worse than popularity"));
  EXPECT_GT(imported->manifest["metrics"]["all"]["people"].get<int>(), 50);
  EXPECT_EQ(registry_->current("m"), nullptr);
}

TEST_F(FeatureModelsTest, ImportedTowersGiveVectorsToWhoIsInTheTables) {
  const std::string text = std::string("kind: two_tower\n") + kColours + kTables + kSettings;
  ASSERT_TRUE(train(text));
  const auto spec = parse_model_spec(text, "models/m.yaml");
  ImportedModel model;
  model.towers = *registry_->current("m")->ranking->towers();
  const auto imported = import(&*spec, std::move(model));
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_EQ(imported->manifest["training"]["items"], 36);
  EXPECT_TRUE(imported->deployed) << imported->gate;
  EXPECT_EQ(registry_->current("m")->version, "2");
  EXPECT_THAT(colours(best({.user = user("p94")}, 12)), testing::Each(1));
}

TEST_F(FeatureModelsTest, ImportedTowersReadFeaturesOfTheInteractions) {
  const std::string text = std::string("kind: two_tower\n") + kColours +
                           "users: {features: [{name: country, kind: category}]}\n"
                           "items: {features: [{name: colour, kind: category}]}\n" +
                           kSettings;
  ASSERT_TRUE(train(text));
  const auto before = best({.user = user("p1")}, 11), other = best({.user = user("p2")}, 11);
  ASSERT_NE(before, other);
  const auto spec = parse_model_spec(text, "models/m.yaml");
  ImportedModel model;
  model.towers = *registry_->current("m")->ranking->towers();
  ASSERT_TRUE(import(&*spec, std::move(model), ModelTrainer::Deploy::kAlways));
  EXPECT_EQ(best({.user = user("p1")}, 11), before);
  EXPECT_EQ(best({.user = user("p2")}, 11), other);
}

TEST_F(FeatureModelsTest, TheGateLooksAtWhatIsDeployedWhateverItWasMadeOf) {
  const std::string towers = std::string("kind: two_tower\n") + kColours;
  ASSERT_TRUE(train(towers + kTables + kSettings));
  // The same settings, but features that say nothing.
  const auto blind = parse_model_spec(towers +
                                          "users: {from: \"SELECT DISTINCT 'p' || p AS person, 1 AS one FROM "
                                          "range(90) a(p)\", id: person}\n" +
                                          kSettings,
                                      "models/m.yaml");
  ASSERT_TRUE(blind) << blind.error().text();
  const auto worse =
      trainer_->train(*blind, ModelTrainer::Deploy::kIfGood, "test", nullptr, [](std::string_view) {});
  ASSERT_TRUE(worse) << worse.error().text();
  EXPECT_FALSE(worse->deployed);
  EXPECT_THAT(worse->gate,
              AllOf(HasSubstr("may be worse than what is deployed"), HasSubstr("judged as it is")));
}

TEST_F(FeatureModelsTest, WhatComesWithAnInteractionTellsNothingBeforeIt) {
  // Everyone comes once, and their first row says what they will meet.
  const auto trained = train(std::string(R"(kind: two_tower
interactions:
  from: >
    SELECT 'p' || p AS visitor, 'i' || p * 7 % 10 AS item_id, TIMESTAMP '2026-01-01' + INTERVAL (p) MINUTE AS event_time,
      'i' || p * 7 % 10 AS hint FROM range(400) a(p)
users: {features: [hint]}
)") + kSettings);
  ASSERT_TRUE(trained) << trained.error().text();
  EXPECT_LT(trained->manifest["metrics"]["all"]["recall"]["mean"].get<double>(), 1.01);
  EXPECT_LT(trained->manifest["metrics"]["all"]["mrr"]["mean"].get<double>(), 0.5)
      << trained->manifest["metrics"].dump();
}

TEST_F(FeatureModelsTest, WhatSaysNothingToAnyoneIsNotDeployed) {
  ImportedModel strangers = two_kinds();
  strangers.items = {};
  for (const char* id : {"a", "b", "c", "d"}) strangers.items.add(id);
  const auto spec = parse_model_spec(std::string("kind: imported\n") + kColours, "models/m.yaml");
  const auto imported = import(&*spec, std::move(strangers));
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_FALSE(imported->deployed);
  EXPECT_THAT(imported->gate, HasSubstr("nothing to say to anyone"));
}

TEST_F(FeatureModelsTest, RefusesVectorsThatDoNotFit) {
  const auto refused = [&](auto&& change) {
    ImportedModel model = two_kinds();
    change(model);
    const auto imported = import(nullptr, std::move(model));
    return imported ? std::string("imported") : imported.error().text();
  };
  EXPECT_THAT(refused([](ImportedModel& m) { m.item_vectors.row(1)[0] = NAN; }),
              AllOf(HasSubstr("i12"), HasSubstr("not finite")));
  EXPECT_THAT(refused([](ImportedModel& m) { m.user_vectors = Matrix(4, 3); }), HasSubstr("3 dimensions"));
  EXPECT_THAT(refused([](ImportedModel& m) { m.items = {}, m.item_vectors = {}; }), HasSubstr("has no item"));
  EXPECT_THAT(refused([](ImportedModel& m) { m.items.add("more"); }), HasSubstr("5 items and 4 vectors"));
  EXPECT_EQ(registry_->list().value().size(), 0u);
}

}  // namespace
}  // namespace millrace
