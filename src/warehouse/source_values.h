#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace millrace {

__extension__ using Int128 = __int128;  // DuckDB's DECIMALs are as long

// Values as MySQL prints them. Each returns nothing for what is none.

/// Read "-12.50" as a number of units of 10^-scale, with at most `precision` digits.
std::optional<Int128> read_mysql_decimal(std::string_view text, unsigned precision, unsigned scale);

/// Read "2024-07-01" as days since 1970; nothing for 0000-00-00, 2024-02-30 and years below 1.
std::optional<std::int32_t> read_mysql_date(std::string_view text);

/// Read "2024-07-01 09:00:00.123456", the clock of some zone, as microseconds since 1970 on that clock.
std::optional<TimeUs> read_mysql_datetime(std::string_view text);

/// Read "-838:59:59.000000" as microseconds.
std::optional<DurationUs> read_mysql_time(std::string_view text);

}  // namespace millrace
