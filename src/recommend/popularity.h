#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "recommend/item_store.h"
#include "recommend/lru.h"
#include "recommend/settings.h"

namespace millrace {

/// Number of an era: sources that share one "now".
using EraId = std::uint8_t;

/// How popular items are, and how much of them was sold when.
///
/// Popularity decays forward (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay: a practical time decay
/// model for streaming systems", 2009): an event of weight w at time t adds w·2^((t − L)/half-life) for a
/// fixed landmark L, so that nothing ever has to be aged, late events count what they should, and two
/// sums differ only by a factor. What it is worth now is that sum times 2^(−(now − L)/half-life).
///
/// Each era has a "now" of its own: the newest event time of its sources, never past the wall clock. An
/// item's popularity is the sum over eras. When the "now"s of two eras come within `era_gap`, they become
/// one, exactly.
/// One writer at a time, readers beside one another.
class Popularity {
 public:
  Popularity(const ModelSettings& model, const RecommenderLimits& limits);

  /// Note an event of `source` at `time` (already capped at the wall clock) and return its era.
  EraId observe(std::string_view source, TimeUs time);

  /// Add to an item's popularity, overall and in `country` (may be empty).
  void add(EraId era, ItemRef item, TimeUs time, std::string_view country, double weight);

  /// Note that `amount` of an item was sold; negative when given back.
  void add_sale(EraId era, ItemRef item, TimeUs time, double amount);

  /// Empty the counts of an item whose slot gets another one.
  void forget(ItemRef item);

  /// Return "now" of an era, or of the latest when none is given; nothing before the first event.
  std::optional<TimeUs> now(std::optional<EraId> era) const;

  /// Add each slot's popularity as of now to `scores`, which has a place for every slot.
  void add_scores(std::vector<double>& scores) const;

  /// Call `use(country, item, score)` for all that is known by country, era by era.
  void for_each_country(const std::function<void(const std::string&, ItemRef, double)>& use) const;

  /// Add what was sold in (until − length, until] to `amounts`, by slot, for items in `store`. Without
  /// `until` it is each era's own "now".
  void add_sold(std::optional<TimeUs> until, DurationUs length, const ItemStore& store,
                std::vector<float>& amounts) const;

  std::size_t sales() const { return sales_; }
  std::uint64_t sales_dropped() const { return sales_dropped_; }
  std::vector<TimeUs> nows() const;
  std::size_t bytes() const;

  /// `restore` needs one that is empty, made with the same settings, and items that are restored.
  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in);
  std::size_t eras() const { return eras_.size(); }

  /// Called with (from, to) when one era becomes part of another.
  std::function<void(EraId, EraId)> on_merge;

 private:
  struct Sale {
    TimeUs time = 0;
    ItemRef item;
    float amount = 0;
  };
  using CountryWeights = std::unordered_map<std::uint32_t, double>;  ///< by ItemRef::value

  /// How much of an item counts for a country, as it is written.
  struct CountryRow {
    std::uint32_t item[2] = {0, 0};  ///< ItemRef::value, 0
    double weight = 0;
  };

  struct Era {
    bool used = false;
    TimeUs now = 0;
    TimeUs landmark = 0;
    std::vector<double> weights;  ///< by slot
    std::map<std::string, CountryWeights, std::less<>> countries;
    std::map<std::int64_t, std::vector<Sale>> sales;  ///< by hour since 1970
    std::size_t sale_count = 0;
  };

  EraId era_for_new_source(TimeUs time);
  std::optional<EraId> nearest_era(TimeUs time) const;
  void merge_near(EraId era);
  void merge(Era& from, Era& into);
  void move_landmark(Era& era, TimeUs landmark) const;
  double growth(const Era& era, TimeUs time) const;
  double worth_now(const Era& era) const { return 1 / growth(era, era.now); }
  void add_country(Era& era, std::string_view country, ItemRef item, double weight);
  void cut(CountryWeights& weights) const;
  void drop_oldest_sales();
  void restore_era(MemoryReader& in, Era& era);
  void restore_countries(MemoryReader& in, Era& era);
  void restore_sales(MemoryReader& in, Era& era);

  DurationUs half_life_;
  DurationUs era_gap_;
  RecommenderLimits limits_;
  std::vector<Era> eras_;
  LruMap<EraId> era_of_source_;
  std::size_t sales_ = 0;
  std::uint64_t sales_dropped_ = 0;
};

}  // namespace millrace
