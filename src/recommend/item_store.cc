#include "recommend/item_store.h"

#include <algorithm>
#include <atomic>
#include <cassert>

#include "base/hash.h"
#include "recommend/cursor.h"

namespace millrace {

bool Item::expired(std::optional<TimeUs> now, DurationUs age_max) const {
  if (!now) return false;
  if (facts.expires_us && *facts.expires_us <= *now) return true;
  const auto born = born_us();
  return age_max > 0 && born && *now - *born > age_max;
}

std::uint32_t ItemStore::next_number() {
  static std::atomic<std::uint32_t> given = 0;
  return ++given;
}

ItemStore::ItemStore(std::size_t limit, OnDrop on_drop, AttributeLimits attributes)
    : limit_(std::clamp<std::size_t>(limit, 1, ItemRef::kSlotsMax)),
      on_drop_(std::move(on_drop)),
      attribute_limits_(attributes) {}

std::optional<ItemRef> ItemStore::find(std::string_view id) const {
  const auto found = slot_of_.find(id);
  if (found == slot_of_.end()) return std::nullopt;
  return ref_of(found->second);
}

const Item* ItemStore::get(ItemRef ref) const {
  if (ref.slot() >= items_.size()) return nullptr;
  const Item& item = items_[ref.slot()];
  return item.used && item.generation == ref.generation() ? &item : nullptr;
}

ItemRef ItemStore::intern(std::string_view id) {
  if (const auto found = slot_of_.find(id); found != slot_of_.end()) {
    list_of(items_[found->second]).touch(found->second);
    return ref_of(found->second);
  }
  if (slot_of_.size() == limit_) drop_one();
  if (free_.empty()) {
    free_.push_back(slots());
    items_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Item& item = items_[slot];
  item.used = true;
  item.facts.id = id;
  item.tie = hash64(id);
  item.fingerprint = item_fingerprint(id);
  slot_of_.emplace(item.facts.id, slot);
  met_.push_front(slot);
  return ref_of(slot);
}

void ItemStore::drop_one() {
  LruList& list = met_.size() > 0 ? met_ : catalogued_;
  const std::uint32_t slot = list.back();
  list.remove(slot);
  on_drop_(ref_of(slot));
  Item& item = items_[slot];
  slot_of_.erase(item.facts.id);
  attribute_bytes_ -= item.facts.attributes.bytes();
  const auto generation = static_cast<std::uint8_t>(item.generation + 1);
  item = Item{};
  item.generation = generation;
  free_.push_back(slot);
  ++evictions_;
}

void ItemStore::put(const ItemFacts& facts, std::optional<TimeUs> put_time) {
  const std::uint32_t slot = intern(facts.id).slot();
  Item& item = items_[slot];
  if (!item.catalogued) {
    met_.remove(slot);
    item.catalogued = true;
    catalogued_.push_front(slot);
  }
  // The id stays as it is: the map's key views it.
  std::string id = std::move(item.facts.id);
  attribute_bytes_ -= item.facts.attributes.bytes();
  item.facts = facts;
  item.facts.id = std::move(id);
  keep_attributes(item.facts.attributes);
  item.deleted = false;
  if (!item.first_seen_us) item.first_seen_us = put_time;
}

void ItemStore::keep_attributes(ItemAttributes& attributes) {
  const std::size_t room = attribute_limits_.of_all - std::min(attribute_bytes_, attribute_limits_.of_all);
  note_attributes_left_out(attributes.keep(std::min(attribute_limits_.of_item, room)));
  attribute_bytes_ += attributes.bytes();
}

void ItemStore::erase(std::string_view id) {
  if (const auto found = slot_of_.find(id); found != slot_of_.end()) items_[found->second].deleted = true;
}

std::size_t ItemStore::bytes() const {
  const auto heap = [](const std::string& text) { return text.capacity() > 15 ? text.capacity() + 1 : 0; };
  std::size_t bytes = items_.size() * (sizeof(Item) + 16) + slot_of_.size() * 48;
  bytes += attribute_bytes_;
  for (const Item& item : items_)
    bytes += heap(item.facts.id) + heap(item.facts.name) + heap(item.facts.category);
  return bytes;
}

}  // namespace millrace
