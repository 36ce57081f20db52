#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "recommend/item_filter.h"
#include "recommend/item_store.h"
#include "recommend/profile_store.h"

namespace millrace {

/// What a person did with which items, as MatchContext::person wants it. Empty for someone unknown.
class PersonFacts {
 public:
  PersonFacts() = default;

  /// Take what `profile` says. With `as_of` only what the history dates up to then; else also what was bought
  /// or read before the history begins. The caller holds the memory's lock, as long as this runs.
  PersonFacts(const Profile& profile, const ItemStore& items, std::optional<TimeUs> as_of);

  /// Return a bit set of ItemState: kSeen to kDisliked.
  std::uint8_t of(std::uint32_t fingerprint) const;

 private:
  void add(std::uint32_t fingerprint, unsigned states);
  void add_touch(const Touch& touch, std::uint32_t fingerprint, bool dated);

  struct Slot {
    std::uint32_t fingerprint = 0;
    std::uint8_t states = 0;  ///< 0: nothing lies here
  };
  std::vector<Slot> slots_;  ///< open addressing; a power of two, at most half full
};

}  // namespace millrace
