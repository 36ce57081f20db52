#include "recommend/item_filter_report.h"

#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "recommend/item_filter_parser.h"

namespace millrace {

FilterReport::FilterReport(const ItemFilter& filter) : filter_(filter) {
  for (const FilterClause& clause : filter.clauses()) {
    reports_.push_back({.clause = std::string(filter.text_of(clause))});
  }
}

void FilterReport::look_at(const ItemFacts& item, const MatchContext& context) {
  if (reports_.empty()) return;
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    const FilterClause& clause = filter_.clauses()[i];
    ++reports_[i].looked_at;
    reports_[i].found += clause.finds_field(item);
    reports_[i].matched += clause.holds(item, context);
  }
  for (const std::string_view name : item.attributes.names()) {
    if (names_.size() < kNamesMax && !names_.contains(name)) names_.emplace(name);
  }
}

std::string FilterReport::hint_for(const FilterClause& clause) const {
  const std::string& name = clause.names.front().text;
  std::vector<std::string> names = known_filter_names();
  names.insert(names.end(), names_.begin(), names_.end());
  const std::string nearest = nearest_name(name, names);
  const bool other = !nearest.empty() && nearest != name;
  return fmt::format("no item looked at has '{}'{}", name, other ? "; did you mean " + nearest + "?" : "");
}

std::vector<ClauseReport> FilterReport::take() {
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    ClauseReport& report = reports_[i];
    if (report.looked_at > 0 && report.found == 0) report.hint = hint_for(filter_.clauses()[i]);
  }
  return std::move(reports_);
}

}  // namespace millrace
