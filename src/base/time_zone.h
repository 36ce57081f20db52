#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// The rules of one place for its clocks, read from the system's zone files (package tzdata), which
/// follow RFC 9636. The C library can do the same only through the TZ of the whole process, and
/// libstdc++ 12 has no zones yet. Threads: any; it never changes.
class TimeZone {
 public:
  /// Return the zone of an IANA name: "Europe/London", "UTC". `directory` holds the zone files.
  /// Errors: kNotFound for a name that is not there (or when tzdata is not installed); kCorrupt.
  static Result<TimeZone> load(Env& env, std::string_view name,
                               const Path& directory = "/usr/share/zoneinfo");

  /// Return how far clocks there were ahead of UTC at `time`.
  DurationUs offset_at(TimeUs time) const;

  /// Return the moment at which clocks there showed `local` (microseconds since 1970-01-01 00:00 on
  /// that clock). What a clock showed twice means the first time; what it skipped is read as if it had
  /// not been put forward yet.
  TimeUs to_utc(TimeUs local) const;

 private:
  /// One half of a rule such as "last Sunday of March at 1:00".
  struct YearlyChange {
    int month = 1;
    int week = 1;     ///< 5 is the last
    int weekday = 0;  ///< 0 is Sunday
    std::int64_t second = 2 * 3600;
  };
  /// The POSIX rule at the end of the file, for all time after its last transition.
  struct Forever {
    std::int64_t standard_s = 0;
    std::int64_t summer_s = 0;
    std::optional<YearlyChange> to_summer;
    YearlyChange to_standard;
  };
  class ForeverReader;

  static std::optional<TimeZone> parse(std::string_view file);
  static std::int64_t change_time_s(const YearlyChange& change, int year);
  std::int64_t forever_offset_s(std::int64_t time_s) const;

  std::vector<std::int64_t> transitions_s_;  ///< UTC, growing
  std::vector<std::int32_t> offsets_s_;      ///< one more than transitions: [i] holds before transition i
  Forever forever_;
};

}  // namespace millrace
