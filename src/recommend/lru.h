#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
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
    const Link link = links_[slot];
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

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Link {
    std::uint32_t before = kNone;
    std::uint32_t after = kNone;
  };

  std::vector<Link> links_;
  std::uint32_t head_ = kNone;
  std::uint32_t tail_ = kNone;
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
    const auto found = slot_of_.find(key);
    return found == slot_of_.end() ? nullptr : &slots_[found->second].value;
  }

  /// Return the value, made when absent, now the last to be dropped.
  Value& touch(std::uint64_t key) {
    if (const auto found = slot_of_.find(key); found != slot_of_.end()) {
      order_.touch(found->second);
      return slots_[found->second].value;
    }
    if (slot_of_.size() == limit_) {
      erase(slots_[order_.back()].key);
      ++evictions_;
    }
    const std::uint32_t slot = free_slot();
    slots_[slot].key = key;
    slot_of_.emplace(key, slot);
    order_.push_front(slot);
    return slots_[slot].value;
  }

  /// Forget the value; fine when there is none.
  void erase(std::uint64_t key) {
    const auto found = slot_of_.find(key);
    if (found == slot_of_.end()) return;
    order_.remove(found->second);
    slots_[found->second].value = Value{};
    free_.push_back(found->second);
    slot_of_.erase(found);
  }

  /// Call `use(value)` for every value, in no order.
  template <class Use>
  void for_each(Use use) {
    for (const auto& [key, slot] : slot_of_) use(slots_[slot].value);
  }
  template <class Use>
  void for_each(Use use) const {
    for (const auto& [key, slot] : slot_of_) use(slots_[slot].value);
  }

  std::size_t size() const { return slot_of_.size(); }
  std::size_t limit() const { return limit_; }
  std::uint64_t evictions() const { return evictions_; }

  /// Return the bytes of the map itself, without what the values point to.
  std::size_t bytes() const { return slots_.size() * (sizeof(Slot) + 8) + slot_of_.size() * 40; }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Value value{};
  };

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
  std::unordered_map<std::uint64_t, std::uint32_t> slot_of_;
  LruList order_;
  std::uint64_t evictions_ = 0;
};

}  // namespace millrace
