#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

namespace millrace {

/// Return what duplicates are judged by: the hash of (source, message_id).
Hash128 message_hash(std::string_view source, std::string_view message_id, std::string& scratch);

/// An id, and when a message with it was received.
struct KnownId {
  Hash128 id;
  TimeUs time = 0;

  auto operator<=>(const KnownId&) const = default;
};

/// Remembers the ids of recent messages, about 32 bytes each, up to a bound; beyond it the oldest go, one by
/// one. A message repeats another when both have the same id and were received within the window of each
/// other. What a transaction adds counts at once and is kept only when it commits.
///
/// The ids stand in a queue in the order in which they came. A table of (tag, place in the queue) finds them:
/// it is only a hint, since a hit counts when the id itself is found in that place, so forgetting an id takes
/// it from the queue and leaves the table alone until it is full of such leftovers and made anew.
/// Threads: one at a time.
class DuplicateFilter {
 public:
  /// `ids_max`: 1 to 2^31.
  explicit DuplicateFilter(std::size_t ids_max, DurationUs window = kDayUs);

  /// Remember `id` as received at `time`; false when it is known already.
  bool insert(const Hash128& id, TimeUs time) { return !knows(id, time) && (add(id, time), true); }
  /// Return whether `id` was received within the window of `time`.
  bool knows(const Hash128& id, TimeUs time) const;
  /// Remember `id`, known or not.
  void add(const Hash128& id, TimeUs time);
  /// Have the place where `id` would stand brought near to the processor.
  void prefetch(const Hash128& id) const;

  /// Keep what was inserted since the last commit. Ids received before `horizon` may be forgotten.
  void commit(TimeUs horizon);
  /// Forget what was inserted since the last commit.
  void rollback();

  /// Return all ids, those not committed too, oldest first.
  const std::deque<KnownId>& ids() const { return ids_; }
  /// Forget everything, to begin anew; whoever calls has it elsewhere.
  void clear();

  std::size_t size() const { return ids_.size(); }
  std::size_t memory_bytes() const;

  /// Return how many ids were forgotten for want of room, before the horizon reached them.
  std::uint64_t forgotten_early() const { return forgotten_early_; }
  /// Return the time after which no id is missing; kTimeMin while none was forgotten early.
  TimeUs complete_since() const { return complete_since_; }

 private:
  /// Ids next to each other in the queue, received within kStretch, or before it when they came out of order.
  struct Stretch {
    TimeUs begin;
    TimeUs newest;
    std::size_t ids;
  };
  static constexpr DurationUs kStretch = 10 * kSecondUs;

  std::size_t home_of(const Hash128& id) const;
  std::size_t next_slot(std::size_t slot) const { return slot + 1 == tags_.size() ? 0 : slot + 1; }
  bool is_at(std::uint32_t sequence, const Hash128& id, TimeUs time) const;
  void place(const Hash128& id, std::uint32_t sequence);
  void rebuild_table();
  void note_time(TimeUs time);
  void forget_oldest(std::size_t ids);

  const std::size_t ids_max_;
  const DurationUs window_;
  std::deque<KnownId> ids_;         ///< oldest first
  std::uint32_t first_ = 0;         ///< sequence number of ids_.front(); they wrap around
  std::size_t fresh_ = 0;           ///< how many of the last are not committed
  std::deque<Stretch> stretches_;   ///< all of ids_; `begin` grows by more than kStretch from one to the next
  std::vector<std::uint8_t> tags_;  ///< 0: a free slot
  std::vector<std::uint32_t> sequences_;
  std::size_t used_ = 0;  ///< slots that are not free, leftovers included
  std::uint64_t forgotten_early_ = 0;
  TimeUs complete_since_ = kTimeMin;
};

}  // namespace millrace
