#include "warehouse/duplicate_filter.h"

#include <algorithm>
#include <cstdlib>

namespace millrace {
namespace {

constexpr std::size_t kSlotsMin = 1024;

/// Return the slots of a new table for `ids`: three fifths full, so that it lasts for another third of them.
std::size_t slots_for(std::size_t ids) {
  return std::max(kSlotsMin, ids * 5 / 3);
}

/// Return whether a table is too full to be searched quickly: above four fifths.
bool is_full(std::size_t used, std::size_t slots) {
  return used * 5 >= slots * 4;
}

/// Return a byte that tells most ids of the same slot apart, so that few wrong ones are looked at.
std::uint8_t tag_of(const Hash128& id) {
  return static_cast<std::uint8_t>(id.high % 255 + 1);
}

}  // namespace

Hash128 message_hash(std::string_view source, std::string_view message_id, std::string& scratch) {
  scratch.assign(source);
  scratch.push_back('\0');
  scratch.append(message_id);
  return hash128(scratch);
}

DuplicateFilter::DuplicateFilter(std::size_t ids_max, DurationUs window)
    : ids_max_(ids_max), window_(window) {
  rebuild_table();
}

/// Scale the hash to the number of slots, which can then be any.
std::size_t DuplicateFilter::home_of(const Hash128& id) const {
  return ((id.low >> 32) * tags_.size()) >> 32;
}

bool DuplicateFilter::is_at(std::uint32_t sequence, const Hash128& id, TimeUs time) const {
  const std::uint32_t place = sequence - first_;
  return place < ids_.size() && ids_[place].id == id && std::abs(ids_[place].time - time) <= window_;
}

void DuplicateFilter::prefetch(const Hash128& id) const {
  __builtin_prefetch(&tags_[home_of(id)]);
}

bool DuplicateFilter::knows(const Hash128& id, TimeUs time) const {
  const auto tag = tag_of(id);
  for (auto slot = home_of(id); tags_[slot] != 0; slot = next_slot(slot)) {
    if (tags_[slot] == tag && is_at(sequences_[slot], id, time)) return true;
  }
  return false;
}

void DuplicateFilter::add(const Hash128& id, TimeUs time) {
  if (is_full(used_ + 1, tags_.size())) rebuild_table();
  place(id, first_ + static_cast<std::uint32_t>(ids_.size()));
  ids_.push_back({id, time});
  ++fresh_;
  note_time(time);
}

/// Enter an id in its own slot, beside whatever the table has of it.
void DuplicateFilter::place(const Hash128& id, std::uint32_t sequence) {
  auto slot = home_of(id);
  while (tags_[slot] != 0) slot = next_slot(slot);
  tags_[slot] = tag_of(id);
  sequences_[slot] = sequence;
  ++used_;
}

/// Make the table anew from the queue, without leftovers. The old one goes first, to need no memory for two.
void DuplicateFilter::rebuild_table() {
  const auto slots = slots_for(ids_.size());
  tags_ = {};
  sequences_ = {};
  tags_.resize(slots);
  sequences_.resize(slots);
  used_ = 0;
  auto sequence = first_;
  for (const auto& known : ids_) place(known.id, sequence++);
}

/// Count one more id at the end of the queue.
void DuplicateFilter::note_time(TimeUs time) {
  if (stretches_.empty() || time > stretches_.back().begin + kStretch) stretches_.push_back({time, time, 0});
  auto& last = stretches_.back();
  last.newest = std::max(last.newest, time);
  ++last.ids;
}

void DuplicateFilter::commit(TimeUs horizon) {
  fresh_ = 0;
  while (!stretches_.empty() && stretches_.front().newest < horizon) forget_oldest(stretches_.front().ids);
  while (ids_.size() > ids_max_) {
    const auto& oldest = stretches_.front();
    const auto ids = std::min(oldest.ids, ids_.size() - ids_max_);
    forgotten_early_ += ids;
    complete_since_ = oldest.newest;
    forget_oldest(ids);
  }
}

/// Forget up to all ids of the oldest stretch.
void DuplicateFilter::forget_oldest(std::size_t ids) {
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(ids));
  first_ += static_cast<std::uint32_t>(ids);
  stretches_.front().ids -= ids;
  if (stretches_.front().ids == 0) stretches_.pop_front();
}

void DuplicateFilter::rollback() {
  for (; fresh_ > 0; --fresh_) {
    ids_.pop_back();
    if (--stretches_.back().ids == 0) stretches_.pop_back();
  }
}

void DuplicateFilter::clear() {
  ids_.clear();
  stretches_.clear();
  std::ranges::fill(tags_, 0);
  used_ = 0;
  fresh_ = 0;
  complete_since_ = kTimeMin;
}

std::size_t DuplicateFilter::memory_bytes() const {
  return ids_.size() * sizeof(KnownId) + tags_.size() * (sizeof(std::uint8_t) + sizeof(std::uint32_t)) +
         stretches_.size() * sizeof(Stretch);
}

}  // namespace millrace
