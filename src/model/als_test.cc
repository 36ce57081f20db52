#include "model/als.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linalg/kernels.h"
#include "model/taste_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

SparseMatrix small_meetings() {
  return SparseMatrix(
      4, 5, std::vector<SparseEntry>{{0, 0, 1}, {0, 1, 2}, {1, 1, 1}, {1, 2, .5F}, {3, 4, 3}, {3, 0, 1}});
}

/// What training makes small, term by term.
double loss(const SparseMatrix& meetings, const AlsModel& model) {
  const AlsSettings& s = model.settings;
  double sum = 0;
  const auto square = [](std::span<const float> x) {
    return static_cast<double>(kernels().dot(x.data(), x.data(), x.size()));
  };
  for (std::size_t u = 0; u < meetings.rows(); ++u) {
    const auto row = meetings.row(u);
    for (std::size_t i = 0; i < meetings.columns(); ++i)
      sum += s.unobserved_weight *
             std::pow(kernels().dot(model.users.row(u).data(), model.items.row(i).data(), s.factors), 2);
    for (std::size_t k = 0; k < row.size(); ++k)
      sum += row.values[k] * std::pow(1 - kernels().dot(model.users.row(u).data(),
                                                        model.items.row(row.columns[k]).data(), s.factors),
                                      2);
    if (row.size() > 0)
      sum += s.regularization *
             std::pow(static_cast<double>(row.size()) +
                          s.unobserved_weight * static_cast<double>(meetings.columns()),
                      s.frequency_exponent) *
             square(model.users.row(u));
  }
  const SparseMatrix met_by = meetings.transposed();
  for (std::size_t i = 0; i < met_by.rows(); ++i)
    if (met_by.row(i).size() > 0)
      sum += s.regularization *
             std::pow(static_cast<double>(met_by.row(i).size()) +
                          s.unobserved_weight * static_cast<double>(meetings.rows()),
                      s.frequency_exponent) *
             square(model.items.row(i));
  return sum;
}

TEST(Als, EndsWhereNoSmallChangeMakesTheLossSmaller) {
  const SparseMatrix meetings = small_meetings();
  for (const double exponent : {0.0, 1.0}) {
    AlsModel model =
        train_als(
            meetings,
            {.factors = 3, .iterations = 300, .frequency_exponent = exponent, .solver = AlsSolver::kCholesky},
            {})
            .value();
    const double end = loss(meetings, model);
    for (Matrix* side : {&model.users, &model.items})
      for (float& value : side->values) {
        const float before = value;
        for (const float step : {-0.03F, 0.03F}) {
          value = before + step;
          EXPECT_GE(loss(meetings, model), end - 1e-5);
        }
        value = before;
      }
  }
}

TEST(Als, TellsTheLossItReached) {
  const SparseMatrix meetings = small_meetings();
  for (const AlsSolver solver : {AlsSolver::kCholesky, AlsSolver::kConjugateGradient}) {
    double told = 0;
    int rounds = 0;
    const AlsModel model = train_als(meetings, {.factors = 3, .iterations = 5, .solver = solver},
                                     {.on_step =
                                          [&](const TrainingStep& step) {
                                            told = step.loss;
                                            EXPECT_EQ(step.step, ++rounds);
                                            EXPECT_EQ(step.steps, 5);
                                            return true;
                                          }})
                               .value();
    EXPECT_EQ(rounds, 5);
    EXPECT_NEAR(told, loss(meetings, model), 1e-4);
  }
}

TEST(Als, BothSolversReachTheSame) {
  const auto planted = plant_tastes(200, 80, 4, 15, 5);
  double reached[2];
  for (const AlsSolver solver : {AlsSolver::kCholesky, AlsSolver::kConjugateGradient})
    reached[static_cast<int>(solver)] =
        loss(planted.train,
             train_als(planted.train, {.factors = 8, .iterations = 30, .solver = solver}, {}).value());
  EXPECT_NEAR(reached[0] / reached[1], 1, 0.01);
}

TEST(Als, IsTheSameWithAnyNumberOfThreads) {
  const auto planted = plant_tastes(700, 90, 4, 15, 6);
  const AlsSettings settings{.factors = 16, .iterations = 3};
  const AlsModel one = train_als(planted.train, settings, {.threads = 1}).value();
  const AlsModel three = train_als(planted.train, settings, {.threads = 3}).value();
  EXPECT_EQ(one.users, three.users);
  EXPECT_EQ(one.items, three.items);
}

