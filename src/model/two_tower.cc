#include "model/two_tower.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "base/parallel.h"
#include "linalg/kernels.h"
#include "model/tower_adam.h"
#include "model/two_tower_data.h"
#include "model/two_tower_loss.h"

namespace millrace {
namespace {

constexpr double kRateLeft = 0.05;  ///< share of the learning rate after the last epoch

/// One tower in training.
class TrainedSide {
 public:
  TrainedSide(const EncodedRows& rows, std::span<const std::uint32_t> counts, Tower start,
              const TwoTowerSettings& settings)
      : tower(std::move(start)),
        rows_(rows),
        pass_(tower, settings.batch),
        gradient_(tower),
        adam_(tower, {.learning_rate = settings.learning_rate, .weight_decay = settings.weight_decay}) {
    count_vectors(counts);
  }
  TrainedSide(const TrainedSide&) = delete;
  TrainedSide& operator=(const TrainedSide&) = delete;

  void forward() { vectors = &pass_.forward(rows_, which); }

  void learn(Matrix& by_vectors, double share) {
    pass_.backward(by_vectors, gradient_);
    adam_.step(gradient_, share, tower);
  }

  /// Give vectors of fields that no example has the mean of those that some have.
  void settle_unseen() {
    for (std::size_t f = 0; f < tower.embeddings.size(); ++f) {
      Matrix& vectors_of_field = tower.embeddings[f];
      std::vector<float> mean(vectors_of_field.columns);
      kernels().weighted_sum(vectors_of_field.data(), vectors_of_field.rows, mean.size(), shares_[f].data(),
                             0, mean.data());
      for (std::size_t i = 0; i < vectors_of_field.rows; ++i)
        if (shares_[f][i] == 0) std::ranges::copy(mean, vectors_of_field.row(i).begin());
    }
  }

  Tower tower;
  std::vector<std::uint32_t> which;  ///< rows of the batch
  const Matrix* vectors = nullptr;   ///< of the batch, after forward

 private:
  /// Count how large a share of what the examples have of a field each vector is.
  void count_vectors(std::span<const std::uint32_t> counts) {
    const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
    for (std::size_t f = 0; f < tower.embeddings.size(); ++f) {
      std::vector<double> sums(tower.embeddings[f].rows);
      for (std::size_t row = 0; row < counts.size(); ++row)
        for (const FieldWeight& entry : rows_.field(row, f)) sums[entry.index] += counts[row] * entry.weight;
      std::vector<float>& shares = shares_.emplace_back();
      for (const double sum : sums) shares.push_back(static_cast<float>(sum / all));
    }
  }

  const EncodedRows& rows_;
  TowerPass pass_;
  TowerGradient gradient_;
  TowerAdam adam_;
  std::vector<std::vector<float>> shares_;  ///< of each field's vectors
};

class TwoTowerTraining {
 public:
  TwoTowerTraining(const TwoTowerData& data, const TwoTowerSettings& settings, const TrainingControl& control)
      : data_(data),
        settings_(settings),
        control_(control),
        users_(data.users, data.user_counts, random_tower(data.user_encoder, settings.shape, settings.seed),
               settings),
        items_(data.items, data.item_counts, random_tower(data.item_encoder, settings.shape, ~settings.seed),
               settings),
        gradient_(settings.batch, settings.shape.dimensions),
        choices_(settings.goal == TwoTowerGoal::kChoices ? settings.batch : 0, settings.temperature),
        order_(data.trained),
        random_(settings.seed) {
    std::iota(order_.begin(), order_.end(), 0U);
    steps_max_ = static_cast<std::uint64_t>(settings.epochs) * batches_of(data.trained);
    held_out_.resize(data.size() - data.trained);
    std::iota(held_out_.begin(), held_out_.end(), static_cast<std::uint32_t>(data.trained));
  }

  Result<TwoTowerModel> run() {
    int worse = 0;
    for (int epoch = 1; epoch <= settings_.epochs && worse < settings_.patience; ++epoch) {
      std::ranges::shuffle(order_, random_);
      double loss = pass_over(order_, true);
      users_.settle_unseen();
      items_.settle_unseen();
      if (std::isfinite(loss) && !held_out_.empty()) loss = pass_over(held_out_, false);
      if (control_.stopped()) return fail(Code::kCancelled, "two_tower: the training was stopped");
      if (!std::isfinite(loss))
        return fail(Code::kInvalid,
                    fmt::format("two_tower: the training diverged in epoch {}; take a smaller learning_rate "
                                "(it was {})",
                                epoch, settings_.learning_rate));
      worse = held_out_.empty() || loss < best_.loss ? 0 : worse + 1;
      if (worse == 0) keep(epoch, loss);
      if (!control_.goes_on({.step = epoch, .steps = settings_.epochs, .loss = loss})) break;
    }
    best_.users.encoder = data_.user_encoder;
    best_.items.encoder = data_.item_encoder;
    best_.held_out = held_out_.size();
    return std::move(best_);
  }

