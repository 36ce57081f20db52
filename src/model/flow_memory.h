#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "model/feature_view.h"
#include "model/flow_partial.h"

namespace millrace {

/// A row of the flow, as a view sees it.
struct FlowEntry {
  std::string key;  ///< of its entity: entity_key()
  TimeUs time = 0;
  std::uint32_t partition = 0;
  Offset offset{0};
  std::vector<FeatureValue> values;  ///< for each feature; NULL where it does not count
};

/// By partition of the topic `events`: what is below is loaded.
using LoadedOffsets = std::vector<Offset>;

/// The values of one view of the flow, in memory. Rows count at once as they are logged, and for good when
/// they are loaded: what is *pending* is put beside what the tables have, and forgotten as the loader passes
/// it, so that what the loader drops, such as a repeat, counts for the moment only.
///
/// Holds `bytes_max` at most, about; beyond it the entity that was neither read nor changed for longest goes,
/// and is read from the tables again when it comes back. Threads: any method from any thread.
class FlowMemory {
 public:
  FlowMemory(const FeatureView& view, std::size_t bytes_max);

  /// Add rows that are loaded now, and forget what is pending below `loaded`. Return the entities that cannot
  /// be made of these rows alone: give them to `put`.
  std::set<std::string> add_loaded(std::vector<FlowEntry> rows, const LoadedOffsets& loaded, TimeUs now);

  /// Give an entity all its loaded rows.
  void put(const std::string& key, std::span<const FlowEntry> rows, TimeUs now);

  /// Add a row that is logged, but not loaded.
  void add_pending(FlowEntry row);

  /// Append to `out` the value of each of `features` at `now`; return the time of the entity's newest row in
  /// the horizon, or nothing (and append nothing) when there is none. Without `pending`: as the tables are.
  std::optional<TimeUs> read(const std::string& key, TimeUs now, std::span<const std::size_t> features,
                             std::vector<FeatureValue>& out, bool pending = true);

  static constexpr std::size_t kSweepsForAll = 64;
  /// Let go of what has left its window in a 64th of the memory; the next call takes the next part.
  void sweep(TimeUs now);

  /// Return the entities there are, at most `max` of them.
  std::vector<std::string> keys(std::size_t max) const;

  std::size_t bytes() const { return bytes_; }
  std::size_t size() const;
  /// Return how many entities had to go.
  std::uint64_t evicted() const;

 private:
  struct Part {
    std::uint32_t slot;  ///< 0: the newest time, then the features in their order
    TimeUs slice;
    FlowPartial partial;
  };
  struct Entity {
    std::string key;
    bool whole = false;       ///< it has all that is loaded
    std::vector<Part> parts;  ///< by slot and slice
    std::vector<FlowEntry> pending;
    std::size_t beyond = 0;  ///< bytes that parts and pending take up beyond their own size

    std::size_t bytes() const;
  };
  using Entities = std::list<Entity>;  ///< the one used last first
  struct Shard {
    mutable std::mutex mutex;  ///< guards the rest
    Entities entities;
    std::unordered_map<std::string_view, Entities::iterator> index;
    std::set<std::string, std::less<>> pending;  ///< entities that have some
    std::uint64_t evicted = 0;
  };
  struct Slot {
    FlowMeasure measure;
    DurationUs window;
    DurationUs slice;

    bool holds(TimeUs at, TimeUs now) const;
    TimeUs first_slice(TimeUs now) const;
  };
  static constexpr std::size_t kShards = 256;  ///< so many that none is held for long, also by who yields

  Shard& shard_of(std::string_view key);
  Entity& entity_of(Shard& shard, const std::string& key);
  void add_row(Entity& entity, const FlowEntry& row, TimeUs now) const;
  void add_value(Entity& entity, std::uint32_t slot, const FeatureValue& value, TimeUs time,
                 TimeUs now) const;
  FeatureValue value_of(const Entity& entity, std::uint32_t slot, TimeUs now, bool pending) const;
  void forget_pending(Shard& shard, const LoadedOffsets& loaded);
  void evict(Shard& shard);
  bool expire(Entity& entity, TimeUs now) const;
  void sweep(Shard& shard, TimeUs now);

  std::vector<Slot> slots_;
  const std::size_t bytes_max_;
  std::atomic<std::size_t> bytes_ = 0;  ///< of all parts
  std::array<Shard, kShards> shards_;
  std::size_t next_sweep_ = 0;
};

/// Between the texts of an entity's columns in its key.
inline constexpr char kEntityKeyBetween = '\x1F';

/// Return what an entity is known by in memory: the text of its columns.
std::string entity_key(std::span<const std::string_view> parts);

}  // namespace millrace
