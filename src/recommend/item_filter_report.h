#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "recommend/item_filter.h"

namespace millrace {

/// What one clause of a filter did to the items an answer looked at.
struct ClauseReport {
  std::string clause;
  std::size_t looked_at = 0;
  std::size_t found = 0;    ///< had what it asks for: the attribute of that name, say
  std::size_t matched = 0;  ///< the clause held, turned round if it is negated
  std::string hint;         ///< for people, when no item had it; else empty
};

/// Watches a filter at work, to tell a clause that is strict from one that is misspelt.
/// `filter` must outlive the object. One thread.
class FilterReport {
 public:
  static constexpr std::size_t kNamesMax = 1'000;  ///< of attributes, that a misspelt one is compared with

  explicit FilterReport(const ItemFilter& filter);

  void look_at(const ItemFacts& item, const MatchContext& context);
  /// Return a report for each clause, in their order.
  std::vector<ClauseReport> take();

 private:
  std::string hint_for(const FilterClause& clause) const;

  const ItemFilter& filter_;
  std::vector<ClauseReport> reports_;
  std::set<std::string, std::less<>> names_;
};

}  // namespace millrace
