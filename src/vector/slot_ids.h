#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vector/vector_index.h"

namespace millrace {

/// Which id lives in which slot, both ways. Slots are numbered from 0 on; an empty one may be taken again.
/// Threads: as VectorIndex.
class SlotIds {
 public:
  using Slot = VectorIndex::Slot;

  std::optional<Slot> find(std::string_view id) const;

  /// Return the id that lives there, or "". It lives until it is removed.
  std::string_view at(Slot slot) const {
    return by_slot_[slot] == nullptr ? std::string_view() : std::string_view(*by_slot_[slot]);
  }

  std::size_t size() const { return slots_.size(); }
  std::size_t slot_count() const { return by_slot_.size(); }

  /// Let `id`, which has no slot, live in `slot`: an empty one, or the next behind the last.
  void put(std::string_view id, Slot slot);

  /// Add a slot at the end in which nobody lives.
  void add_empty() { by_slot_.push_back(nullptr); }

  /// Let `id`, which has a slot, live in another one, under the same conditions; the one it had is empty
  /// then.
  void move(std::string_view id, Slot to);

  /// Empty the slot of `id`, which must have one.
  void remove(std::string_view id);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };
  using Map = std::unordered_map<std::string, Slot, Hash, std::equal_to<>>;

  void take(Slot slot, const std::string* id);

  Map slots_;
  std::vector<const std::string*> by_slot_;  ///< keys of slots_, which stay where they are
};

}  // namespace millrace
