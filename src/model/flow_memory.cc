#include "model/flow_memory.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace millrace {
namespace {

/// An Entity with what a list and an index keep of it.
constexpr std::size_t kEntityBytes = 240;

}  // namespace

std::string entity_key(std::span<const std::string_view> parts) {
  std::string key(parts.empty() ? std::string_view() : parts.front());
  for (const std::string_view part : parts.subspan(std::min<std::size_t>(1, parts.size()))) {
    key += kEntityKeyBetween;
    key += part;
  }
  return key;
}

std::size_t FlowMemory::Entity::bytes() const {
  return kEntityBytes + key.capacity() + parts.capacity() * sizeof(Part) + beyond;
}

TimeUs FlowMemory::Slot::first_slice(TimeUs now) const {
  return window == 0 ? 0 : slice_start(now, slice) + slice - window;
}

bool FlowMemory::Slot::holds(TimeUs at, TimeUs now) const {
  return window == 0 || (at >= first_slice(now) && at < slice_start(now, slice) + slice);
}

FlowMemory::FlowMemory(const FeatureView& view, std::size_t bytes_max) : bytes_max_(bytes_max) {
  slots_.push_back({FlowMeasure::kMax, view.horizon, view.horizon_slice});
  for (const Feature& feature : view.features)
    slots_.push_back({feature.flow.measure, feature.flow.window, feature.flow.slice});
}

FlowMemory::Shard& FlowMemory::shard_of(std::string_view key) {
  return shards_[hash64(key) % kShards];
}

/// Return the entity, the first in its shard from now on; a new one is whole unless it may have been there.
FlowMemory::Entity& FlowMemory::entity_of(Shard& shard, const std::string& key) {
  if (const auto found = shard.index.find(key); found != shard.index.end()) {
    shard.entities.splice(shard.entities.begin(), shard.entities, found->second);
    return *found->second;
  }
  Entity& entity = shard.entities.emplace_front();
  entity.key = key;
  entity.whole = shard.evicted == 0;
  shard.index.emplace(entity.key, shard.entities.begin());
  bytes_ += entity.bytes();
  return entity;
}

void FlowMemory::add_row(Entity& entity, const FlowEntry& row, TimeUs now) const {
  add_value(entity, 0, row.time, row.time, now);
  for (std::size_t i = 0; i < row.values.size(); ++i)
    if (!is_null(row.values[i]))
      add_value(entity, static_cast<std::uint32_t>(i + 1), row.values[i], row.time, now);
}

void FlowMemory::add_value(Entity& entity, std::uint32_t slot, const FeatureValue& value, TimeUs time,
                           TimeUs now) const {
  const Slot& how = slots_[slot];
  const TimeUs slice = slice_start(time, how.slice);
  const TimeUs first = how.first_slice(now);
  if (how.window > 0 && slice < first) return;
  const auto before = [](const Part& part, const std::pair<std::uint32_t, TimeUs>& at) {
    return std::pair(part.slot, part.slice) < at;
  };
  auto& parts = entity.parts;
  auto at = std::lower_bound(parts.begin(), parts.end(), std::pair(slot, slice), before);
  if (at == parts.end() || at->slot != slot || at->slice != slice) {
    if (how.window > 0) {  // a new slice comes: old ones of it may go
      const auto from = std::lower_bound(parts.begin(), at, std::pair(slot, TimeUs{kTimeMin}), before);
      const auto to = std::lower_bound(from, at, std::pair(slot, first), before);
      for (auto gone = from; gone != to; ++gone) entity.beyond -= gone->partial.bytes();
      const auto place = at - to;
      at = parts.erase(from, to) + place;
    }
    at = parts.insert(at, Part{slot, slice, {}});
  }
  entity.beyond -= at->partial.bytes();
  at->partial.add(how.measure, value, time);
  entity.beyond += at->partial.bytes();
}

std::set<std::string> FlowMemory::add_loaded(std::vector<FlowEntry> rows, const LoadedOffsets& loaded,
                                             TimeUs now) {
  std::array<std::vector<FlowEntry>, kShards> apart;
  for (FlowEntry& row : rows) apart[hash64(row.key) % kShards].push_back(std::move(row));
  std::set<std::string> missing;
  for (std::size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    forget_pending(shard, loaded);
    for (const FlowEntry& row : apart[i]) {
      Entity& entity = entity_of(shard, row.key);
      if (!entity.whole) {
        missing.insert(row.key);
        continue;
      }
      bytes_ -= entity.bytes();
      add_row(entity, row, now);
      bytes_ += entity.bytes();
    }
    evict(shard);
  }
  return missing;
}

void FlowMemory::put(const std::string& key, std::span<const FlowEntry> rows, TimeUs now) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  Entity& entity = entity_of(shard, key);
  bytes_ -= entity.bytes();
  for (const Part& part : entity.parts) entity.beyond -= part.partial.bytes();
  entity.parts.clear();
  for (const FlowEntry& row : rows) add_row(entity, row, now);
  entity.whole = true;
  bytes_ += entity.bytes();
  evict(shard);
}

