#include "model/tower_adam.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr double kMeanKeep = 0.9;
constexpr double kSquareKeep = 0.999;
constexpr std::uint64_t kStepsOfTheirOwn = 20'000;  ///< 0.999^20,000 is 2e-9: no later step differs

constexpr std::size_t kSlotsAhead = 8;  ///< vectors whose memory is asked for before it is needed

AdamStep adam_step(const AdamSettings& settings, std::uint64_t n) {
  const auto t = static_cast<double>(n);
  return {.mean_keep = static_cast<float>(kMeanKeep),
          .square_keep = static_cast<float>(kSquareKeep),
          .rate = static_cast<float>(settings.learning_rate / (1 - std::pow(kMeanKeep, t))),
          .square_scale = static_cast<float>(1 / (1 - std::pow(kSquareKeep, t))),
          .epsilon = 1e-8F,
          .decay = static_cast<float>(settings.learning_rate * settings.weight_decay)};
}

}  // namespace

TowerAdam::TowerAdam(const Tower& tower, const AdamSettings& settings) : settings_(settings) {
  for (const TowerLayer& layer : tower.layers)
    layers_.push_back({AdamMemory(layer.weights.values.size()), AdamMemory(layer.bias.size())});
  for (const Matrix& embeddings : tower.embeddings)
    fields_.push_back({AdamMemory(embeddings.values.size()), std::vector<std::uint32_t>(embeddings.rows)});
}

void TowerAdam::move(const AdamSettings& settings, std::uint64_t steps, double share,
                     std::span<const float> gradient, AdamMemory& memory, std::span<float> values) {
  AdamStep step = adam_step(settings, steps + 1);
  step.rate *= static_cast<float>(share);
  step.decay = 0;
  kernels().adam(step, gradient.data(), memory.mean.data(), memory.square.data(), values.data(),
                 values.size());
}

AdamStep TowerAdam::nth_step(std::uint64_t n, float share) {
  const std::uint64_t at = std::min(n, kStepsOfTheirOwn);
  while (nth_.size() < at) nth_.push_back(adam_step(settings_, nth_.size() + 1));
  AdamStep step = nth_[at - 1];
  step.rate *= share;
  step.decay *= share;
  return step;
}

void TowerAdam::step_field(const FieldGradient& gradient, float share, Field& memory, Matrix& embeddings) {
  const std::size_t n = embeddings.columns;
  const auto touched = gradient.touched();
  for (std::size_t slot = 0; slot < touched.size(); ++slot) {
    const std::size_t ahead = touched[std::min(slot + kSlotsAhead, touched.size() - 1)] * n;
    for (std::size_t k = 0; k < n; k += 16) {  // lines of 64 bytes
      __builtin_prefetch(memory.vectors.mean.data() + ahead + k);
      __builtin_prefetch(memory.vectors.square.data() + ahead + k);
    }
    const std::size_t at = touched[slot] * n;
    kernels().adam(nth_step(++memory.steps[touched[slot]], share), gradient.of(slot),
                   memory.vectors.mean.data() + at, memory.vectors.square.data() + at, embeddings.data() + at,
                   n);
  }
}

void TowerAdam::step(const TowerGradient& gradient, double share, Tower& tower) {
  const AdamStep step = nth_step(++steps_, static_cast<float>(share));
  for (std::size_t l = 0; l < tower.layers.size(); ++l) {
    const TowerLayer& by = gradient.layers[l];
    kernels().adam(step, by.weights.data(), layers_[l].weights.mean.data(), layers_[l].weights.square.data(),
                   tower.layers[l].weights.data(), by.weights.values.size());
    move(settings_, steps_ - 1, share, by.bias, layers_[l].bias, tower.layers[l].bias);
  }
  for (std::size_t f = 0; f < tower.embeddings.size(); ++f)
    step_field(gradient.fields[f], static_cast<float>(share), fields_[f], tower.embeddings[f]);
}

}  // namespace millrace
