#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/time.h"
#include "lake/raw_file.h"
#include "log/event_log.h"

namespace millrace {

struct StretchLimits {
  DurationUs interval = kMinuteUs;
  std::uint64_t bytes_max = 64'000'000;  ///< of keys, attributes and values
  std::size_t hours_max = 24;            ///< whose files are open at once
};

/// A run of records of one partition that goes to the lake together: one file for each hour of received time
/// that is among them, mostly one. Where it ends is decided by its records and the limits alone, so that
/// whoever reads the log again from the same offset makes the same files. It ends
/// - before a record that lies in a later interval than the newest record of its own hour;
/// - before a record of an hour after all hours in it;
/// - before a record of one hour more than `hours_max`;
/// - after the record with which it holds `bytes_max`.
/// A record of an earlier hour (a clock that was put back, or several producers at the full hour) opens a
/// file of that hour beside the others.
class Stretch {
 public:
  /// `compressor` must outlive it.
  Stretch(const StretchLimits& limits, FrameCompressor& compressor)
      : limits_(limits), compressor_(compressor) {}

  /// Take a record, or return false when it belongs to the next stretch; the first always belongs.
  Result<bool> add(const Record& record);

  /// Return whether it is full: the next record belongs to the next stretch.
  bool full() const { return raw_bytes_ >= limits_.bytes_max; }

  bool holds_hour(std::int64_t hour) const { return hours_.contains(hour); }

  /// Return when the last of its intervals is over.
  TimeUs end_of_interval() const;

  Offset next() const { return last_ + 1; }
  TimeUs newest() const { return newest_; }
  std::uint64_t records() const { return records_; }
  std::uint64_t raw_bytes() const { return raw_bytes_; }

  /// Finish its files, in order of hours. Call once.
  Result<std::vector<BuiltPair>> finish(const TopicPartition& source, TimeUs created);

 private:
  struct Hour {
    RawFileBuilder file;
    std::int64_t interval = 0;  ///< of its newest record
  };

  bool begins_next(std::int64_t hour, std::int64_t interval) const;

  const StretchLimits limits_;
  FrameCompressor& compressor_;
  std::map<std::int64_t, Hour> hours_;
  Offset last_;
  TimeUs newest_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t raw_bytes_ = 0;
};

}  // namespace millrace