void FlowMemory::add_pending(FlowEntry row) {
  Shard& shard = shard_of(row.key);
  const std::lock_guard lock(shard.mutex);
  Entity& entity = entity_of(shard, row.key);
  bytes_ -= entity.bytes();
  entity.beyond += sizeof(FlowEntry) + row.values.size() * sizeof(FeatureValue);
  shard.pending.insert(row.key);
  entity.pending.push_back(std::move(row));
  bytes_ += entity.bytes();
  evict(shard);
}

void FlowMemory::forget_pending(Shard& shard, const LoadedOffsets& loaded) {
  const auto is_loaded = [&](const FlowEntry& row) {
    return row.partition < loaded.size() && row.offset < loaded[row.partition];
  };
  for (auto at = shard.pending.begin(); at != shard.pending.end();) {
    const auto found = shard.index.find(*at);
    if (found != shard.index.end()) {
      Entity& entity = *found->second;
      bytes_ -= entity.bytes();
      for (const FlowEntry& row : entity.pending)
        if (is_loaded(row)) entity.beyond -= sizeof(FlowEntry) + row.values.size() * sizeof(FeatureValue);
      std::erase_if(entity.pending, is_loaded);
      bytes_ += entity.bytes();
      if (!entity.pending.empty()) {
        ++at;
        continue;
      }
    }
    at = shard.pending.erase(at);
  }
}

void FlowMemory::evict(Shard& shard) {
  // By what all parts take up: one with an entity of very many rows needs more than its share. Each part
  // keeps the one used last.
  while (bytes_ > bytes_max_ && shard.entities.size() > 1) {
    const Entity& gone = shard.entities.back();
    bytes_ -= gone.bytes();
    shard.index.erase(gone.key);
    shard.entities.pop_back();
    ++shard.evicted;
  }
}

FeatureValue FlowMemory::value_of(const Entity& entity, std::uint32_t slot, TimeUs now, bool pending) const {
  const Slot& how = slots_[slot];
  const auto first =
      std::ranges::lower_bound(entity.parts, std::pair(slot, how.first_slice(now)), std::less<>(),
                               [](const Part& part) { return std::pair(part.slot, part.slice); });
  FlowPartial sum;
  for (auto part = first; part != entity.parts.end() && part->slot == slot && how.holds(part->slice, now);
       ++part)
    sum.merge(how.measure, part->partial);
  if (pending) {
    for (const FlowEntry& row : entity.pending) {
      if (!how.holds(row.time, now)) continue;
      const FeatureValue value = slot == 0 ? FeatureValue(row.time) : row.values[slot - 1];
      if (!is_null(value)) sum.add(how.measure, value, row.time);
    }
  }
  return sum.result(how.measure);
}

std::optional<TimeUs> FlowMemory::read(const std::string& key, TimeUs now,
                                       std::span<const std::size_t> features, std::vector<FeatureValue>& out,
                                       bool pending) {
  Shard& shard = shard_of(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(key);
  if (found == shard.index.end() || !found->second->whole) return std::nullopt;
  shard.entities.splice(shard.entities.begin(), shard.entities, found->second);
  const Entity& entity = *found->second;
  const FeatureValue newest = value_of(entity, 0, now, pending);
  if (is_null(newest)) return std::nullopt;
  for (const std::size_t feature : features)
    out.push_back(value_of(entity, static_cast<std::uint32_t>(feature + 1), now, pending));
  return std::get<std::int64_t>(newest);
}

/// Return whether nothing is left of it.
bool FlowMemory::expire(Entity& entity, TimeUs now) const {
  std::erase_if(entity.parts, [&](const Part& part) {
    const Slot& how = slots_[part.slot];
    if (how.window == 0 || part.slice >= how.first_slice(now)) return false;
    entity.beyond -= part.partial.bytes();
    return true;
  });
  return entity.parts.empty() && entity.pending.empty();
}

void FlowMemory::sweep(TimeUs now) {
  for (std::size_t i = 0; i < kShards / kSweepsForAll; ++i) sweep(shards_[next_sweep_++ % kShards], now);
}

void FlowMemory::sweep(Shard& shard, TimeUs now) {
  const std::lock_guard lock(shard.mutex);
  for (auto at = shard.entities.begin(); at != shard.entities.end();) {
    bytes_ -= at->bytes();
    if (expire(*at, now) && at->whole) {
      shard.index.erase(at->key);
      at = shard.entities.erase(at);
      continue;
    }
    bytes_ += at->bytes();
    ++at;
  }
}

std::vector<std::string> FlowMemory::keys(std::size_t max) const {
  std::vector<std::string> keys;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const Entity& entity : shard.entities) {
      if (keys.size() >= max) return keys;
      keys.push_back(entity.key);
    }
  }
  return keys;
}

std::size_t FlowMemory::size() const {
  std::size_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.entities.size();
  }
  return sum;
}

std::uint64_t FlowMemory::evicted() const {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum += shard.evicted;
  }
  return sum;
}

}  // namespace millrace
