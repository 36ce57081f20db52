#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace {

/// Finds entries that live elsewhere (in a vector, by their number) by the hash of their key. Open addressing
/// with linear probing, at most three quarters full; holes are closed by moving later slots back, so there
/// are no tombstones. Several entries may have the same hash: the caller compares keys. One thread.
class KeyIndex {
 public:
  using Entry = std::uint32_t;

  /// Return the first entry with this hash for which `same(entry)` holds.
  template <class Same>
  std::optional<Entry> find(std::uint32_t hash, const Same& same) const {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t at = hash & mask_; slots_[at].entry != kFree; at = (at + 1) & mask_) {
      if (slots_[at].hash == hash && same(slots_[at].entry)) return slots_[at].entry;
    }
    return std::nullopt;
  }

  void insert(std::uint32_t hash, Entry entry);
  /// Put `by` in the place of `entry`, which must be there.
  void replace(std::uint32_t hash, Entry entry, Entry by) { slots_[place_of(hash, entry)].entry = by; }
  /// Remove an entry that must be there.
  void erase(std::uint32_t hash, Entry entry);
  void clear();

  std::size_t size() const { return size_; }

 private:
  static constexpr Entry kFree = 0xffff'ffff;
  struct Slot {
    std::uint32_t hash = 0;
    Entry entry = kFree;
  };

  std::size_t place_of(std::uint32_t hash, Entry entry) const;
  void grow();
  void put(Slot slot);

  std::vector<Slot> slots_;  ///< a power of two, or none
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
};

}  // namespace millrace
