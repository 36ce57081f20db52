#include "model/next_item.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr double kExponentMax = 500;  ///< of weights before they are rescaled; doubles reach 1023

}  // namespace

std::string_view next_item_part_name(NextItemPart part) {
  static constexpr std::array<std::string_view, kNextItemParts> kNames = {"neighbours", "transitions",
                                                                          "popularity", "trend", "freshness"};
  return kNames[static_cast<std::size_t>(part)];
}

double ForwardDecay::weight(TimeUs time, double* rescale) {
  *rescale = 1;
  if (half_life_ <= 0) return 1;
  if (!begun_) {
    begun_ = true;
    landmark_ = time;
  }
  double exponent = static_cast<double>(time - landmark_) / static_cast<double>(half_life_);
  if (exponent > kExponentMax) {
    *rescale = std::exp2(-exponent);
    landmark_ = time;
    exponent = 0;
  }
  return std::exp2(std::max(exponent, -kExponentMax));
}

double ForwardDecay::weight_at(TimeUs time) const {
  if (half_life_ <= 0 || !begun_) return 1;
  const double exponent = static_cast<double>(time - landmark_) / static_cast<double>(half_life_);
  return std::exp2(std::clamp(exponent, -kExponentMax, 2 * kExponentMax));
}

void FadingCounts::add(std::uint32_t item, TimeUs time) {
  if (item >= counts_.size()) counts_.resize(item + 1);
  double rescale = 1;
  const double weight = decay_.weight(time, &rescale);
  if (rescale != 1) {
    sum_ *= rescale;
    for (double& count : counts_) count *= rescale;
  }
  counts_[item] += weight;
  sum_ += weight;
}

void FadingCounts::add_shares(double factor, std::span<float> scores) const {
  if (sum_ <= 0) return;
  const std::size_t count = std::min(scores.size(), counts_.size());
  for (std::size_t i = 0; i < count; ++i) scores[i] += static_cast<float>(factor / sum_ * counts_[i]);
}

NextItemModel::NextItemModel(const NextItemSettings& settings)
    : settings_(settings),
      neighbours_(settings.neighbours),
      popularity_(settings.popularity_half_life),
      trend_(settings.trend_half_life),
      freshness_(settings.freshness_half_life),
      transition_decay_(settings.transition_half_life) {}

void NextItemModel::add(std::uint64_t session, std::uint32_t item, TimeUs time) {
  add_transitions(session, item, time);
  neighbours_.add(session, item, time);
  popularity_.add(item, time);
  trend_.add(item, time);
  if (!freshness_.has(item)) freshness_.add(item, time);
}

void NextItemModel::add_transitions(std::uint64_t session, std::uint32_t item, TimeUs time) {
  const auto before = neighbours_.items_of(session);
  if (before.empty()) return;
  double rescale = 1;
  const double weight = transition_decay_.weight(time, &rescale);
  if (rescale != 1)
    for (auto& list : followers_)
      for (Follower& follower : list) follower.weight *= rescale;
  for (std::size_t step = 1; step <= std::min(settings_.transition_steps, before.size()); ++step)
    add_follower(before[before.size() - step], item, weight / static_cast<double>(step));
}

void NextItemModel::add_follower(std::uint32_t from, std::uint32_t to, double weight) {
  if (from == to) return;
  if (from >= followers_.size()) followers_.resize(from + 1);
  auto& list = followers_[from];
  const auto found = std::ranges::find(list, to, &Follower::item);
  if (found != list.end()) {
    found->weight += weight;
    return;
  }
  list.push_back({to, weight});
  if (list.size() < 2 * settings_.transitions) return;
  const auto kept = list.begin() + static_cast<std::ptrdiff_t>(settings_.transitions);
  std::ranges::nth_element(list, kept, std::ranges::greater(), &Follower::weight);
  list.erase(kept, list.end());
}

void NextItemModel::score_followers(std::span<const std::uint32_t> items, TimeUs now,
                                    std::span<float> scores) const {
  // Of each item of the session: what followed it, and what is read anyhow as if it had followed a few times.
  const double one = transition_decay_.weight_at(now);
  const std::size_t count = std::min(items.size(), settings_.transition_steps);
  double sum_of_factors = 0, factor = 1, of_trend = 0;
  for (std::size_t back = 0; back < count; ++back, factor *= settings_.transition_decay)
    sum_of_factors += factor;
  factor = 1;
  for (std::size_t back = 0; back < count; ++back, factor *= settings_.transition_decay) {
    const std::uint32_t from = items[items.size() - 1 - back];
    double followed = 0;
    if (from < followers_.size())
      for (const Follower& follower : followers_[from]) followed += follower.weight;
    const double share = factor / sum_of_factors / (followed / one + settings_.transition_prior);
    of_trend += share * settings_.transition_prior;
    if (from >= followers_.size()) continue;
    for (const Follower& follower : followers_[from])
      if (follower.item < scores.size())
        scores[follower.item] += static_cast<float>(share * follower.weight / one);
  }
  trend_.add_shares(count == 0 ? 1 : of_trend, scores);
}

void NextItemModel::score_part(NextItemPart part, std::span<const std::uint32_t> items, TimeUs now,
                               Scratch& scratch, std::span<float> scores) const {
  std::ranges::fill(scores, 0.F);
  switch (part) {
    case NextItemPart::kNeighbours: {
      neighbours_.score(items, now, scratch.neighbours, scores);
      double sum = settings_.neighbour_prior;
      for (const float score : scores) sum += score;
      if (sum > 0)
        for (float& score : scores) score /= static_cast<float>(sum);
      return;
    }
    case NextItemPart::kTransitions:
      return score_followers(items, now, scores);
    case NextItemPart::kPopularity:
      return popularity_.add_shares(1, scores);
    case NextItemPart::kTrend:
      return trend_.add_shares(1, scores);
    case NextItemPart::kFreshness:
      return freshness_.add_shares(1, scores);
    case NextItemPart::kCount:
      return;
  }
}

void NextItemModel::score(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch,
                          std::span<float> scores) const {
  std::ranges::fill(scores, 0.F);
  scratch.part.resize(scores.size());
  for (std::size_t p = 0; p < kNextItemParts; ++p) {
    if (settings_.weights[p] == 0) continue;
    score_part(static_cast<NextItemPart>(p), items, now, scratch, scratch.part);
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] += static_cast<float>(settings_.weights[p]) * scratch.part[i];
  }
}

}  // namespace millrace
