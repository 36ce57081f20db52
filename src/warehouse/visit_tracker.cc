#include "warehouse/visit_tracker.h"

#include <algorithm>
#include <vector>

namespace millrace {
namespace {

void append_part(std::string& key, std::string_view part) {
  key.append(part);
  key.push_back('\0');
}

/// Return the visitor a visit is of: one that stays the same when the person logs in.
std::string_view who_of(const Event& event) {
  return !event.anonymous_id.empty() ? event.anonymous_id : event.user_id;
}

}  // namespace

std::optional<std::uint64_t> VisitTracker::visit_of(const Event& event) {
  const auto who = who_of(event);
  if (event.session_id.empty()) {
    if (who.empty()) return std::nullopt;
    return visit_without_session(event, who);
  }
  scratch_.clear();
  append_part(scratch_, event.source);
  append_part(scratch_, who);
  append_part(scratch_, event.session_id);
  return std::max<std::uint64_t>(1, hash64(scratch_));
}

std::uint64_t VisitTracker::visit_without_session(const Event& event, std::string_view who) {
  scratch_.clear();
  append_part(scratch_, event.source);
  append_part(scratch_, who);
  const auto visitor = hash128(scratch_);
  auto* present = present_visit(visitor);
  if (present != nullptr && event.event_time >= present->first - kGap &&
      event.event_time <= present->last + kGap) {
    present->first = std::min(present->first, event.event_time);
    present->last = std::max(present->last, event.event_time);
    return present->id;
  }
  scratch_ += std::to_string(event.event_time);
  const auto id = std::max<std::uint64_t>(1, hash64(scratch_));
  fresh_[visitor] = {id, event.event_time, event.event_time};
  return id;
}

/// Return the visitor's visit, as a copy that the transaction may change, or null.
VisitTracker::Visit* VisitTracker::present_visit(const Hash128& visitor) {
  if (const auto fresh = fresh_.find(visitor); fresh != fresh_.end()) return &fresh->second;
  const auto known = visits_.find(visitor);
  if (known == visits_.end()) return nullptr;
  return &fresh_.emplace(visitor, known->second).first->second;
}

void VisitTracker::restore(std::string_view source, std::string_view who, const Visit& visit) {
  scratch_.clear();
  append_part(scratch_, source);
  append_part(scratch_, who);
  visits_[hash128(scratch_)] = visit;
}

void VisitTracker::commit() {
  for (const auto& [visitor, visit] : fresh_) visits_[visitor] = visit;
  fresh_.clear();
  if (visits_.size() > visitors_max_) forget_stalest();
}

/// Forget a quarter more than needed, so that it is not done at every commit.
void VisitTracker::forget_stalest() {
  std::vector<TimeUs> last_times;
  last_times.reserve(visits_.size());
  for (const auto& [visitor, visit] : visits_) last_times.push_back(visit.last);
  const auto keep = visitors_max_ - visitors_max_ / 4;
  const auto nth = last_times.begin() + static_cast<std::ptrdiff_t>(last_times.size() - keep);
  std::ranges::nth_element(last_times, nth);
  std::erase_if(visits_, [limit = *nth](const auto& entry) { return entry.second.last < limit; });
}

}  // namespace millrace
