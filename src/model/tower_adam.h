#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linalg/kernels.h"
#include "model/tower.h"

namespace millrace {

struct AdamSettings {
  double learning_rate = 0.001;
  double weight_decay =
      0;  ///< share of a weight that each step takes away, times the learning rate; not of biases
};

/// What Adam remembers of some numbers that it moves: the running means of gradients and of their squares.
struct AdamMemory {
  explicit AdamMemory(std::size_t n = 0) : mean(n), square(n) {}
  std::vector<float> mean;
  std::vector<float> square;
};

/// Moves what a tower has learnt against its gradient, by Adam. Vectors of fields that a batch has not met
/// stay as they are, and each counts steps of its own, so that a rare value's first steps are no larger than
/// a frequent one's. Threads: one object each.
class TowerAdam {
 public:
  TowerAdam(const Tower& tower, const AdamSettings& settings);

  /// Take a step; the learning rate of this one is `share` of that of the settings.
  void step(const TowerGradient& gradient, double share, Tower& tower);

  /// Move a few numbers that belong to no tower, of which `steps` were taken before.
  static void move(const AdamSettings& settings, std::uint64_t steps, double share,
                   std::span<const float> gradient, AdamMemory& memory, std::span<float> values);

 private:
  struct Layer {
    AdamMemory weights;
    AdamMemory bias;
  };
  struct Field {
    AdamMemory vectors;
    std::vector<std::uint32_t> steps;  ///< of each vector
  };

  void step_field(const FieldGradient& gradient, float share, Field& memory, Matrix& embeddings);
  AdamStep nth_step(std::uint64_t n, float share);

  AdamSettings settings_;
  std::uint64_t steps_ = 0;
  std::vector<Layer> layers_;
  std::vector<Field> fields_;
  std::vector<AdamStep> nth_;  ///< what the n-th step is, from the first on
};

}  // namespace millrace
