#include "model/two_tower.h"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linalg/kernels.h"
#include "model/feature_taste_testing.h"
#include "model/two_tower_data.h"

namespace millrace {
namespace {

using testing::Each;
using testing::HasSubstr;

const PlantedFeatures& small_planted() {
  static const PlantedFeatures features = plant_features(120, 60, 4, 10, true, 3);
  return features;
}

TwoTowerSettings small_settings() {
  return {.shape = {.hidden = {16}, .dimensions = 8, .category_dimensions = 4, .text_dimensions = 4},
          .encoder = {.text_buckets = 64},
          .batch = 64,
          .epochs = 4};
}

TwoTowerModel train(const PlantedFeatures& features, const TwoTowerSettings& settings,
                    const TrainingControl& control = {}) {
  return train_two_tower(features.users, features.items, features.examples, settings, control).value();
}

FeatureTable named(std::initializer_list<const char*> names) {
  FeatureTable table;
  table.columns.push_back({.name = "id", .kind = ColumnKind::kCategory});
  for (const char* name : names) {
    table.ids.emplace_back(name);
    table.columns[0].texts.emplace_back(name);
  }
  return table;
}

/// Users and items whose rating is known: 3 + user's number · item's number.
struct PlantedRatings {
  FeatureTable users, items;
  std::vector<TwoTowerExample> examples;
};

PlantedRatings plant_ratings(std::size_t count) {
  PlantedRatings planted;
  std::mt19937_64 random(4);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const auto fill = [&](FeatureTable& table) {
    table.columns.push_back({.name = "number"});
    for (int i = 0; i < 60; ++i) {
      table.ids.push_back(std::to_string(i));
      table.columns[0].numbers.push_back(uniform(random));
    }
  };
  fill(planted.users);
  fill(planted.items);
  for (std::size_t i = 0; i < count; ++i) {
    const auto u = static_cast<std::uint32_t>(random() % 60), v = static_cast<std::uint32_t>(random() % 60);
    const double product = planted.users.columns[0].numbers[u] * planted.items.columns[0].numbers[v];
    planted.examples.push_back({.user = u, .item = v, .label = static_cast<float>(3 + 2 * product)});
  }
  return planted;
}

TwoTowerSettings rating_settings() {
  return {.goal = TwoTowerGoal::kRatings,
          .shape = {.hidden = {16}, .dimensions = 8},
          .batch = 64,
          .epochs = 60,
          .learning_rate = 0.01};
}

TEST(TwoTower, FindsPlantedTastesAlsoOfPeopleAndItemsNeverSeen) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "takes three minutes under the sanitizer; the smaller tests go the same ways";
#endif
  const PlantedFeatures features = plant_features(2'500, 300, 4, 40, false, 8);
  const TwoTowerModel model = train(features, {.epochs = 10, .weight_decay = 0.5}, {.threads = 2});
  const Matrix scores = planted_scores(model, features);
  const PlantedScore warm = judge_planted(features, scores, false, false);
  EXPECT_GE(warm.share(), 0.9);
  EXPECT_LT(warm.popularity, 0.7 * warm.oracle) << "there is something to find";
  EXPECT_GE(judge_planted(features, scores, true, false).share(), 0.9) << "people never seen";
  EXPECT_GE(judge_planted(features, scores, false, true).share(), 0.9) << "items never seen";
}

TEST(TwoTower, ForeseesRatings) {
  const PlantedRatings planted = plant_ratings(4'000);
  const auto train_part = std::span(planted.examples).first(3'000);
  const TwoTowerModel model =
      train_two_tower(planted.users, planted.items, train_part, rating_settings(), {}).value();
  const Embeddings users = model.users.embed(planted.users).value();
  const Embeddings items = model.items.embed(planted.items).value();
  double squares = 0, spread = 0;
  for (const TwoTowerExample& example : std::span(planted.examples).subspan(3'000)) {
    const double foreseen = model.score(users.vectors.row(example.user), items.vectors.row(example.item));
    squares += std::pow(foreseen - example.label, 2);
    spread += std::pow(example.label - 3, 2);
    ASSERT_GE(foreseen, model.ratings->min);
    ASSERT_LE(foreseen, model.ratings->max);
  }
  EXPECT_LT(squares, 0.01 * spread);
}

TEST(TwoTower, KeepsRatingsWithinTheirRange) {
  const RatingScale scale{.mean = 3, .deviation = 2, .bias = 0.5, .min = 1, .max = 5};
  EXPECT_EQ(scale.rating(0.25), 4.5);
  EXPECT_EQ(scale.rating(10), 5);
  EXPECT_EQ(scale.rating(-10), 1);
  TwoTowerSettings settings = rating_settings();
  settings.epochs = 1;
  settings.rating_min = -7;
  settings.rating_max = 11;
  const PlantedRatings planted = plant_ratings(100);
  const auto model = train_two_tower(planted.users, planted.items, planted.examples, settings, {}).value();
  EXPECT_EQ(model.ratings->min, -7);
  EXPECT_EQ(model.ratings->max, 11);
}

TEST(TwoTower, IsTheSameForASeedWithAnyNumberOfThreads) {
  const TwoTowerModel one = train(small_planted(), small_settings());
  const TwoTowerModel two = train(small_planted(), small_settings(), {.threads = 2});
  EXPECT_EQ(one.users.tower, two.users.tower);
  EXPECT_EQ(one.items.tower, two.items.tower);
  EXPECT_EQ(one.loss, two.loss);
  EXPECT_EQ(one.users.embed(small_planted().users, 1).value().vectors,
            one.users.embed(small_planted().users, 3).value().vectors);
  TwoTowerSettings other = small_settings();
  other.seed = 2;
  EXPECT_NE(train(small_planted(), other).users.tower, one.users.tower);
}

TEST(TwoTower, StopsEarlyAndKeepsTheBestWeights) {
  TwoTowerSettings settings = small_settings();
  settings.epochs = 200;
  settings.learning_rate = 0.02;
  settings.patience = 2;
  std::vector<double> losses;
  const TwoTowerModel model = train(small_planted(), settings, {.on_step = [&](const TrainingStep& step) {
                                      EXPECT_EQ(step.steps, 200);
                                      losses.push_back(step.loss);
                                      EXPECT_EQ(step.step, static_cast<int>(losses.size()));
                                      return true;
                                    }});
  ASSERT_LT(losses.size(), 200u);
  const auto best = std::ranges::min_element(losses);
  EXPECT_EQ(model.loss, *best);
  EXPECT_EQ(model.epochs, best - losses.begin() + 1);
  EXPECT_EQ(losses.end() - best, 3) << "two epochs that were no better";

  const TwoTowerModel ended =
      train(small_planted(), settings,
            {.on_step = [&](const TrainingStep& step) { return step.step < model.epochs; }});
  EXPECT_EQ(ended.users.tower, model.users.tower) << "as if it had ended there";
}

TEST(TwoTower, WithoutHeldOutExamplesTrainsToTheEnd) {
  TwoTowerSettings settings = small_settings();
  settings.held_out = 0;
  settings.epochs = 7;
  int epochs = 0;
  double last = 0;
  const TwoTowerModel model = train(small_planted(), settings, {.on_step = [&](const TrainingStep& step) {
                                      last = step.loss;
                                      return ++epochs > 0;
                                    }});
  EXPECT_EQ(epochs, 7);
  EXPECT_EQ(model.epochs, 7);
  EXPECT_EQ(model.loss, last);
}

TEST(TwoTower, EndsWhenTold) {
  int epochs = 0;
  const TwoTowerModel model = train(small_planted(), small_settings(),
                                    {.on_step = [&](const TrainingStep&) { return ++epochs < 2; }});
  EXPECT_EQ(epochs, 2);
  EXPECT_LE(model.epochs, 2);
  const std::atomic<bool> stop = true;
  const auto& planted = small_planted();
  EXPECT_EQ(train_two_tower(planted.users, planted.items, planted.examples, small_settings(), {.stop = &stop})
                .error()
                .code,
            Code::kCancelled);
}

TEST(TwoTower, ExamplesThatWeighNothingChangeNothing) {
  PlantedRatings planted = plant_ratings(600);
  TwoTowerSettings settings = rating_settings();
  settings.epochs = 20;
  for (std::size_t i = 0; i < planted.examples.size(); i += 2) {
    planted.examples[i].weight = 0;
    planted.examples[i].label = 3 - 10 * planted.examples[i].label;
  }
  const auto model = train_two_tower(planted.users, planted.items, planted.examples, settings, {}).value();
  const Embeddings users = model.users.embed(planted.users).value();
  const Embeddings items = model.items.embed(planted.items).value();
  double squares = 0, spread = 0;
  for (std::size_t i = 1; i < planted.examples.size(); i += 2) {
    const TwoTowerExample& example = planted.examples[i];
    squares += std::pow(
        model.score(users.vectors.row(example.user), items.vectors.row(example.item)) - example.label, 2);
    spread += std::pow(example.label - 3, 2);
  }
  EXPECT_LT(squares, 0.2 * spread);
}

TEST(TwoTower, ValuesNeverSeenGetTheMeanOfThoseSeen) {
  const FeatureTable users = named({"a", "b", "c"}), items = named({"p", "q"});
  std::vector<TwoTowerExample> examples;
  for (const std::uint32_t user : {0u, 0u, 0u, 1u, 0u, 1u, 0u, 0u})
    examples.push_back({.user = user, .item = static_cast<std::uint32_t>(examples.size() % 2)});
  TwoTowerSettings settings = small_settings();
  settings.held_out = 0;
  const TwoTowerModel model = train_two_tower(users, items, examples, settings, {}).value();
  const Matrix& vectors = model.users.tower.embeddings[0];  // missing, a, b, then buckets
  ASSERT_EQ(vectors.rows, 3 + settings.encoder.buckets);
  for (std::size_t k = 0; k < vectors.columns; ++k) {
    const float mean = 0.75F * vectors.row(1)[k] + 0.25F * vectors.row(2)[k];
    for (const std::size_t unseen : {0u, 3u, 4u, 10u}) EXPECT_NEAR(vectors.row(unseen)[k], mean, 1e-6);
  }
}

TEST(TwoTower, LearnsNothingFromWhatIsHeldOut) {
  PlantedFeatures features = small_planted();
  const std::size_t trained = features.examples.size() - features.examples.size() / 10;
  TwoTowerSettings settings = small_settings();
  settings.epochs = 1;
  const TwoTowerModel before = train(features, settings);
  for (std::size_t i = trained; i < features.examples.size(); ++i)
    features.examples[i] = {.user = 119, .item = static_cast<std::uint32_t>(58 + i % 2)};
  for (std::size_t u = 108; u < 120; ++u) features.users.columns[0].numbers[u] = 1e6;  // nobody trained on
  const TwoTowerModel after = train(features, settings);
  EXPECT_EQ(before.users.tower, after.users.tower);
  EXPECT_EQ(before.items.tower, after.items.tower);
  EXPECT_EQ(before.users.encoder.columns()[0].mean, after.users.encoder.columns()[0].mean);
}

TEST(TwoTower, SharesOfItemsAreThoseOfTheirPart) {
  const FeatureTable users = named({"a"}), items = named({"p", "q"});
  std::vector<TwoTowerExample> examples(100);
  for (const std::size_t ten : {0u, 3u, 9u})
    for (std::size_t i = 0; i < 10; ++i) examples[10 * ten + i].item = 1;
  TwoTowerSettings settings = small_settings();
  settings.held_out = 0.2;
  const TwoTowerData data = prepare_two_tower(users, items, examples, settings).value();
  EXPECT_EQ(data.trained, 80u);
  EXPECT_FLOAT_EQ(data.log_shares[0], std::log(2.F / 8));
  EXPECT_FLOAT_EQ(data.log_shares[10], std::log(6.F / 8));
  EXPECT_FLOAT_EQ(data.log_shares[80], std::log(1.F / 2));
  EXPECT_FLOAT_EQ(data.log_shares[90], std::log(1.F / 2));
}

TEST(TwoTower, ScoresTellPopularityDespiteItsCorrection) {
  // Everyone is the same; one item is met nine times as often as the other: the scores should differ by ln 9.
  const FeatureTable users = named({"a"}), items = named({"p", "q", "r"});
  std::vector<TwoTowerExample> examples;
  std::mt19937_64 random(5);
  for (int i = 0; i < 6'000; ++i) {
    const auto draw = random() % 20;
    examples.push_back({.user = 0, .item = draw < 9 ? 0u : draw < 10 ? 1u : 2u});
  }
  TwoTowerSettings settings = small_settings();
  settings.epochs = 40;
  settings.weight_decay = 0;
  settings.learning_rate = 0.005;
  const TwoTowerModel model = train_two_tower(users, items, examples, settings, {}).value();
  const Embeddings user = model.users.embed(users).value();
  const Embeddings item = model.items.embed(items).value();
  const auto score = [&](std::size_t i) { return model.score(user.vectors.row(0), item.vectors.row(i)); };
  EXPECT_NEAR(score(0) - score(1), std::log(9), 0.3);
  EXPECT_NEAR(score(2) - score(1), std::log(10), 0.3);
}

TEST(TwoTower, LearnsFromLittle) {
  TwoTowerSettings ratings = rating_settings();
  const FeatureTable one = named({"a"}), two = named({"p", "q"});
  const auto constant =
      train_two_tower(one, two, std::vector<TwoTowerExample>{{0, 0, 4}, {0, 1, 4}}, ratings, {}).value();
  const auto users = constant.users.embed(one).value(), items = constant.items.embed(two).value();
  EXPECT_EQ(constant.score(users.vectors.row(0), items.vectors.row(1)), 4) << "all ratings are the same";

  EXPECT_TRUE(train_two_tower(one, one, std::vector<TwoTowerExample>{{0, 0, 2}}, ratings, {}))
      << "one example of one person and one item";
  EXPECT_TRUE(train_two_tower(one, two, std::vector<TwoTowerExample>{{0, 0}, {0, 1}}, small_settings(), {}))
      << "one person chooses";

  FeatureTable same = named({"x", "x", "x"});
  same.columns.push_back({.name = "missing", .numbers = std::vector<double>(3, std::nan(""))});
  same.columns.push_back({.name = "none", .kind = ColumnKind::kText, .texts = {"", "", ""}});
  const auto model =
      train_two_tower(same, two, std::vector<TwoTowerExample>{{0, 0}, {1, 1}, {2, 0}}, small_settings(), {});
  ASSERT_TRUE(model) << "a category with one value, all numbers missing, no text";
  EXPECT_THAT(model->users.embed(same).value().vectors.values,
              Each(testing::Truly([](float x) { return std::isfinite(x); })));
}

class TwoTowerRefusal : public testing::Test {
 protected:
  std::string refusal(const TwoTowerSettings& settings) {
    const auto trained = train_two_tower(users_, items_, examples_, settings, {});
    if (trained) return "";
    EXPECT_EQ(trained.error().code, Code::kInvalid);
    return trained.error().text();
  }
  std::string refusal_of(TwoTowerExample example, TwoTowerSettings settings = {}) {
    examples_[1] = example;
    return refusal(settings);
  }

  FeatureTable users_ = named({"a", "b"});
  FeatureTable items_ = named({"p", "q"});
  std::vector<TwoTowerExample> examples_ = {{0, 0, 1}, {1, 1, 2}, {0, 1, 3}};
};

TEST_F(TwoTowerRefusal, OfExamples) {
  const TwoTowerSettings ratings{.goal = TwoTowerGoal::kRatings, .rating_min = 1, .rating_max = 5};
  ASSERT_EQ(refusal(ratings), "");
  EXPECT_THAT(refusal_of({2, 1}),
              HasSubstr("example 1: two_tower: it is of user 2 and item 1, but there are 2"));
  EXPECT_THAT(refusal_of({1, 2}), HasSubstr("item 2"));
  EXPECT_THAT(refusal_of({1, 1, 1, -1}), HasSubstr("its weight -1"));
  EXPECT_THAT(refusal_of({1, 1, 1, std::nanf("")}), HasSubstr("its weight nan"));
  EXPECT_THAT(refusal_of({1, 1}, ratings), HasSubstr("example 1: two_tower: it has no rating; leave it out"));
  EXPECT_THAT(refusal_of({1, 1, INFINITY}, ratings), HasSubstr("infinite"));
  EXPECT_THAT(refusal_of({1, 1, 0.5F}, ratings), HasSubstr("its rating 0.5 is not within rating_min 1"));
  EXPECT_THAT(refusal_of({1, 1, 6}, ratings), HasSubstr("rating_max 5"));
  examples_ = {{0, 0, 1, 0}, {1, 1, 1, 0}};
  EXPECT_THAT(refusal({}), HasSubstr("weights of all examples"));
  examples_ = {{0, 1}, {1, 1}};
  EXPECT_THAT(refusal({}), HasSubstr("of one item: there is no choice"));
  examples_ = {};
  EXPECT_THAT(refusal({}), HasSubstr("no examples"));
}

TEST_F(TwoTowerRefusal, OfFeatures) {
  items_.columns.clear();
  EXPECT_THAT(refusal({}), HasSubstr("items: there are no features"));
  items_ = named({"p", "q"});
  users_.columns[0].texts.pop_back();
  EXPECT_THAT(refusal({}), HasSubstr("users: the column 'id' has 1 values for 2 rows"));
}

TEST_F(TwoTowerRefusal, OfSettings) {
  EXPECT_THAT(refusal({.shape = {.dimensions = 0}}), HasSubstr("dimensions"));
  EXPECT_THAT(refusal({.shape = {.hidden = {64, 0}}}), HasSubstr("hidden"));
  EXPECT_THAT(refusal({.shape = {.category_dimensions = 0}}), HasSubstr("category_dimensions"));
  EXPECT_THAT(refusal({.encoder = {.buckets = 0}}), HasSubstr("buckets"));
  EXPECT_THAT(refusal({.batch = 1}), HasSubstr("batch"));
  EXPECT_THAT(refusal({.epochs = 0}), HasSubstr("epochs"));
  EXPECT_THAT(refusal({.learning_rate = 0}), HasSubstr("learning_rate"));
  EXPECT_THAT(refusal({.weight_decay = -1}), HasSubstr("weight_decay"));
  EXPECT_THAT(refusal({.temperature = 0}), HasSubstr("temperature"));
  EXPECT_THAT(refusal({.rating_min = 2, .rating_max = 1}), HasSubstr("rating_min"));
  EXPECT_THAT(refusal({.held_out = 0.6}), HasSubstr("held_out"));
  EXPECT_THAT(refusal({.patience = 0}), HasSubstr("patience"));
}

TEST_F(TwoTowerRefusal, OfATrainingThatDiverges) {
  // Twenty layers, each of whose weights a step moves by 1.
  TwoTowerSettings settings{.goal = TwoTowerGoal::kRatings,
                            .shape = {.hidden = std::vector<std::size_t>(20, 64)},
                            .learning_rate = 1,
                            .held_out = 0};
  std::string said;
  for (settings.seed = 1; settings.seed <= 10 && said.empty(); ++settings.seed) said = refusal(settings);
  EXPECT_THAT(said, HasSubstr("the training diverged in epoch"));
  EXPECT_THAT(said, HasSubstr("take a smaller learning_rate (it was 1)"));
}

}  // namespace
}  // namespace millrace
