#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace millrace {

/// Slot numbers in the order of their last use. Any operation is O(1). One thread at a time.
class LruList {
 public:
  /// Put `slot` in front; it must not be in the list.
  void push_front(std::uint32_t slot) {
    if (slot >= links_.size()) links_.resize(slot + 1);
    links_[slot] = {kNone, head_};
    (head_ == kNone ? tail_ : links_[head_].before) = slot;
    head_ = slot;
    ++size_;
  }

  void remove(std::uint32_t slot) {
    const Link link = std::exchange(links_[slot], {kOut, kOut});
    (link.before == kNone ? head_ : links_[link.before].after) = link.after;
    (link.after == kNone ? tail_ : links_[link.after].before) = link.before;
    --size_;
  }

  void touch(std::uint32_t slot) {
    if (slot == head_) return;
    remove(slot);
    push_front(slot);
  }

  /// Return the slot used longest ago. Needs a list that is not empty.
  std::uint32_t back() const {
    assert(size_ > 0);
    return tail_;
  }

  std::size_t size() const { return size_; }
  bool contains(std::uint32_t slot) const { return slot < links_.size() && links_[slot].before != kOut; }

  /// Call `use(slot)` for each, the one used longest ago first.
  template <class Use>
  void for_each_oldest_first(Use use) const {
    for (std::uint32_t slot = tail_; slot != kNone; slot = links_[slot].before) use(slot);
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint32_t kOut = kNone - 1;  ///< in both links of a slot that is not in the list
  struct Link {
    std::uint32_t before = kOut;
    std::uint32_t after = kOut;
  };

  std::vector<Link> links_;
  std::uint32_t head_ = kNone;
  std::uint32_t tail_ = kNone;
  std::size_t size_ = 0;
};

/// Slot numbers under keys that are hashes already: open addressing with linear probing, one or two cache
/// lines a look. One writer at a time, readers beside one another.
class SlotIndex {
 public:
  std::optional<std::uint32_t> find(std::uint64_t key) const {
    for (std::size_t at = home(key);; at = next(at)) {
      if (entries_[at].slot == kNone) return std::nullopt;
      if (entries_[at].key == key) return entries_[at].slot;
    }
  }

  /// Needs a key that is not there.
  void insert(std::uint64_t key, std::uint32_t slot) {
    if (++size_ * 2 > entries_.size()) grow();
    std::size_t at = home(key);
    while (entries_[at].slot != kNone) at = next(at);
    entries_[at] = {key, slot};
  }

  /// Needs a key that is there. What probed past it moves up, so that no marks of the dead pile up.
  void erase(std::uint64_t key) {
    std::size_t hole = home(key);
    while (entries_[hole].key != key || entries_[hole].slot == kNone) hole = next(hole);
    for (std::size_t at = next(hole); entries_[at].slot != kNone; at = next(at)) {
      const std::size_t from_home = (at - home(entries_[at].key)) & (entries_.size() - 1);
      if (from_home < ((at - hole) & (entries_.size() - 1))) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole].slot = kNone;
    --size_;
  }

  template <class Use>
  void for_each(Use use) const {
    for (const Entry& entry : entries_) {
      if (entry.slot != kNone) use(entry.slot);
    }
  }

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t slot = kNone;
  };

  std::size_t home(std::uint64_t key) const { return (key ^ key >> 32) & (entries_.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (entries_.size() - 1); }

  void grow() {
    const std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(entries_.size() * 2));
    for (const Entry& entry : old) {
      if (entry.slot == kNone) continue;
      std::size_t at = home(entry.key);
      while (entries_[at].slot != kNone) at = next(at);
      entries_[at] = entry;
    }
  }

  std::vector<Entry> entries_ = std::vector<Entry>(16);  ///< a power of two, at most half full
  std::size_t size_ = 0;
};

/// A map of at most `limit` values under 64-bit keys (hashes) that drops the one not touched longest.
/// References stay good until the value is dropped. One writer at a time; `find` const beside others.
template <class Value>
class LruMap {
 public:
  explicit LruMap(std::size_t limit) : limit_(limit) { assert(limit > 0); }

  Value* find(std::uint64_t key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
  const Value* find(std::uint64_t key) const {
    const auto slot = slot_of_.find(key);
    return slot ? &slots_[*slot].value : nullptr;
  }

  /// Return the value, made when absent, now the last to be dropped.
  Value& touch(std::uint64_t key) {
    if (const auto known = slot_of_.find(key)) {
      order_.touch(*known);
      return slots_[*known].value;
    }
    if (slot_of_.size() == limit_) {
      erase(slots_[order_.back()].key);
      ++evictions_;
    }
    const std::uint32_t slot = free_slot();
    slots_[slot].key = key;
    slot_of_.insert(key, slot);
    order_.push_front(slot);
    return slots_[slot].value;
  }

  /// Forget the value; fine when there is none.
  void erase(std::uint64_t key) {
    const auto slot = slot_of_.find(key);
    if (!slot) return;
    order_.remove(*slot);
    slots_[*slot].value = Value{};
    free_.push_back(*slot);
    slot_of_.erase(key);
  }

  /// Call `use(value)` for every value, in no order.
  template <class Use>
  void for_each(Use use) {
    slot_of_.for_each([&](std::uint32_t slot) { use(slots_[slot].value); });
  }
  template <class Use>
  void for_each(Use use) const {
    slot_of_.for_each([&](std::uint32_t slot) { use(slots_[slot].value); });
  }

  /// Call `use(key, value)` for every value as they lie in memory, with `soon(value)` a few values before
  /// that, for what it points to to be brought near.
  template <class Soon, class Use>
  void for_each_in_place(Soon soon, Use use) const {
    constexpr std::size_t kAhead = 8;
    auto ahead = slots_.begin() + static_cast<std::ptrdiff_t>(std::min(kAhead, slots_.size()));
    for (std::size_t slot = 0; const Slot& each : slots_) {
      if (ahead != slots_.end()) soon((ahead++)->value);
      if (holds(static_cast<std::uint32_t>(slot++))) use(each.key, each.value);
    }
  }

  /// Return the number, among those that `for_each_in_place` gives, of each value, the one touched longest
  /// ago first.
  std::vector<std::uint32_t> order() const {
    std::vector<std::uint32_t> number(slots_.size());
    std::uint32_t next = 0;
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) number[slot] = holds(slot) ? next++ : 0;
    std::vector<std::uint32_t> order;
    order.reserve(size());
    order_.for_each_oldest_first([&](std::uint32_t slot) { order.push_back(number[slot]); });
    return order;
  }

  std::size_t size() const { return slot_of_.size(); }
  std::size_t limit() const { return limit_; }
  std::uint64_t evictions() const { return evictions_; }

  /// Return the bytes of the map itself, without what the values point to.
  std::size_t bytes() const { return slots_.size() * (sizeof(Slot) + 8) + slot_of_.bytes(); }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Value value{};
  };

  bool holds(std::uint32_t slot) const { return order_.contains(slot); }

  std::uint32_t free_slot() {
    if (free_.empty()) {
      slots_.emplace_back();
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }

  std::size_t limit_;
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;
  SlotIndex slot_of_;
  LruList order_;
  std::uint64_t evictions_ = 0;
};

}  // namespace millrace
