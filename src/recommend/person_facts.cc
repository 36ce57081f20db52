#include "recommend/person_facts.h"

#include <bit>

namespace millrace {
namespace {

constexpr unsigned bit(ItemState state) {
  return 1u << static_cast<unsigned>(state);
}

}  // namespace

PersonFacts::PersonFacts(const Profile& profile, const ItemStore& items, std::optional<TimeUs> as_of) {
  const std::size_t entries = profile.history.size() + profile.bought.values().size() +
                              profile.read.values().size() + profile.disliked.values().size();
  slots_.resize(std::bit_ceil(2 * entries + 1));
  for (const Touch& touch : profile.history) {
    if (as_of && touch.time() > *as_of) continue;
    if (const Item* item = items.get(touch.item)) add_touch(touch, item->fingerprint, as_of.has_value());
  }
  if (as_of) return;
  for (const std::uint32_t item : profile.bought.values())
    add(item, bit(ItemState::kBought) | bit(ItemState::kSeen));
  for (const std::uint32_t item : profile.read.values())
    add(item, bit(ItemState::kRead) | bit(ItemState::kSeen));
  for (const std::uint32_t item : profile.disliked.values()) add(item, bit(ItemState::kDisliked));
}

/// `dated`: the lists of what was bought and read have no times, so that the history must tell.
void PersonFacts::add_touch(const Touch& touch, std::uint32_t fingerprint, bool dated) {
  unsigned states = bit(ItemState::kSeen);
  if (touch.disliked) states |= bit(ItemState::kDisliked);
  if (touch.kind == TouchKind::kCart) states |= bit(ItemState::kCart);
  if (dated && touch.kind == TouchKind::kBought) states |= bit(ItemState::kBought);
  if (dated && touch.kind <= TouchKind::kRead) states |= bit(ItemState::kRead);
  add(fingerprint, states);
}

void PersonFacts::add(std::uint32_t fingerprint, unsigned states) {
  std::size_t at = fingerprint & (slots_.size() - 1);
  while (slots_[at].states != 0 && slots_[at].fingerprint != fingerprint) at = (at + 1) & (slots_.size() - 1);
  slots_[at].fingerprint = fingerprint;
  slots_[at].states |= static_cast<std::uint8_t>(states);
}

std::uint8_t PersonFacts::of(std::uint32_t fingerprint) const {
  if (slots_.empty()) return 0;
  for (std::size_t at = fingerprint & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].states == 0) return 0;
    if (slots_[at].fingerprint == fingerprint) return slots_[at].states;
  }
}

}  // namespace millrace