 private:
  std::size_t batches_of(std::size_t examples) const {
    return (examples + settings_.batch - 1) / settings_.batch;
  }

  /// Go over examples batch by batch, of nearly the same size; return the mean loss.
  double pass_over(std::span<const std::uint32_t> examples, bool learn) {
    const std::size_t batches = batches_of(examples.size());
    double loss = 0, weight = 0;
    for (std::size_t b = 0; b < batches && !control_.stopped(); ++b) {
      const std::size_t begin = b * examples.size() / batches, end = (b + 1) * examples.size() / batches;
      const auto batch = examples.subspan(begin, end - begin);
      take(batch);
      loss += batch_loss(learn) * static_cast<double>(batch.size());
      weight = std::accumulate(weights_.begin(), weights_.end(), weight);
    }
    return loss / weight;
  }

  /// Make these examples the batch.
  void take(std::span<const std::uint32_t> examples) {
    const auto pick = [&](const auto& from, auto& into) {
      into.clear();
      for (const std::uint32_t example : examples) into.push_back(from[example]);
    };
    pick(data_.user_of, users_.which);
    pick(data_.item_of, items_.which);
    pick(data_.weights, weights_);
    pick(data_.ratings ? data_.wanted : data_.log_shares, targets_);
  }

  template <class Work>
  void on_both_sides(const Work& work) {
    parallel_for(2, 1, control_.threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t side = begin; side < end; ++side) work(side == 0 ? users_ : items_);
    });
  }

  double batch_loss(bool learn) {
    on_both_sides([](TrainedSide& side) { side.forward(); });
    PairGradient* const gradient = learn ? &gradient_ : nullptr;
    float by_bias = 0;
    const double loss =
        data_.ratings
            ? rating_loss(*users_.vectors, *items_.vectors, targets_, weights_, bias_, gradient, &by_bias)
            : choices_.of(*users_.vectors, *items_.vectors, items_.which, targets_, weights_, gradient);
    if (!learn || !std::isfinite(loss)) return loss;
    const double share = 1 - (1 - kRateLeft) * static_cast<double>(steps_) / static_cast<double>(steps_max_);
    on_both_sides(
        [&](TrainedSide& side) { side.learn(&side == &users_ ? gradient_.users : gradient_.items, share); });
    if (data_.ratings)
      TowerAdam::move({.learning_rate = settings_.learning_rate}, steps_, share, {&by_bias, 1}, bias_memory_,
                      {&bias_, 1});
    ++steps_;
    return loss;
  }

  void keep(int epoch, double loss) {
    best_.users.tower = users_.tower;
    best_.items.tower = items_.tower;
    best_.ratings = data_.ratings;
    if (best_.ratings) best_.ratings->bias = bias_;
    best_.epochs = epoch;
    best_.loss = loss;
  }

  const TwoTowerData& data_;
  const TwoTowerSettings& settings_;
  const TrainingControl& control_;
  TrainedSide users_;
  TrainedSide items_;
  PairGradient gradient_;
  ChoiceLoss choices_;
  float bias_ = 0;               ///< of ratings
  std::uint64_t steps_ = 0;      ///< batches learnt from
  std::uint64_t steps_max_ = 0;  ///< if no epoch is spared
  AdamMemory bias_memory_{1};
  std::vector<float> weights_;  ///< of the batch
  std::vector<float> targets_;  ///< of the batch: ratings, or the logarithms of items' shares
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> held_out_;
  std::mt19937_64 random_;
  TwoTowerModel best_{.loss = std::numeric_limits<double>::infinity()};
};

}  // namespace

Result<Embeddings> TwoTowerSide::embed(const FeatureTable& table, int threads) const {
  MILLRACE_ASSIGN(const EncodedRows rows, encoder.encode(table));
  return Embeddings{table.ids, tower_vectors(tower, rows, threads)};
}

double RatingScale::rating(double dot) const {
  return std::clamp(mean + deviation * (bias + dot), min, max);
}

double TwoTowerModel::score(std::span<const float> user, std::span<const float> item) const {
  const double dot = kernels().dot(user.data(), item.data(), user.size());
  return ratings ? ratings->rating(dot) : dot;
}

Result<TwoTowerModel> train_two_tower(const FeatureTable& users, const FeatureTable& items,
                                      std::span<const TwoTowerExample> examples,
                                      const TwoTowerSettings& settings, const TrainingControl& control) {
  MILLRACE_ASSIGN(const TwoTowerData data, prepare_two_tower(users, items, examples, settings));
  TwoTowerSettings fitting = settings;  // memory goes with the square of the batch
  fitting.batch = std::min(settings.batch, std::max<std::size_t>(data.trained, 2));
  return TwoTowerTraining(data, fitting, control).run();
}

}  // namespace millrace
