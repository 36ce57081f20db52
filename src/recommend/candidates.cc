#include "recommend/candidates.h"

namespace millrace {
namespace {

std::size_t table_slot(ItemRef item, std::size_t size) {
  return (item.value() * 0x9e3779b1u >> 7) & (size - 1);
}

}  // namespace

std::string_view candidate_source_name(CandidateSource source) {
  constexpr std::array<std::string_view, kBuiltInSources> kNames = {
      "co_bought", "co_seen", "popular_country", "popular_category", "popular_week",
      "popular",   "new",     "promotion"};
  return kNames[static_cast<std::size_t>(source)];
}

std::string_view rank_feature_name(RankFeature feature) {
  constexpr std::array<std::string_view, kRankFeatures> kNames = {"newness", "price_fit", "same_category",
                                                                  "met_before"};
  return kNames[static_cast<std::size_t>(feature)];
}

std::pair<Candidate&, bool> CandidateTable::of(ItemRef item) {
  if (candidates_.size() * 2 >= table_.size()) {
    table_.assign(table_.size() * 2, 0);
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
      std::size_t at = table_slot(candidates_[i].item, table_.size());
      while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = i + 1;
    }
  }
  std::size_t at = table_slot(item, table_.size());
  for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1))
    if (candidates_[table_[at] - 1].item == item) return {candidates_[table_[at] - 1], false};
  candidates_.push_back({.item = item});
  table_[at] = static_cast<std::uint32_t>(candidates_.size());
  return {candidates_.back(), true};
}

}  // namespace millrace
