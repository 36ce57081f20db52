#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Microseconds since 1970-01-01 UTC, as every stored time is. May be negative (before 1970).
using TimeUs = std::int64_t;

/// A length of time in microseconds.
using DurationUs = std::int64_t;

inline constexpr DurationUs kMillisecondUs = 1'000;
inline constexpr DurationUs kSecondUs = 1'000'000;
inline constexpr DurationUs kMinuteUs = 60 * kSecondUs;
inline constexpr DurationUs kHourUs = 60 * kMinuteUs;
inline constexpr DurationUs kDayUs = 24 * kHourUs;

/// Earliest and latest times any text or number may stand for: years 1 to 9999.
inline constexpr TimeUs kTimeMin = -62'135'596'800 * kSecondUs;
inline constexpr TimeUs kTimeMax = 253'402'300'799 * kSecondUs;

/// Read an ISO 8601 / RFC 3339 time: `2024-07-01T09:00:00.123456Z`, `+02:00` or `+0200` as the zone,
/// a space for the `T`, seconds and fraction optional, or a date alone. Without a zone the time is
/// taken as UTC. A leap second :60 reads as :59.999999. Never depends on locale or TZ.
/// Errors: kInvalid, with the text in the message (at most 64 bytes of it).
Result<TimeUs> parse_time(std::string_view text);

/// Write `time` as `2024-07-01T09:00:00.123456Z`; the fraction is left out when it is zero.
std::string format_time(TimeUs time);

/// Write the UTC date of `time`: `2024-07-01`.
std::string format_date(TimeUs time);

/// Return days since 1970-01-01 of the UTC date of `time`, rounding down.
std::int32_t days_since_epoch(TimeUs time);

}  // namespace millrace
