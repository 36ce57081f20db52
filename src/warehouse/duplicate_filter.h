#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

namespace millrace {

/// Return what duplicates are judged by: the hash of (source, message_id).
Hash128 message_hash(std::string_view source, std::string_view message_id, std::string& scratch);

/// Remembers the ids of recent messages, 20 bytes a slot, in a table that grows up to a bound; beyond it the
/// oldest hours are forgotten. What a transaction adds counts at once and is kept only when it commits.
/// Threads: one at a time.
class DuplicateFilter {
 public:
  explicit DuplicateFilter(std::size_t ids_max);

  /// Remember `id` as received at `time`; false when it is known already.
  bool insert(const Hash128& id, TimeUs time);

  /// Keep what was inserted since the last commit. Ids received before `horizon` may be forgotten.
  void commit(TimeUs horizon);
  /// Forget what was inserted since the last commit.
  void rollback();

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const;

 private:
  /// Hours since 1970 plus one; 0 marks a free slot.
  using Hour = std::uint32_t;
  struct Fresh {
    Hash128 id;
    Hour hour;
  };

  static Hour hour_of(TimeUs time);
  std::size_t slot_of(const Hash128& id) const;
  void make_room(std::size_t more, Hour horizon);
  Hour oldest_hour_within(std::size_t keep) const;
  void rebuild(std::size_t slots, Hour horizon);
  void place(const Hash128& id, Hour hour);

  const std::size_t ids_max_;
  std::vector<Hash128> ids_;
  std::vector<Hour> hours_;
  std::size_t size_ = 0;
  std::unordered_set<Hash128> fresh_ids_;
  std::vector<Fresh> fresh_;
};

}  // namespace millrace
