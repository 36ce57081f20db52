#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "log/format.h"

namespace millrace::log {

/// One frame in about every kIndexIntervalBytes of a segment.
struct IndexEntry {
  std::uint64_t offset = 0;    ///< of its first record
  std::uint64_t position = 0;  ///< where it begins in the file
  TimeUs newest_before = 0;    ///< largest record time of the segment before it

  bool operator==(const IndexEntry&) const = default;
};

inline constexpr std::uint64_t kIndexIntervalBytes = 64 << 10;

/// What is known of the durable bytes of a segment without reading them. Kept in memory, and beside the
/// segment in a file of its own (docs/formats/log.md) so that opening the log reads little; a missing or
/// damaged one is made again from the segment.
struct SegmentSummary {
  std::uint32_t segment_id = 0;
  std::uint64_t base_offset = 0;
  std::uint64_t end_offset = 0;    ///< one past the last record
  std::uint64_t used_bytes = 0;    ///< position one past the last frame
  std::uint64_t count_before = 0;  ///< sum of the counts of all records before the segment
  std::uint64_t count_after = 0;   ///< and with those in the segment
  TimeUs newest = 0;               ///< largest record time, 0 when empty
  std::vector<IndexEntry> entries;

  bool operator==(const SegmentSummary&) const = default;

  /// Take in the frame that begins at `position`, which must be `used_bytes` or beyond it.
  void add_frame(std::uint64_t position, const FrameHeader& frame);

  /// Return the last entry at or before `offset`, if any.
  std::optional<IndexEntry> find_offset(std::uint64_t offset) const;

  /// Return the last entry before the first record with a time >= `time`, if any.
  std::optional<IndexEntry> find_time(TimeUs time) const;
};

std::string encode_summary(const SegmentSummary& summary);

/// Errors: kCorrupt.
Result<SegmentSummary> parse_summary(std::string_view bytes);

}  // namespace millrace::log
