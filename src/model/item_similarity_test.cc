#include "model/item_similarity.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linalg/kernels.h"
#include "model/taste_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const SparseMatrix& four_people() {
  static const SparseMatrix meetings(
      4, 4,
      std::vector<SparseEntry>{{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, 1}, {2, 1, 1}, {2, 2, 2}, {3, 3, 1}});
  return meetings;
}

TEST(CoMeetings, AreTheRowsOfTheGram) {
  const SparseMatrix met_by = four_people().transposed();
  CoMeetings together(four_people(), met_by);
  EXPECT_THAT(together.of(1), testing::ElementsAre(2, 3, 2, 0));
  EXPECT_THAT(together.of(3), testing::ElementsAre(0, 0, 0, 1));
}

TEST(ItemKnn, IsTheDampedCosine) {
  const auto model = train_item_knn(four_people(), {.damping = 5}, {}).value();
  const auto near = model.weights.row(1);
  ASSERT_THAT(near.columns, testing::ElementsAre(0, 2));
  EXPECT_FLOAT_EQ(near.values[0], 2 / (std::sqrt(2.F * 3.F) + 5));
  EXPECT_FLOAT_EQ(near.values[1], 2 / (std::sqrt(3.F * 4.F) + 5));
  EXPECT_EQ(model.weights.row(3).size(), 0u);
  std::vector<float> scores(4);
  score_by_items(model.weights, four_people().row(2), scores);
  EXPECT_FLOAT_EQ(scores[0], near.values[0]);
  EXPECT_FLOAT_EQ(scores[1], 2 * near.values[1]);
}

TEST(ItemKnn, KeepsTheStrongest) {
  const auto model = train_item_knn(four_people(), {.neighbours = 1, .damping = 0}, {}).value();
  EXPECT_THAT(model.weights.row(1).columns, testing::ElementsAre(0));
}

/// Solve Steck's problem by plain gradient descent: min |X − XB|² + λ|B|², diagonal 0.
Matrix ease_by_descent(const SparseMatrix& meetings, double regularization) {
  const std::size_t n = meetings.columns();
  Matrix x(meetings.rows(), n), b(n, n);
  for (std::size_t u = 0; u < meetings.rows(); ++u)
    for (std::size_t k = 0; k < meetings.row(u).size(); ++k)
      x.row(u)[meetings.row(u).columns[k]] = meetings.row(u).values[k];
  for (int step = 0; step < 20'000; ++step) {
    Matrix slope(n, n);
    for (std::size_t u = 0; u < x.rows; ++u)
      for (std::size_t j = 0; j < n; ++j) {
        float missing = x.row(u)[j];
        for (std::size_t i = 0; i < n; ++i) missing -= x.row(u)[i] * b.row(i)[j];
        for (std::size_t i = 0; i < n; ++i) slope.row(i)[j] -= x.row(u)[i] * missing;
      }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        b.row(i)[j] =
            i == j
                ? 0
                : b.row(i)[j] - 0.02F * (slope.row(i)[j] + static_cast<float>(regularization) * b.row(i)[j]);
  }
  return b;
}

TEST(Ease, IsTheMinimumThatDescentFinds) {
  const auto model = train_ease(four_people(), {.regularization = 0.7}, {}).value();
  const Matrix want = ease_by_descent(four_people(), 0.7);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(model.weights.row(i)[j], want.row(i)[j], 1e-4) << i << j;
  std::vector<float> scores(4);
  score_by_items(model.weights, four_people().row(2), scores);
  EXPECT_NEAR(scores[0], want.row(1)[0] + 2 * want.row(2)[0], 1e-4);
}

TEST(ItemSimilarity, FindsPlantedTastes) {
  const auto planted = plant_tastes(2'000, 300, 4, 40, 8);
  const auto ease = train_ease(planted.train, {.regularization = 600}, {.threads = 2}).value();
  const auto knn = train_item_knn(planted.train, {}, {.threads = 2}).value();
  double by_ease = 0, by_knn = 0, oracle = 0;
  std::vector<float> scores(300);
  for (std::size_t u = 0; u < planted.test.size(); ++u) {
    score_by_items(ease.weights, planted.train.row(u), scores);
    by_ease += ndcg_at_10(planted.train.row(u), planted.test[u], scores);
    score_by_items(knn.weights, planted.train.row(u), scores);
    by_knn += ndcg_at_10(planted.train.row(u), planted.test[u], scores);
    oracle += ndcg_at_10(planted.train.row(u), planted.test[u], planted.chances.row(u));
  }
  EXPECT_GE(by_ease, 0.9 * oracle);
  EXPECT_GE(by_knn, 0.8 * oracle);
}

TEST(ItemSimilarity, IsTheSameWithAnyNumberOfThreads) {
  const auto planted = plant_tastes(400, 200, 4, 15, 6);
  EXPECT_EQ(train_ease(planted.train, {}, {.threads = 1}).value().weights,
            train_ease(planted.train, {}, {.threads = 3}).value().weights);
}

TEST(ItemSimilarity, RefusesWhatItCannotLearnFrom) {
  EXPECT_THAT(train_ease(SparseMatrix(2, 2, {}), {}, {}).error().text(), HasSubstr("nobody met anything"));
  EXPECT_THAT(train_item_knn(SparseMatrix(2, 2, {}), {}, {}).error().text(),
              HasSubstr("nobody met anything"));
  EXPECT_THAT(train_ease(four_people(), {.items_max = 3}, {}).error().text(),
              HasSubstr("4 items are more than the 3"));
  EXPECT_THAT(train_ease(four_people(), {.regularization = 0}, {}).error().text(), HasSubstr("above 0"));
  EXPECT_THAT(train_item_knn(four_people(), {.neighbours = 0}, {}).error().text(), HasSubstr("neighbours"));
  const std::atomic<bool> stop = true;
  EXPECT_EQ(train_ease(four_people(), {}, {.stop = &stop}).error().code, Code::kCancelled);
  EXPECT_EQ(train_item_knn(four_people(), {}, {.stop = &stop}).error().code, Code::kCancelled);
}

}  // namespace
}  // namespace millrace
