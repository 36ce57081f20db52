#include "model/ranking_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <unordered_map>

namespace millrace {
namespace {

float& of(MetricValues& values, Metric metric) {
  return values[static_cast<std::size_t>(metric)];
}

void set_interval(Estimate& estimate, std::vector<double> means) {
  std::ranges::sort(means);
  const auto at = [&](double share) {
    return means[static_cast<std::size_t>(share * static_cast<double>(means.size() - 1) + 0.5)];
  };
  estimate.low = at(0.025);
  estimate.high = at(0.975);
}

/// Sums over people: of each a row with the sum of every measure, and the number of values at the end.
std::vector<double> sums_of_people(std::span<const std::vector<float>> measures,
                                   std::span<const std::uint32_t> people) {
  const std::size_t width = measures.size() + 1;
  std::unordered_map<std::uint32_t, std::size_t> places;
  std::vector<double> sums;
  for (std::size_t i = 0; i < people.size(); ++i) {
    const std::size_t place = places.try_emplace(people[i], places.size()).first->second;
    if (sums.size() < (place + 1) * width) sums.resize((place + 1) * width);
    for (std::size_t m = 0; m < measures.size(); ++m) sums[place * width + m] += measures[m][i];
    ++sums[place * width + width - 1];
  }
  return sums;
}

}  // namespace

std::string_view metric_name(Metric metric) {
  static constexpr std::array<std::string_view, kMetricCount> kNames = {"ndcg",     "recall", "precision",
                                                                        "hit_rate", "mrr",    "map"};
  return kNames[static_cast<std::size_t>(metric)];
}

MetricValues judge(std::span<const std::uint32_t> list, std::size_t n,
                   std::span<const std::uint32_t> wanted) {
  double gain = 0, best = 0, precisions = 0, first = 0;
  std::size_t hits = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const double worth = 1 / std::log2(static_cast<double>(k) + 2);
    if (k < wanted.size()) best += worth;
    if (k >= list.size() || !std::ranges::binary_search(wanted, list[k])) continue;
    ++hits;
    gain += worth;
    precisions += static_cast<double>(hits) / static_cast<double>(k + 1);
    if (hits == 1) first = 1 / static_cast<double>(k + 1);
  }
  const auto most = static_cast<double>(std::min(n, wanted.size()));
  MetricValues values{};
  of(values, Metric::kNdcg) = static_cast<float>(gain / best);
  of(values, Metric::kRecall) = static_cast<float>(static_cast<double>(hits) / most);
  of(values, Metric::kPrecision) = static_cast<float>(static_cast<double>(hits) / static_cast<double>(n));
  of(values, Metric::kHitRate) = hits > 0 ? 1 : 0;
  of(values, Metric::kMrr) = static_cast<float>(first);
  of(values, Metric::kMap) = static_cast<float>(precisions / most);
  return values;
}

std::vector<std::uint32_t> best_items(std::span<const float> scores, std::size_t n,
                                      std::span<const std::uint32_t> masked) {
  // A heap of the n best so far, the worst of them in front.
  const auto better = [&](std::uint32_t a, std::uint32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  std::vector<std::uint32_t> best;
  best.reserve(n + 1);
  auto mask = masked.begin();
  for (std::uint32_t i = 0; i < scores.size(); ++i) {
    while (mask != masked.end() && *mask < i) ++mask;
    if (mask != masked.end() && *mask == i) continue;
    if (!(scores[i] > -std::numeric_limits<float>::infinity())) continue;
    if (best.size() == n && (n == 0 || !better(i, best.front()))) continue;
    best.push_back(i);
    std::ranges::push_heap(best, better);
    if (best.size() > n) {
      std::ranges::pop_heap(best, better);
      best.pop_back();
    }
  }
  std::ranges::sort_heap(best, better);
  return best;
}

Estimate bootstrap_mean(std::span<const float> values, std::size_t resamples, std::uint64_t seed) {
  if (values.empty()) return {};
  const auto n = static_cast<double>(values.size());
  Estimate estimate;
  estimate.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  std::mt19937_64 random(seed);
  std::vector<double> means(std::max<std::size_t>(resamples, 1));
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[random() % values.size()];
    mean = sum / n;
  }
  set_interval(estimate, std::move(means));
  return estimate;
}

std::vector<Estimate> bootstrap_means_of_people(std::span<const std::vector<float>> measures,
                                                std::span<const std::uint32_t> people, std::size_t resamples,
                                                std::uint64_t seed) {
  std::vector<Estimate> estimates(measures.size());
  if (people.empty()) return estimates;
  const std::vector<double> sums = sums_of_people(measures, people);
  const std::size_t width = measures.size() + 1, persons = sums.size() / width;
  std::mt19937_64 random(seed);
  std::vector<std::vector<double>> means(measures.size());
  std::vector<double> total(width);
  for (std::size_t r = 0; r < std::max<std::size_t>(resamples, 1); ++r) {
    std::ranges::fill(total, 0.0);
    for (std::size_t p = 0; p < persons; ++p) {
      const double* const row = sums.data() + (random() % persons) * width;
      for (std::size_t m = 0; m < width; ++m) total[m] += row[m];
    }
    for (std::size_t m = 0; m < measures.size(); ++m) means[m].push_back(total[m] / total.back());
  }
  for (std::size_t m = 0; m < measures.size(); ++m) {
    estimates[m].mean =
        std::accumulate(measures[m].begin(), measures[m].end(), 0.0) / static_cast<double>(people.size());
    set_interval(estimates[m], std::move(means[m]));
  }
  return estimates;
}

}  // namespace millrace
