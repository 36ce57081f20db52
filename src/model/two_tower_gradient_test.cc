// What backward passes say of every number that is learnt, against central differences of the losses, which
// are made here again, in double and from their definitions.
#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "model/tower.h"
#include "model/two_tower_loss.h"

namespace millrace {
namespace {

constexpr double kStep = 1e-4;

FeatureTable seen_users() {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  return {
      .ids = {"a", "b", "c", "d"},
      .columns = {{.name = "limit", .numbers = {1, 2.5, missing, -4}},
                  {.name = "city", .kind = ColumnKind::kCategory, .texts = {"x", "y", "x", ""}},
                  {.name = "about", .kind = ColumnKind::kText, .texts = {"red", "red tree", "", "reed"}}}};
}

FeatureTable seen_items() {
  return {.ids = {"p", "q", "r"},
          .columns = {{.name = "line", .kind = ColumnKind::kCategory, .texts = {"cars", "ships", "cars"}},
                      {.name = "price", .numbers = {10, 20, 70}}}};
}

using DoubleRow = std::vector<double>;

/// The vector of a row, by the definition of a tower.
DoubleRow vector_of(const Tower& tower, const EncodedRows& rows, std::uint32_t row) {
  DoubleRow x(rows.numbers.row(row).begin(), rows.numbers.row(row).end());
  for (std::size_t f = 0; f < tower.embeddings.size(); ++f) {
    DoubleRow sum(tower.embeddings[f].columns);
    for (const FieldWeight& entry : rows.field(row, f))
      for (std::size_t k = 0; k < sum.size(); ++k)
        sum[k] += static_cast<double>(entry.weight) * tower.embeddings[f].row(entry.index)[k];
    x.insert(x.end(), sum.begin(), sum.end());
  }
  for (std::size_t l = 0; l < tower.layers.size(); ++l) {
    const TowerLayer& layer = tower.layers[l];
    DoubleRow y(layer.bias.begin(), layer.bias.end());
    for (std::size_t o = 0; o < y.size(); ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += static_cast<double>(layer.weights.row(o)[i]) * x[i];
      if (l + 1 < tower.layers.size()) y[o] = std::max(y[o], 0.0);
    }
    x = y;
  }
  if (tower.normalized) {
    const double length = std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
    for (double& value : x) value /= length;
  }
  return x;
}

struct GradientCase {
  bool ratings = false;
  bool normalized = false;
  std::vector<std::size_t> hidden;
};

class TwoTowerGradient : public testing::TestWithParam<GradientCase> {
 protected:
  TwoTowerGradient() {
    const auto encoder = [](const FeatureTable& table, EncodedRows& rows) {
      const EncoderSettings settings{.occurrences_min = 2, .buckets = 2, .text_buckets = 30};
      auto fitted =
          FeatureEncoder::fit(table, std::vector<std::uint32_t>(table.rows(), 1), settings, "rows").value();
      rows = fitted.encode(table).value();
      return fitted;
    };
    const TowerShape shape{.hidden = GetParam().hidden,
                           .dimensions = 4,
                           .category_dimensions = 3,
                           .text_dimensions = 5,
                           .normalized = GetParam().normalized};
    users_ = random_tower(encoder(seen_users(), user_rows_), shape, 1);
    items_ = random_tower(encoder(seen_items(), item_rows_), shape, 2);
    // Larger than a training begins with, so that every term weighs something.
    for (Tower* tower : {&users_, &items_}) {
      for (Matrix& embeddings : tower->embeddings)
        for (float& value : embeddings.values) value *= 5;
      for (float& value : tower->layers.back().weights.values) value *= 3;
      for (TowerLayer& layer : tower->layers)
        for (std::size_t k = 0; k < layer.bias.size(); ++k) layer.bias[k] += 0.1F * static_cast<float>(k % 3);
    }
  }

  /// The loss of the batch, by its definition.
  double loss() const {
    const std::size_t n = which_users_.size();
    std::vector<DoubleRow> u, v;
    for (std::size_t i = 0; i < n; ++i) {
      u.push_back(vector_of(users_, user_rows_, which_users_[i]));
      v.push_back(vector_of(items_, item_rows_, which_items_[i]));
    }
    const auto dot = [&](std::size_t i, std::size_t j) {
      return std::inner_product(u[i].begin(), u[i].end(), v[j].begin(), 0.0);
    };
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (GetParam().ratings) {
        sum += weights_[i] * std::pow(bias_ + dot(i, i) - targets_[i], 2);
        continue;
      }
      double all = std::exp(dot(i, i) / kTemperature);
      for (std::size_t j = 0; j < n; ++j)
        if (which_items_[j] != which_items_[i]) {
          const double expected = static_cast<double>(n - 1) * std::exp(targets_[j]);
          all += std::exp(dot(i, j) / kTemperature) / expected;
        }
      sum += weights_[i] * (std::log(all) - dot(i, i) / kTemperature);
    }
    return sum / static_cast<double>(n);
  }

