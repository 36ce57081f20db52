#include "recommend/popular_lists.h"

#include <algorithm>
#include <shared_mutex>
#include <unordered_map>

namespace millrace {
namespace {

constexpr std::size_t kChunk = 1'000;  ///< items looked at under one lock

struct Scored {
  double score = 0;
  std::uint64_t tie = 0;
  ItemRef item;
};

bool better(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.tie < b.tie;
}

/// Keep the best `n`, in order.
void keep_best(std::vector<Scored>& list, std::size_t n) {
  const std::size_t kept = std::min(n, list.size());
  std::ranges::partial_sort(list, list.begin() + static_cast<std::ptrdiff_t>(kept), better);
  list.resize(kept);
}

/// Put runs of equal scores among the first `n` in the order of their ids. The caller holds the lock.
void order_ties_by_id(std::vector<Scored>& list, std::size_t n, const ItemStore& items) {
  const auto by_id = [&](const Scored& a, const Scored& b) {
    return items.in_slot(a.item.slot()).facts.id < items.in_slot(b.item.slot()).facts.id;
  };
  const auto end = list.begin() + static_cast<std::ptrdiff_t>(std::min(n, list.size()));
  for (auto run = list.begin(); run != end;) {
    const auto next = std::find_if(run, end, [&](const Scored& each) { return each.score != run->score; });
    if (next - run > 1) std::sort(run, next, by_id);
    run = next;
  }
}

/// Make one entry of all that are about the same item.
void add_up_eras(std::vector<Scored>& list) {
  std::ranges::sort(list, {}, &Scored::item);
  std::size_t kept = 0;
  for (const Scored& each : list) {
    if (kept > 0 && list[kept - 1].item == each.item) {
      list[kept - 1].score += each.score;
    } else {
      list[kept++] = each;
    }
  }
  list.resize(kept);
}

std::vector<RankedItem> ranked(const std::vector<Scored>& list) {
  const double top = list.empty() || list.front().score <= 0 ? 1 : list.front().score;
  std::vector<RankedItem> ranked;
  ranked.reserve(list.size());
  for (const Scored& each : list) ranked.push_back({each.item, static_cast<float>(each.score / top)});
  return ranked;
}

class Builder {
 public:
  Builder(const RecommenderMemory& memory, TurnMutex& mutex, const ModelSettings& model,
          const RecommenderLimits& limits, const std::vector<ItemFilter>& promotions)
      : memory_(memory), mutex_(mutex), model_(model), limits_(limits), promotions_(promotions) {}

  std::shared_ptr<const PopularLists> make() {
    gather_counts();
    list_overall();
    list_countries();
    list_categories_and_fresh();
    list_standby();
    return lists_;
  }

 private:
  void gather_counts();
  void list_overall();
  void list_countries();
  void list_categories_and_fresh();
  void add_to_categories(const Item& item, const RankedItem& entry);
  void add_to_promotions(const Item& item, const RankedItem& entry);
  void add_if_fresh(const Item& item, ItemRef ref);
  void list_standby();
  void add_standby(const RankedItem& entry, bool sold);

