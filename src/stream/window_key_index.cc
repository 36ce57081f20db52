#include "stream/window_key_index.h"

#include <algorithm>
#include <cassert>

namespace millrace {
namespace {

constexpr std::size_t kSlotsMin = 16;

}  // namespace

void KeyIndex::insert(std::uint32_t hash, Entry entry) {
  assert(entry != kFree);
  if (4 * (size_ + 1) > 3 * slots_.size()) grow();
  put({hash, entry});
  ++size_;
}

void KeyIndex::put(Slot slot) {
  std::size_t at = slot.hash & mask_;
  while (slots_[at].entry != kFree) at = (at + 1) & mask_;
  slots_[at] = slot;
}

void KeyIndex::grow() {
  std::vector<Slot> old(std::max(kSlotsMin, 2 * slots_.size()));
  std::swap(old, slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.entry != kFree) put(slot);
  }
}

std::size_t KeyIndex::place_of(std::uint32_t hash, Entry entry) const {
  std::size_t at = hash & mask_;
  while (slots_[at].entry != entry) {
    assert(slots_[at].entry != kFree);
    at = (at + 1) & mask_;
  }
  return at;
}

void KeyIndex::erase(std::uint32_t hash, Entry entry) {
  std::size_t hole = place_of(hash, entry);
  // A slot may move back into the hole unless its own home lies behind the hole: Knuth 6.4, algorithm R.
  for (std::size_t at = (hole + 1) & mask_; slots_[at].entry != kFree; at = (at + 1) & mask_) {
    const std::size_t from_home = (at - slots_[at].hash) & mask_;
    const std::size_t from_hole = (at - hole) & mask_;
    if (from_home < from_hole) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
  --size_;
}

void KeyIndex::clear() {
  std::ranges::fill(slots_, Slot{});
  size_ = 0;
}

}  // namespace millrace