TEST(Als, FoldsInSomeoneAsTrainingWouldHave) {
  const auto planted = plant_tastes(300, 80, 4, 15, 7);
  AlsModel model =
      train_als(planted.train, {.factors = 8, .iterations = 200, .solver = AlsSolver::kCholesky}, {}).value();
  // Users are solved for before items: one more half round brings both to the same items.
  const AlsFoldIn fold_in(model.settings, model.items);
  for (std::size_t u = 0; u < 5; ++u) {
    const auto folded = fold_in.factors(planted.train.row(u));
    for (std::size_t f = 0; f < 8; ++f) EXPECT_NEAR(folded[f], model.users.row(u)[f], 0.02);
  }
  EXPECT_THAT(fold_in.factors({}), testing::Each(0));
}

TEST(Als, WeightsSayHowMuchAMeetingCounts) {
  const SparseMatrix meetings(2, 2, std::vector<SparseEntry>{{0, 0, 0.01F}, {0, 1, 10}, {1, 0, 1}});
  const AlsModel model = train_als(meetings, {.factors = 2}, {}).value();
  const auto score = [&](std::size_t u, std::size_t i) {
    return kernels().dot(model.users.row(u).data(), model.items.row(i).data(), 2);
  };
  EXPECT_GT(score(0, 1), 0.9);
  EXPECT_LT(score(0, 0), 0.4);
}

TEST(Als, FindsPlantedTastes) {
  const auto planted = plant_tastes(2'000, 300, 4, 40, 8);
  const AlsModel model =
      train_als(planted.train,
                {.factors = 16, .iterations = 15, .unobserved_weight = 0.3, .regularization = 0.03},
                {.threads = 2})
          .value();
  double found = 0, oracle = 0, by_popularity = 0;
  std::vector<float> scores(300), popularity(300);
  const SparseMatrix met_by = planted.train.transposed();
  for (std::size_t i = 0; i < 300; ++i) popularity[i] = static_cast<float>(met_by.row(i).size());
  for (std::size_t u = 0; u < planted.test.size(); ++u) {
    kernels().dots(model.items.data(), 300, 16, model.users.row(u).data(), scores.data());
    found += ndcg_at_10(planted.train.row(u), planted.test[u], scores);
    oracle += ndcg_at_10(planted.train.row(u), planted.test[u], planted.chances.row(u));
    by_popularity += ndcg_at_10(planted.train.row(u), planted.test[u], popularity);
  }
  EXPECT_GE(found, 0.9 * oracle);
  EXPECT_LT(by_popularity, 0.7 * oracle) << "there is something to find";
}

TEST(Als, EndsWhenTold) {
  const auto planted = plant_tastes(100, 50, 4, 10, 9);
  int rounds = 0;
  ASSERT_TRUE(train_als(planted.train, {.factors = 4},
                        {.on_step = [&](const TrainingStep&) { return ++rounds < 3; }}));
  EXPECT_EQ(rounds, 3);
  rounds = 0;
  ASSERT_TRUE(train_als(planted.train, {.factors = 4, .iterations = 1'000, .tolerance = 0.01},
                        {.on_step = [&](const TrainingStep&) { return ++rounds > 0; }}));
  EXPECT_LT(rounds, 100);
  const std::atomic<bool> stop = true;
  EXPECT_EQ(train_als(planted.train, {.factors = 4}, {.stop = &stop}).error().code, Code::kCancelled);
}

TEST(Als, RefusesWhatItCannotLearnFrom) {
  const auto refusal = [](float weight, AlsSettings settings) {
    return train_als(SparseMatrix(1, 1, std::vector<SparseEntry>{{0, 0, weight}}), settings, {})
        .error()
        .text();
  };
  EXPECT_THAT(train_als(SparseMatrix(2, 2, {}), {}, {}).error().text(), HasSubstr("nobody met anything"));
  EXPECT_THAT(refusal(-1, {}), HasSubstr("the weight -1 of user 0"));
  EXPECT_THAT(refusal(std::numeric_limits<float>::infinity(), {}), HasSubstr("not finite"));
  EXPECT_THAT(refusal(std::nanf(""), {}), HasSubstr("not finite"));
  EXPECT_THAT(refusal(1, {.factors = 0}), HasSubstr("factors"));
  EXPECT_THAT(refusal(1, {.iterations = 0}), HasSubstr("iterations"));
  EXPECT_THAT(refusal(1, {.unobserved_weight = 0, .regularization = 0}), HasSubstr("nor both 0"));
  EXPECT_TRUE(train_als(SparseMatrix(1, 1, std::vector<SparseEntry>{{0, 0, 1}}), {}, {}))
      << "one person, one item";
}

}  // namespace
}  // namespace millrace