  /// Do what training does; return the loss it tells.
  double backward(TowerGradient& by_users, TowerGradient& by_items, float& by_bias) {
    const std::size_t rows_max = which_users_.size() + 3;  // batches may be smaller than the buffers
    TowerPass user_pass(users_, rows_max), item_pass(items_, rows_max);
    const Matrix& u = user_pass.forward(user_rows_, which_users_);
    const Matrix& v = item_pass.forward(item_rows_, which_items_);
    PairGradient gradient(rows_max, 4);
    ChoiceLoss choices(rows_max, kTemperature);
    const double loss = GetParam().ratings ? rating_loss(u, v, targets_, weights_, bias_, &gradient, &by_bias)
                                           : choices.of(u, v, which_items_, targets_, weights_, &gradient);
    // A gradient is written, not added to: what was in it before must not matter.
    for (TowerLayer& layer : by_users.layers) layer.bias.assign(layer.bias.size(), 99);
    for (int twice = 0; twice < 2; ++twice) {
      PairGradient copy = gradient;
      user_pass.backward(copy.users, by_users);
      item_pass.backward(copy.items, by_items);
    }
    return loss;
  }

  /// Compare what is said of each of `values` with the differences.
  void expect_gradient(std::span<float> values, std::span<const float> said, const std::string& of) {
    double most = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const float before = values[k];
      const float above = before + static_cast<float>(kStep), below = before - static_cast<float>(kStep);
      values[k] = above;
      const double more = loss();
      values[k] = below;
      const double less = loss();
      values[k] = before;
      const double is = (more - less) / (static_cast<double>(above) - below);
      EXPECT_NEAR(said[k], is, 2e-6 + 1e-4 * std::abs(is)) << of << ' ' << k;
      most = std::max(most, std::abs(is));
    }
    // What is added to all items alike changes no choice.
    const bool free = !GetParam().ratings && !GetParam().normalized &&
                      of == "items layer " + std::to_string(GetParam().hidden.size()) + " bias";
    EXPECT_TRUE(free || most > 1e-3) << of << ": nothing depends on it, so nothing was tested";
  }

  void expect_tower(Tower& tower, const TowerGradient& gradient, const std::string& of) {
    for (std::size_t l = 0; l < tower.layers.size(); ++l) {
      const std::string layer = of + " layer " + std::to_string(l);
      expect_gradient(tower.layers[l].weights.values, gradient.layers[l].weights.values, layer + " weights");
      expect_gradient(tower.layers[l].bias, gradient.layers[l].bias, layer + " bias");
    }
    for (std::size_t f = 0; f < tower.embeddings.size(); ++f) {
      Matrix& embeddings = tower.embeddings[f];
      Matrix said(embeddings.rows, embeddings.columns);  // zeros for vectors that no row of the batch has
      const auto touched = gradient.fields[f].touched();
      for (std::size_t slot = 0; slot < touched.size(); ++slot)
        std::copy_n(gradient.fields[f].of(slot), said.columns, said.row(touched[slot]).begin());
      expect_gradient(embeddings.values, said.values, of + " field " + std::to_string(f));
    }
  }

  static constexpr double kTemperature = 0.5;

  EncodedRows user_rows_, item_rows_;
  Tower users_, items_;
  std::vector<std::uint32_t> which_users_ = {0, 3, 1, 2, 0, 1};
  std::vector<std::uint32_t> which_items_ = {2, 0, 1, 2, 1, 1};  // some twice and thrice
  std::vector<float> weights_ = {1, 0.5F, 2, 1, 0, 1.5F};
  std::vector<float> targets_ = {-0.7F, -2.0F, -0.2F, -0.7F, -0.2F, -0.2F};
  float bias_ = 0.3F;
};

TEST_P(TwoTowerGradient, IsThatOfTheLoss) {
  TowerGradient by_users(users_), by_items(items_);
  float by_bias = 0;
  const double told = backward(by_users, by_items, by_bias);
  EXPECT_NEAR(told, loss(), 1e-5);
  expect_tower(users_, by_users, "users");
  expect_tower(items_, by_items, "items");
  if (GetParam().ratings) expect_gradient({&bias_, 1}, {&by_bias, 1}, "bias");
}

INSTANTIATE_TEST_SUITE_P(Every, TwoTowerGradient,
                         testing::Values(GradientCase{.ratings = true, .hidden = {6}},
                                         GradientCase{.ratings = false, .hidden = {6}},
                                         GradientCase{.ratings = true, .normalized = true, .hidden = {7, 5}},
                                         GradientCase{.ratings = false, .normalized = true, .hidden = {7, 5}},
                                         GradientCase{.ratings = false, .hidden = {}}),
                         [](const auto& tested) {
                           const GradientCase& one = tested.param;
                           return std::string(one.ratings ? "Ratings" : "Choices") +
                                  (one.normalized ? "Normalized" : "") + std::to_string(one.hidden.size()) +
                                  "Hidden";
                         });

}  // namespace
}  // namespace millrace
