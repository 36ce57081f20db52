#include "model/two_tower_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "linalg/kernels.h"

namespace millrace {

double rating_loss(const Matrix& users, const Matrix& items, std::span<const float> wanted,
                   std::span<const float> weights, float bias, PairGradient* gradient, float* by_bias) {
  const std::size_t count = wanted.size(), n = users.columns;
  double sum = 0, bias_sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float* const u = users.row(i).data();
    const float* const v = items.row(i).data();
    const float beyond = bias + kernels().dot(u, v, n) - wanted[i];
    sum += static_cast<double>(weights[i]) * beyond * beyond;
    if (gradient == nullptr) continue;
    const float change = 2 * weights[i] * beyond / static_cast<float>(count);
    bias_sum += change;
    for (std::size_t k = 0; k < n; ++k) {
      gradient->users.row(i)[k] = change * v[k];
      gradient->items.row(i)[k] = change * u[k];
    }
  }
  if (gradient != nullptr) *by_bias = static_cast<float>(bias_sum);
  return sum / static_cast<double>(count);
}

/// Score -∞ wherever a row meets another row of its own item.
void ChoiceLoss::mask_same_items(std::span<const std::uint32_t> item_of) {
  constexpr float kLeftOut = -std::numeric_limits<float>::infinity();
  by_item_.resize(item_of.size());
  std::iota(by_item_.begin(), by_item_.end(), 0U);
  std::ranges::sort(by_item_, {}, [&](std::uint32_t row) { return item_of[row]; });
  for (auto begin = by_item_.begin(); begin != by_item_.end();) {
    const auto end = std::find_if(begin, by_item_.end(),
                                  [&](std::uint32_t row) { return item_of[row] != item_of[*begin]; });
    for (auto i = begin; i != end; ++i)
      for (auto j = begin; j != end; ++j)
        if (i != j) scores_.data()[*i * item_of.size() + *j] = kLeftOut;
    begin = end;
  }
}

double ChoiceLoss::of(const Matrix& users, const Matrix& items, std::span<const std::uint32_t> item_of,
                      std::span<const float> log_shares, std::span<const float> weights,
                      PairGradient* gradient) {
  const std::size_t count = item_of.size(), n = users.columns;
  // scores = users · itemsᵀ / temperature - ln expected, but for the own item
  const float log_others = std::log(static_cast<float>(std::max<std::size_t>(count, 2) - 1));
  std::ranges::transform(log_shares, scores_.data(), [&](float share) { return -share - log_others; });
  for (std::size_t i = 1; i < count; ++i) std::copy_n(scores_.data(), count, scores_.data() + i * count);
  kernels().gemm(Op::kAsIs, Op::kTransposed, count, count, n, 1 / temperature_, users.data(), n, items.data(),
                 n, 1, scores_.data(), count);
  mask_same_items(item_of);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    float* const row = scores_.data() + i * count;
    const float own = row[i] += log_shares[i] + log_others;
    sum += static_cast<double>(weights[i]) * (kernels().softmax(row, count) - own);
    // From here on a score is what the loss changes by with it, but for temperature and count.
    row[i] -= 1;
    if (weights[i] == 1) continue;
    for (std::size_t j = 0; j < count; ++j) row[j] *= weights[i];
  }
  if (gradient == nullptr) return sum / static_cast<double>(count);
  const float scale = 1 / (temperature_ * static_cast<float>(count));
  kernels().gemm(Op::kAsIs, Op::kAsIs, count, n, count, scale, scores_.data(), count, items.data(), n, 0,
                 gradient->users.data(), n);
  kernels().gemm(Op::kTransposed, Op::kAsIs, count, n, count, scale, scores_.data(), count, users.data(), n,
                 0, gradient->items.data(), n);
  return sum / static_cast<double>(count);
}

}  // namespace millrace