  const RecommenderMemory& memory_;
  TurnMutex& mutex_;
  const ModelSettings& model_;
  const RecommenderLimits& limits_;
  const std::vector<ItemFilter>& promotions_;
  std::shared_ptr<PopularLists> lists_ = std::make_shared<PopularLists>();
  std::vector<double> scores_;                            ///< by slot
  std::map<std::string, std::vector<Scored>> countries_;  ///< an item once for each era
  std::vector<Scored> fresh_;
};

void Builder::gather_counts() {
  const std::shared_lock lock(mutex_);
  scores_.resize(memory_.items.slots());
  memory_.popularity.add_scores(scores_);
  memory_.popularity.for_each_country([&](const std::string& country, ItemRef item, double score) {
    const Item* facts = memory_.items.get(item);
    if (facts && facts->showable()) countries_[country].push_back({score, facts->tie, item});
  });
  lists_->week = sold_in_week(memory_, std::nullopt);
}

void Builder::list_overall() {
  std::vector<Scored> all;
  all.reserve(scores_.size());
  for (std::uint32_t begin = 0; begin < scores_.size(); begin += kChunk) {
    const std::shared_lock lock(mutex_);
    const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(begin + kChunk, scores_.size()));
    for (std::uint32_t slot = begin; slot < end; ++slot) {
      const Item& item = memory_.items.in_slot(slot);
      if (item.showable())
        all.push_back({std::max(0.0, scores_[slot]), item.tie, memory_.items.ref_of(slot)});
    }
  }
  std::ranges::sort(all, better);
  {
    const std::shared_lock lock(mutex_);
    order_ties_by_id(all, PopularLists::kHead, memory_.items);
  }
  lists_->overall = ranked(all);
  lists_->score_of_slot.resize(scores_.size());
  for (const RankedItem& each : lists_->overall) lists_->score_of_slot[each.item.slot()] = each.score;
}

void Builder::list_countries() {
  for (auto& [country, list] : countries_) {
    add_up_eras(list);
    std::erase_if(list, [](const Scored& each) { return each.score <= 0; });
    keep_best(list, PopularLists::kListMax);
    const std::shared_lock lock(mutex_);
    order_ties_by_id(list, list.size(), memory_.items);
    if (!list.empty()) lists_->by_country.emplace(country, ranked(list));
  }
}

void Builder::add_to_categories(const Item& item, const RankedItem& entry) {
  const std::string_view path = item.facts.category;
  for (std::size_t end = 0; end != std::string_view::npos && !path.empty();) {
    end = path.find('/', end + 1);
    const std::string_view prefix = path.substr(0, end);
    auto found = lists_->by_category.find(prefix);
    if (found == lists_->by_category.end()) {
      if (lists_->by_category.size() >= limits_.categories) return;
      found = lists_->by_category.emplace(std::string(prefix), std::vector<RankedItem>{}).first;
    }
    if (found->second.size() < PopularLists::kListMax) found->second.push_back(entry);
  }
}

void Builder::add_to_promotions(const Item& item, const RankedItem& entry) {
  for (const ItemFilter& filter : promotions_) {
    if (!filter.matches(item.facts, {.now = memory_.popularity.now({})})) continue;
    std::vector<RankedItem>& list = lists_->by_promotion[filter.text()];
    if (list.size() < PopularLists::kListMax) list.push_back(entry);
  }
}

void Builder::add_if_fresh(const Item& item, ItemRef ref) {
  if (!item.catalogued || model_.new_item_age <= 0) return;
  const auto born = item.born_us();
  const auto now = memory_.popularity.now(item.era);
  if (!born || (now && *now - *born > model_.new_item_age)) return;
  fresh_.push_back({static_cast<double>(*born), item.tie, ref});
}

void Builder::list_categories_and_fresh() {
  const std::vector<RankedItem>& all = lists_->overall;
  for (std::size_t begin = 0; begin < all.size(); begin += kChunk) {
    const std::shared_lock lock(mutex_);
    for (std::size_t i = begin; i < std::min(begin + kChunk, all.size()); ++i) {
      const Item* item = memory_.items.get(all[i].item);
      if (!item) continue;
      add_to_categories(*item, all[i]);
      add_to_promotions(*item, all[i]);
      add_if_fresh(*item, all[i].item);
    }
  }
  for (auto& [category, list] : lists_->by_category) {
    const float top = list.front().score > 0 ? list.front().score : 1;
    for (RankedItem& each : list) each.score /= top;
  }
  keep_best(fresh_, PopularLists::kListMax);
  for (const Scored& each : fresh_) lists_->fresh.push_back({each.item, 1});
}

void Builder::add_standby(const RankedItem& entry, bool sold) {
  const Item* item = memory_.items.get(entry.item);
  if (!item || lists_->standby.size() >= PopularLists::kListMax) return;
  const bool there = std::ranges::any_of(lists_->standby, [&](const StandbyItem& each) {
    return each.fingerprint == item->fingerprint && each.facts.id == item->facts.id;
  });
  if (there) return;
  const auto now = memory_.popularity.now(item->era);
  const MatchContext context{.now = now, .expired = item->expired(now, model_.item_age_max)};
  lists_->standby.push_back({item->facts, context, item->fingerprint, entry.score, sold});
}

void Builder::list_standby() {
  const std::shared_lock lock(mutex_);
  for (const RankedItem& each : lists_->week) add_standby(each, true);
  const std::size_t head = std::min(lists_->overall.size(), 2 * PopularLists::kListMax);
  for (std::size_t i = 0; i < head; ++i) add_standby(lists_->overall[i], false);
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < lists_->standby.size(); ++i) numbers.emplace(lists_->standby[i].facts.id, i);
  for (const auto& [country, list] : lists_->by_country)
    for (const RankedItem& each : list)
      if (const Item* item = memory_.items.get(each.item))
        if (const auto at = numbers.find(item->facts.id); at != numbers.end())
          lists_->standby_by_country[country].push_back(at->second);
}

}  // namespace

std::vector<RankedItem> sold_in_week(const RecommenderMemory& memory, std::optional<TimeUs> until) {
  std::vector<float> amounts(memory.items.slots());
  memory.popularity.add_sold(until, 7 * kDayUs, memory.items, amounts);
  std::vector<Scored> sold;
  for (std::uint32_t slot = 0; slot < amounts.size(); ++slot) {
    if (amounts[slot] <= 0) continue;
    const Item& item = memory.items.in_slot(slot);
    if (item.showable()) sold.push_back({amounts[slot], item.tie, memory.items.ref_of(slot)});
  }
  keep_best(sold, PopularLists::kListMax);
  order_ties_by_id(sold, sold.size(), memory.items);
  return ranked(sold);
}

std::shared_ptr<const PopularLists> make_popular_lists(const RecommenderMemory& memory, TurnMutex& mutex,
                                                       const ModelSettings& model,
                                                       const RecommenderLimits& limits,
                                                       const std::vector<ItemFilter>& promotions) {
  return Builder(memory, mutex, model, limits, promotions).make();
}

}  // namespace millrace
