#include "recommend/item_store.h"

#include <algorithm>
#include <atomic>
#include <cassert>

#include "base/hash.h"
#include "recommend/cursor.h"
#include "recommend/memory_bytes.h"

namespace millrace {
namespace {

/// Bits of what is true of a slot, as `save` writes them.
enum SlotBit : std::uint8_t {
  kUsedBit = 1,
  kCataloguedBit = 2,
  kDeletedBit = 4,
  kHiddenBit = 8,
  kAvailableBit = 16,
};

std::uint8_t bits_of(const Item& item) {
  return static_cast<std::uint8_t>((item.used ? kUsedBit : 0) | (item.catalogued ? kCataloguedBit : 0) |
                                   (item.deleted ? kDeletedBit : 0) | (item.facts.hidden ? kHiddenBit : 0) |
                                   (item.facts.available ? kAvailableBit : 0));
}

/// Write 0, or 1 and the number.
template <class Number>
void put_optional(MemoryWriter& out, const std::optional<Number>& number) {
  out.put(static_cast<std::uint8_t>(number.has_value()));
  if (number) out.put(*number);
}

std::optional<TimeUs> take_optional_time(MemoryReader& in) {
  if (!in.take_bool()) return std::nullopt;
  return in.take_time();
}

void save_facts(MemoryWriter& out, const ItemFacts& facts) {
  for (const std::string* text : {&facts.id, &facts.name, &facts.category, &facts.currency})
    out.put_text(*text);
  put_optional(out, facts.price ? std::optional(facts.price->units()) : std::nullopt);
  out.put(static_cast<std::uint32_t>(facts.countries.size()));
  for (const std::string& country : facts.countries) out.put_text(country);
  put_optional(out, facts.published_us);
  put_optional(out, facts.expires_us);
  out.put_text(facts.attributes.image());
}

void restore_facts(MemoryReader& in, ItemFacts& facts) {
  for (std::string* text : {&facts.id, &facts.name, &facts.category, &facts.currency}) *text = in.take_text();
  if (in.take_bool()) {
    const auto units = in.take<std::int64_t>();
    in.expect(units >= -Decimal::kUnitsMax && units <= Decimal::kUnitsMax, "a price that cannot be");
    facts.price = Decimal::from_units(units);
  }
  const std::uint32_t countries = in.take_count(~std::uint32_t{0}, sizeof(std::uint32_t));
  for (std::uint32_t i = 0; i < countries && in.ok(); ++i) facts.countries.emplace_back(in.take_text());
  facts.published_us = take_optional_time(in);
  facts.expires_us = take_optional_time(in);
  auto attributes = ItemAttributes::from_image(in.take_text());
  in.expect(attributes.has_value(), "attributes that cannot be");
  if (attributes) facts.attributes = *std::move(attributes);
}

}  // namespace

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

void ItemStore::save(MemoryWriter& out) const {
  out.put(slots());
  for (const Item& item : items_) {
    out.put(item.generation);
    out.put(bits_of(item));
    if (!item.used) continue;
    save_facts(out, item.facts);
    put_optional(out, item.era);
    put_optional(out, item.first_seen_us);
  }
  for (const LruList* list : {&met_, &catalogued_}) {
    out.put(static_cast<std::uint32_t>(list->size()));
    list->for_each_oldest_first([&](std::uint32_t slot) { out.put(slot); });
  }
  out.put_rows(free_);
}

void ItemStore::restore(MemoryReader& in, std::size_t eras) {
  const std::uint32_t slots = in.take_count(limit_, 2);
  for (std::uint32_t slot = 0; slot < slots && in.ok(); ++slot) restore_item(in, slot, eras);
  in.expect(attribute_bytes_ <= attribute_limits_.of_all, "more attributes than are kept");
  restore_list(in, met_, false);
  restore_list(in, catalogued_, true);
  restore_free(in);
  in.set_item_slots(slots);
}

void ItemStore::restore_item(MemoryReader& in, std::uint32_t slot, std::size_t eras) {
  Item& item = items_.emplace_back();
  item.generation = in.take<std::uint8_t>();
  const auto bits = in.take<std::uint8_t>();
  item.used = (bits & kUsedBit) != 0;
  item.catalogued = (bits & kCataloguedBit) != 0;
  item.deleted = (bits & kDeletedBit) != 0;
  item.facts.hidden = (bits & kHiddenBit) != 0;
  item.facts.available = (bits & kAvailableBit) != 0;
  if (!item.used) return;
  restore_facts(in, item.facts);
  if (in.take_bool()) item.era = in.take<std::uint8_t>();
  item.first_seen_us = take_optional_time(in);
  in.expect(!item.era || *item.era < eras, "an era that is not there");
  in.expect(item.facts.attributes.bytes() <= attribute_limits_.of_item, "more attributes than are kept");
  item.tie = hash64(item.facts.id);
  item.fingerprint = item_fingerprint(item.facts.id);
  attribute_bytes_ += item.facts.attributes.bytes();
  if (in.ok()) in.expect(slot_of_.emplace(item.facts.id, slot).second, "an item twice");
}

/// Read an order of use: each used slot is in the list of its kind, once.
void ItemStore::restore_list(MemoryReader& in, LruList& list, bool catalogued) {
  std::vector<bool> listed(items_.size());
  for (const std::uint32_t slot : in.take_rows<std::uint32_t>(items_.size())) {
    const bool good =
        slot < items_.size() && !listed[slot] && items_[slot].used && items_[slot].catalogued == catalogued;
    in.expect(good, "an order of items that cannot be");
    if (!good) return;
    listed[slot] = true;
    list.push_front(slot);
  }
}

void ItemStore::restore_free(MemoryReader& in) {
  free_ = in.take_rows<std::uint32_t>(items_.size());
  std::vector<bool> listed(items_.size());
  for (const std::uint32_t slot : free_) {
    const bool good = slot < items_.size() && !listed[slot] && !items_[slot].used;
    in.expect(good, "a free place that is none");
    if (!good) return;
    listed[slot] = true;
  }
  in.expect(
      met_.size() + catalogued_.size() == slot_of_.size() && slot_of_.size() + free_.size() == items_.size(),
      "places that are neither used nor free");
}

}  // namespace millrace
