#include "vector/slot_ids.h"

#include <cassert>

namespace millrace {

std::optional<SlotIds::Slot> SlotIds::find(std::string_view id) const {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return std::nullopt;
  return found->second;
}

void SlotIds::take(Slot slot, const std::string* id) {
  if (slot == by_slot_.size()) by_slot_.push_back(nullptr);
  assert(slot < by_slot_.size() && by_slot_[slot] == nullptr);
  by_slot_[slot] = id;
}

void SlotIds::put(std::string_view id, Slot slot) {
  const auto [at, is_new] = slots_.emplace(id, slot);
  assert(is_new);
  take(slot, &at->first);
}

void SlotIds::move(std::string_view id, Slot to) {
  const auto found = slots_.find(id);
  assert(found != slots_.end());
  by_slot_[found->second] = nullptr;
  found->second = to;
  take(to, &found->first);
}

void SlotIds::remove(std::string_view id) {
  const auto found = slots_.find(id);
  assert(found != slots_.end());
  by_slot_[found->second] = nullptr;
  slots_.erase(found);
}

}  // namespace millrace
