#include "model/tower_adam.h"

#include <cmath>

#include <gtest/gtest.h>

namespace millrace {
namespace {

/// A tower of one field with three vectors and one layer, all its numbers 1.
Tower ones() {
  Tower tower;
  tower.embeddings.emplace_back(3, 2);
  tower.embeddings[0].values.assign(6, 1);
  tower.layers.push_back({Matrix(1, 2), {1}});
  tower.layers[0].weights.values.assign(2, 1);
  return tower;
}

TEST(TowerAdam, MovesAgainstTheGradientByTheLearningRateAtFirst) {
  Tower tower = ones();
  TowerGradient gradient(tower);
  gradient.layers[0].weights.values = {5, -0.01F};
  gradient.layers[0].bias = {3};
  const float change[] = {2, -7};
  gradient.fields[0].add(1, 1, change);
  TowerAdam(tower, {.learning_rate = 0.1}).step(gradient, 0.5, tower);
  EXPECT_NEAR(tower.layers[0].weights.values[0], 0.95, 1e-5);
  EXPECT_NEAR(tower.layers[0].weights.values[1], 1.05, 1e-5);
  EXPECT_NEAR(tower.layers[0].bias[0], 0.95, 1e-5);
  EXPECT_NEAR(tower.embeddings[0].row(1)[0], 0.95, 1e-5);
  EXPECT_NEAR(tower.embeddings[0].row(1)[1], 1.05, 1e-5);
  EXPECT_EQ(tower.embeddings[0].row(0)[0], 1);
  EXPECT_EQ(tower.embeddings[0].row(2)[1], 1);
}

TEST(TowerAdam, AVectorMetLateTakesFirstStepsToo) {
  Tower tower = ones();
  TowerAdam adam(tower, {.learning_rate = 0.1});
  TowerGradient gradient(tower);
  const float change[] = {0.3F, 0.3F};
  gradient.fields[0].add(0, 1, change);
  for (int i = 0; i < 50; ++i) adam.step(gradient, 1, tower);
  gradient.fields[0].add(2, 1, change);
  adam.step(gradient, 1, tower);
  EXPECT_NEAR(tower.embeddings[0].row(2)[0], 0.9, 1e-5);
}

TEST(TowerAdam, WeightsDecayWithEachStepAndVectorsWhenTheyAreMet) {
  Tower tower = ones();
  TowerAdam adam(tower, {.learning_rate = 0.1, .weight_decay = 0.2});
  TowerGradient gradient(tower);
  for (TowerLayer& layer : gradient.layers) layer = {Matrix(1, 2), {0}};
  const float nothing[] = {0, 0};
  for (int i = 1; i <= 10; ++i) {
    gradient.fields[0].clear();
    if (i > 7) gradient.fields[0].add(1, 1, nothing);
    adam.step(gradient, 0.5, tower);
  }
  EXPECT_NEAR(tower.layers[0].weights.values[0], std::pow(0.99, 10), 1e-5);
  EXPECT_EQ(tower.layers[0].bias[0], 1) << "biases do not decay";
  EXPECT_NEAR(tower.embeddings[0].row(1)[0], std::pow(0.99, 3), 1e-5);
  EXPECT_EQ(tower.embeddings[0].row(0)[0], 1);
}

TEST(FieldGradient, AddsUpWhatAVectorIsMetWith) {
  FieldGradient gradient(Matrix(4, 2));
  const float first[] = {1, 2}, second[] = {10, 20};
  gradient.add(3, 0.5F, first);
  gradient.add(1, 1, second);
  gradient.add(3, 2, second);
  ASSERT_EQ(gradient.touched().size(), 2u);
  EXPECT_EQ(gradient.touched()[0], 3u);
  EXPECT_EQ(gradient.of(0)[0], 20.5F);
  EXPECT_EQ(gradient.of(0)[1], 41);
  EXPECT_EQ(gradient.of(1)[1], 20);
  gradient.clear();
  EXPECT_TRUE(gradient.touched().empty());
  gradient.add(3, 1, first);
  EXPECT_EQ(gradient.of(0)[0], 1) << "nothing is left of before";
}

}  // namespace
}  // namespace millrace
