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
  /// Add `factor` times an item's count, relative to the greatest of all, to each of `scores`.
  void score(double factor, std::span<float> scores) const;

 private:
  ForwardDecay decay_;
  std::vector<double> counts_;  ///< by item
};

/// What a next-item model adds up.
enum class NextItemPart : std::uint8_t { kNeighbours, kTransitions, kPopularity, kTrend, kFreshness, kCount };
inline constexpr std::size_t kNextItemParts = static_cast<std::size_t>(NextItemPart::kCount);
std::string_view next_item_part_name(NextItemPart part);

struct NextItemSettings {
  SessionKnnSettings neighbours = {.half_life = 6 * kHourUs};
  DurationUs popularity_half_life = 2 * kHourUs;
  DurationUs trend_half_life = 20 * kMinuteUs;   ///< of a second, faster popularity
  DurationUs freshness_half_life = 6 * kHourUs;  ///< of an item since it was first met
  DurationUs transition_half_life = 6 * kHourUs;
  std::size_t transition_steps =
      3;                          ///< an item leads to those up to so many steps later, the n-th counting 1/n
  std::size_t transitions = 200;  ///< kept of each item, the strongest
  /// How much each part counts; each is scaled so that its best item has 1.
  std::array<double, kNextItemParts> weights = {1, 0.5, 0.3, 0.3, 0.1};
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

  /// Write one part alone, scaled as in the sum.
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
  void score_followers(std::span<const std::uint32_t> items, std::span<float> scores) const;

  NextItemSettings settings_;
  SessionKnn neighbours_;
  FadingCounts popularity_;
  FadingCounts trend_;
  FadingCounts freshness_;  ///< each item once, when it was first met
  ForwardDecay transition_decay_;
  std::vector<std::vector<Follower>> followers_;  ///< by item
};

}  // namespace millrace
