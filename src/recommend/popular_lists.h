#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/turn_mutex.h"
#include "recommend/item_store.h"
#include "recommend/memory.h"
#include "recommend/settings.h"

namespace millrace {

struct RankedItem {
  ItemRef item;
  float score = 0;  ///< 1 for the first of the list
};

/// An item with all that is needed to show it, should the memory be out of reach.
struct StandbyItem {
  ItemFacts facts;
  MatchContext context;  ///< as of the list's making, without a person
  std::uint32_t fingerprint = 0;
  float score = 0;
  bool sold_this_week = false;
};

/// What is popular, as of one moment; never changed once made, so that it can be read at any time.
/// Only items that may be shown are in the lists. Equal scores: by id in the lists of bounded length and
/// among the first kHead of `overall`, by a hash of the id beyond.
struct PopularLists {
  static constexpr std::size_t kHead = 1'000;
  static constexpr std::size_t kListMax = 300;  ///< length of all lists but `overall`

  std::vector<RankedItem> overall;  ///< every item, those nobody touched last
  std::map<std::string, std::vector<RankedItem>, std::less<>> by_country;
  std::map<std::string, std::vector<RankedItem>, std::less<>> by_category;  ///< every prefix of a path
  std::vector<RankedItem> week;   ///< sold most in the 7 days before each era's "now"
  std::vector<RankedItem> fresh;  ///< youngest first
  std::map<std::string, std::vector<RankedItem>, std::less<>> by_promotion;  ///< by the text of its filter
  std::vector<float> score_of_slot;                                          ///< the score in `overall`
  std::vector<StandbyItem> standby;                                          ///< sold most, then most popular
  /// Numbers of what is popular by country among `standby`, the most popular first.
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> standby_by_country;
};

/// Make the lists. Takes `mutex` shared, for short stretches only, and sorts between them.
std::shared_ptr<const PopularLists> make_popular_lists(const RecommenderMemory& memory, TurnMutex& mutex,
                                                       const ModelSettings& model,
                                                       const RecommenderLimits& limits,
                                                       const std::vector<ItemFilter>& promotions = {});

/// Return the items sold most in the 7 days up to `until`, best first, at most kListMax. The caller holds
/// the memory's lock.
std::vector<RankedItem> sold_in_week(const RecommenderMemory& memory, std::optional<TimeUs> until);

}  // namespace millrace
