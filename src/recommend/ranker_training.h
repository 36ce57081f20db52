#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/ranking_metrics.h"
#include "recommend/ranker.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// A list that was served, with what was chosen from it.
struct ServedList {
  struct Item {
    std::map<std::string, float, std::less<>> features;  ///< by the name of a source or feature
    bool chosen = false;                                 ///< looked at, read, put into the cart, bought
  };
  std::vector<Item> items;  ///< in the order they were served
};

/// Read the latest lists of a pipeline that kept features and from which something was chosen, oldest first:
/// by events that name the recommendation, or by what the same person did to the item within half an hour.
/// Errors: those of the warehouse.
Result<std::vector<ServedList>> read_served_lists(Warehouse& warehouse, std::string_view pipeline);

/// A ranker and how it does on the latest fifth of the lists, which it was not trained on.
struct TrainedRanker {
  Ranker ranker;
  std::size_t lists = 0;
  std::size_t test_lists = 0;
  Estimate ranked;      ///< mean reciprocal rank of the first chosen item, as it would order the lists
  Estimate served;      ///< as they were served, which favours that: people choose what is on top
  Estimate difference;  ///< of the two, list by list
  bool better() const { return difference.low > 0; }
};

nlohmann::json to_json(const TrainedRanker& trained);

/// Train on lists that are in order of time. How high an item stood is learnt too and then left out, so that
/// what is chosen for its place does not count for the item. Errors: kInvalid for fewer than kServedListsMin.
Result<TrainedRanker> train_ranker(std::span<const ServedList> lists);

inline constexpr std::size_t kServedListsMin = 200;

}  // namespace millrace
