#include "recommend/exclusions.h"

#include <array>
#include <utility>

namespace millrace {

std::string_view dropped_name(Dropped why) {
  constexpr std::array<std::string_view, 14> kNames = {
      "",        "excluded", "context",     "shown",   "bought",         "read",   "disliked",
      "deleted", "hidden",   "unavailable", "expired", "not_sold_there", "filter", "rule"};
  return kNames[static_cast<std::size_t>(why)];
}

bool lifts(const ItemFilter& filter, Dropped why) {
  switch (why) {
    case Dropped::kBought:  // what is rated counts as bought
      return filter.asks_for(ItemState::kBought) || filter.asks_for(ItemState::kDisliked);
    case Dropped::kContext:
    case Dropped::kRead:
      return filter.asks_for_deed();
    case Dropped::kDisliked:
      return filter.asks_for(ItemState::kDisliked);
    case Dropped::kUnavailable:
      return filter.asks_against(ItemState::kAvailable);
    case Dropped::kExpired:
      return filter.asks_for(ItemState::kExpired);
    default:
      return false;
  }
}

void Exclusions::add(std::uint32_t fingerprint, Dropped why) {
  if (++used_ * 2 > slots_.size()) grow();
  for (std::size_t at = fingerprint & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].why != Dropped::kNot && slots_[at].fingerprint == fingerprint) return;
    if (slots_[at].why != Dropped::kNot) continue;
    slots_[at] = {fingerprint, why};
    return;
  }
}

void Exclusions::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  used_ = 1;
  for (const Slot& slot : old) {
    if (slot.why != Dropped::kNot) add(slot.fingerprint, slot.why);
  }
}

Dropped Exclusions::find(std::uint32_t fingerprint) const {
  for (std::size_t at = fingerprint & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].why == Dropped::kNot || slots_[at].fingerprint == fingerprint) return slots_[at].why;
  }
}

}  // namespace millrace
