#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/session_knn.h"

namespace millrace {

/// Forward decay (Cormode and others, 2009): what was added a half-life ago counts half, yet nothing is aged;
/// what comes later is added with a larger weight instead.
class ForwardDecay {
 public:
  /// `half_life` 0: nothing fades.
  explicit ForwardDecay(DurationUs half_life) : half_life_(half_life) {}

  /// Return the weight of something at `time`. Before that `*rescale`, unless 1, must be multiplied to all
  /// weights given so far, which it keeps from growing out of bounds.
  double weight(TimeUs time, double* rescale);

  /// Return what something at `time` would weigh, as long as nothing is rescaled.
  double weight_at(TimeUs time) const;

 private:
  const DurationUs half_life_;
  TimeUs landmark_ = 0;
  bool begun_ = false;
};

/// Counts of items that fade.
class FadingCounts {
 public:
  explicit FadingCounts(DurationUs half_life) : decay_(half_life) {}
  void add(std::uint32_t item, TimeUs time);
  /// Return whether the item was ever added.
  bool has(std::uint32_t item) const { return item < counts_.size() && counts_[item] > 0; }
  /// Add `factor` times an item's share of all counts to each of `scores`.
  void add_shares(double factor, std::span<float> scores) const;

 private:
  ForwardDecay decay_;
  std::vector<double> counts_;  ///< by item
  double sum_ = 0;
};

/// What a next-item model adds up.
enum class NextItemPart : std::uint8_t { kNeighbours, kTransitions, kPopularity, kTrend, kFreshness, kCount };
inline constexpr std::size_t kNextItemParts = static_cast<std::size_t>(NextItemPart::kCount);
std::string_view next_item_part_name(NextItemPart part);

/// The defaults are what did best on six hours of a news site's clicks (news_bench, hours 24 to 30).
struct NextItemSettings {
  SessionKnnSettings neighbours = {.sessions_per_item = 1'000, .half_life = 2 * kHourUs};
  double neighbour_prior = 0.3;  ///< similarity of sessions that is worth as much as nothing known
  DurationUs popularity_half_life = 2 * kHourUs;
  DurationUs trend_half_life = 20 * kMinuteUs;   ///< of a second, faster popularity
  DurationUs freshness_half_life = 6 * kHourUs;  ///< of an item since it was first met
  DurationUs transition_half_life = 45 * kMinuteUs;
  std::size_t transition_steps = 8;  ///< an item leads to those up to so many later, the n-th counting 1/n
  double transition_decay = 0.3;     ///< the item before the last counts so much, the one before its square …
  double transition_prior = 2;       ///< meetings of the trend that every item's own followers are mixed with
  std::size_t transitions = 200;     ///< kept of each item, the strongest
  /// How much each part counts. Each adds up to 1 over all items at the most, and to less where it rests on
  /// little.
  std::array<double, kNextItemParts> weights = {1, 1, 0.05, 0, 0.05};
};

/// Foresees what a session meets next from what sessions like it met, what usually follows, and what is read
/// now. Learns with every click. Threads: `add` needs to be alone; `score` may run beside itself, each with a
/// Scratch of its own.
class NextItemModel {
 public:
  explicit NextItemModel(const NextItemSettings& settings);

  /// Take in a click. Clicks come about in order of time.
  void add(std::uint64_t session, std::uint32_t item, TimeUs time);

  struct Scratch {
    SessionKnn::Scratch neighbours;
    std::vector<float> part;
  };

  /// Write to `scores` how much each item is for a session that met `items`, oldest first; 0: nothing speaks
  /// for it.
  void score(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch,
             std::span<float> scores) const;

  /// Write one part alone.
  void score_part(NextItemPart part, std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch,
                  std::span<float> scores) const;

  /// Change what the parts count.
  void set_weights(const std::array<double, kNextItemParts>& weights) { settings_.weights = weights; }

 private:
  struct Follower {
    std::uint32_t item = 0;
    double weight = 0;
  };

  void add_transitions(std::uint64_t session, std::uint32_t item, TimeUs time);
  void add_follower(std::uint32_t from, std::uint32_t to, double weight);
  void score_followers(std::span<const std::uint32_t> items, TimeUs now, std::span<float> scores) const;

  NextItemSettings settings_;
  SessionKnn neighbours_;
  FadingCounts popularity_;
  FadingCounts trend_;
  FadingCounts freshness_;  ///< each item once, when it was first met
  ForwardDecay transition_decay_;
  std::vector<std::vector<Follower>> followers_;  ///< by item
};

}  // namespace millrace
