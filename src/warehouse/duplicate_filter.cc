#include "warehouse/duplicate_filter.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kSlotsMin = 1024;

/// Return the slots that hold `ids` with a third of them free, a power of two.
std::size_t slots_for(std::size_t ids) {
  return std::bit_ceil(std::max(kSlotsMin, ids + ids / 2));
}

}  // namespace

Hash128 message_hash(std::string_view source, std::string_view message_id, std::string& scratch) {
  scratch.assign(source);
  scratch.push_back('\0');
  scratch.append(message_id);
  return hash128(scratch);
}

DuplicateFilter::DuplicateFilter(std::size_t ids_max) : ids_max_(ids_max) {
  rebuild(kSlotsMin, 0);
}

DuplicateFilter::Hour DuplicateFilter::hour_of(TimeUs time) {
  return static_cast<Hour>(std::max<TimeUs>(0, time) / kHourUs + 1);
}

std::size_t DuplicateFilter::slot_of(const Hash128& id) const {
  const std::size_t mask = ids_.size() - 1;
  std::size_t slot = id.low & mask;
  while (hours_[slot] != 0 && ids_[slot] != id) slot = (slot + 1) & mask;
  return slot;
}

bool DuplicateFilter::insert(const Hash128& id, TimeUs time) {
  if (hours_[slot_of(id)] != 0 || !fresh_ids_.insert(id).second) return false;
  fresh_.push_back({id, hour_of(time)});
  return true;
}

void DuplicateFilter::commit(TimeUs horizon) {
  make_room(fresh_.size(), hour_of(horizon));
  for (const auto& fresh : fresh_) place(fresh.id, fresh.hour);
  rollback();
}

void DuplicateFilter::rollback() {
  fresh_.clear();
  fresh_ids_.clear();
}

void DuplicateFilter::make_room(std::size_t more, Hour horizon) {
  if (slots_for(size_ + more) <= ids_.size()) return;
  const std::size_t keep = ids_max_ > more ? ids_max_ - more : 0;
  if (size_ > keep) horizon = std::max(horizon, oldest_hour_within(keep));
  const auto kept = static_cast<std::size_t>(
      std::ranges::count_if(hours_, [&](Hour hour) { return hour != 0 && hour >= horizon; }));
  rebuild(slots_for(kept + more), horizon);
}

/// Return the hour from which on no more than `keep` ids are remembered.
DuplicateFilter::Hour DuplicateFilter::oldest_hour_within(std::size_t keep) const {
  std::map<Hour, std::size_t, std::greater<>> ids_by_hour;
  for (const Hour hour : hours_) {
    if (hour != 0) ++ids_by_hour[hour];
  }
  std::size_t kept = 0;
  for (const auto& [hour, ids] : ids_by_hour) {
    kept += ids;
    if (kept > keep) return hour + 1;
  }
  return 0;
}

void DuplicateFilter::rebuild(std::size_t slots, Hour horizon) {
  auto old_ids = std::exchange(ids_, std::vector<Hash128>(slots));
  auto old_hours = std::exchange(hours_, std::vector<Hour>(slots, 0));
  size_ = 0;
  for (std::size_t i = 0; i < old_ids.size(); ++i) {
    if (old_hours[i] != 0 && old_hours[i] >= horizon) place(old_ids[i], old_hours[i]);
  }
}

void DuplicateFilter::place(const Hash128& id, Hour hour) {
  const auto slot = slot_of(id);
  if (hours_[slot] == 0) ++size_;
  ids_[slot] = id;
  hours_[slot] = hour;
}

std::size_t DuplicateFilter::memory_bytes() const {
  return ids_.size() * (sizeof(Hash128) + sizeof(Hour)) + fresh_.capacity() * sizeof(Fresh);
}

}  // namespace millrace
