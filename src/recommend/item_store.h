#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "recommend/item_filter.h"
#include "recommend/lru.h"

namespace millrace {

class MemoryReader;
class MemoryWriter;

/// A short name for an item within this process: its slot (24 bits) and how often the slot has been
/// given away (8 bits), so that a neighbour list which still names a dropped item is seen to do so.
class ItemRef {
 public:
  static constexpr std::uint32_t kSlotsMax = 1u << 24;

  constexpr ItemRef() = default;
  constexpr ItemRef(std::uint32_t slot, std::uint8_t generation) : value_(slot << 8 | generation) {}

  constexpr std::uint32_t slot() const { return value_ >> 8; }
  constexpr std::uint8_t generation() const { return static_cast<std::uint8_t>(value_); }
  constexpr std::uint32_t value() const { return value_; }
  constexpr auto operator<=>(const ItemRef&) const = default;

 private:
  std::uint32_t value_ = ~std::uint32_t{0};
};

struct Item {
  ItemFacts facts;
  std::uint64_t tie = 0;          ///< hash of the id: an order of items that any machine agrees on
  std::uint32_t fingerprint = 0;  ///< item_fingerprint(id)
  std::uint8_t generation = 0;
  bool used = false;        ///< the slot holds an item
  bool catalogued = false;  ///< put, not only met in events
  bool deleted = false;
  std::optional<std::uint8_t> era;      ///< whose "now" its age is told by
  std::optional<TimeUs> first_seen_us;  ///< put, or first met in an event

  /// Return when its age began, if known.
  std::optional<TimeUs> born_us() const { return facts.published_us ? facts.published_us : first_seen_us; }
  bool showable() const { return used && !deleted && !facts.hidden && facts.available; }
  /// Return whether at `now` it is past its end, or was born longer than `age_max` ago (0: any age will do).
  bool expired(std::optional<TimeUs> now, DurationUs age_max) const;
};

/// How many bytes of attributes are kept for filters: of one item, and of all.
struct AttributeLimits {
  std::size_t of_item = 2'048;
  std::size_t of_all = std::size_t{64} << 20;
};

/// All items known, at most `limit`: beyond it the one used longest ago is dropped, items that the
/// catalogue does not name before those it does. One writer at a time, readers beside one another.
class ItemStore {
 public:
  using OnDrop = std::function<void(ItemRef)>;

  /// `on_drop` is called before a slot is given to another item.
  ItemStore(std::size_t limit, OnDrop on_drop, AttributeLimits attributes = {});

  /// Return the item of that id, made when absent, and mark it used just now.
  ItemRef intern(std::string_view id);
  std::optional<ItemRef> find(std::string_view id) const;

  /// Return the item, or null when it has been dropped.
  const Item* get(ItemRef ref) const;
  /// Have the item brought near for a `get` that comes soon: items looked at in a row lie far apart.
  void prefetch(ItemRef ref) const {
    if (ref.slot() >= items_.size()) return;
    const auto* bytes = reinterpret_cast<const char*>(&items_[ref.slot()]);
    for (std::size_t line = 0; line < sizeof(Item); line += 64) __builtin_prefetch(bytes + line);
  }
  Item& at(ItemRef ref) { return items_[ref.slot()]; }

  /// Attributes past the limits are left out, and counted.
  void put(const ItemFacts& facts, std::optional<TimeUs> put_time);
  void erase(std::string_view id);

  ItemRef ref_of(std::uint32_t slot) const { return {slot, items_[slot].generation}; }
  const Item& in_slot(std::uint32_t slot) const { return items_[slot]; }
  Item& in_slot(std::uint32_t slot) { return items_[slot]; }

  /// Return the number of slots ever used; each holds an item or nothing (`Item::used`).
  std::uint32_t slots() const { return static_cast<std::uint32_t>(items_.size()); }
  std::size_t size() const { return slot_of_.size(); }
  std::size_t limit() const { return limit_; }
  /// Return a number that tells this store from others of the process; not 0.
  std::uint32_t number() const { return number_; }
  std::size_t attribute_bytes() const { return attribute_bytes_; }
  std::size_t catalogued() const { return catalogued_.size(); }
  std::uint64_t evictions() const { return evictions_; }
  std::size_t bytes() const;

  /// Write slots, generations and the order of use as they are. `restore` needs a store that is empty; an
  /// item's era is below `eras`.
  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in, std::size_t eras);

 private:
  LruList& list_of(const Item& item) { return item.catalogued ? catalogued_ : met_; }
  void drop_one();
  void keep_attributes(ItemAttributes& attributes);
  void restore_item(MemoryReader& in, std::uint32_t slot, std::size_t eras);
  void restore_list(MemoryReader& in, LruList& list, bool catalogued);
  void restore_free(MemoryReader& in);

  static std::uint32_t next_number();

  const std::uint32_t number_ = next_number();
  std::size_t limit_;
  OnDrop on_drop_;
  std::deque<Item> items_;  ///< never moves an item: the map's keys view their ids
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string_view, std::uint32_t> slot_of_;
  LruList met_;  ///< only met in events
  LruList catalogued_;
  std::uint64_t evictions_ = 0;
  AttributeLimits attribute_limits_;
  std::size_t attribute_bytes_ = 0;
};

}  // namespace millrace
