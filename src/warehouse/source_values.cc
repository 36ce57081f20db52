#include "warehouse/source_values.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace millrace {
namespace {

constexpr std::size_t kDateSize = 10;
constexpr std::size_t kClockSize = 8;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Read exactly `size` digits at `at`.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t size) {
  if (text.size() < at + size) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(at, size)) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// Read ".123456", ".5" or "" as microseconds.
std::optional<DurationUs> read_fraction(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != '.' || text.size() < 2 || text.size() > 7) return std::nullopt;
  DurationUs value = 0;
  for (std::size_t i = 1; i <= 6; ++i) {
    const char c = i < text.size() ? text[i] : '0';
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// Read "09:00:00" at `at`, hours below `hours_max`.
std::optional<DurationUs> read_clock(std::string_view text, std::size_t at) {
  const auto hour = digits(text, at, 2);
  const auto minute = digits(text, at + 3, 2);
  const auto second = digits(text, at + 6, 2);
  if (!hour || !minute || !second || text[at + 2] != ':' || text[at + 5] != ':') return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return *hour * kHourUs + *minute * kMinuteUs + *second * kSecondUs;
}

}  // namespace

std::optional<Int128> read_mysql_decimal(std::string_view text, unsigned precision, unsigned scale) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = text.substr(std::min(text.size(), point + 1));
  if (whole.empty() && fraction.empty()) return std::nullopt;
  Int128 units = 0;
  unsigned significant = 0;
  const auto add = [&](char c) {
    if (!is_digit(c)) return false;
    if (significant > 0 || c != '0') ++significant;
    units = units * 10 + (c - '0');
    return significant <= precision;
  };
  for (const char c : whole)
    if (!add(c)) return std::nullopt;
  for (unsigned i = 0; i < scale; ++i)
    if (!add(i < fraction.size() ? fraction[i] : '0')) return std::nullopt;
  for (std::size_t i = scale; i < fraction.size(); ++i)
    if (fraction[i] != '0') return std::nullopt;  // would be lost
  return negative ? -units : units;
}

std::optional<std::int32_t> read_mysql_date(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  if (!year || !month || !day || *year < 1 || text.size() != kDateSize || text[4] != '-' || text[7] != '-')
    return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

std::optional<TimeUs> read_mysql_datetime(std::string_view text) {
  const auto days = read_mysql_date(text.substr(0, kDateSize));
  if (!days || text.size() < kDateSize + 1 + kClockSize || text[kDateSize] != ' ') return std::nullopt;
  const auto clock = read_clock(text, kDateSize + 1);
  const auto fraction = read_fraction(text.substr(kDateSize + 1 + kClockSize));
  if (!clock || !fraction) return std::nullopt;
  return *days * kDayUs + *clock + *fraction;
}

std::optional<DurationUs> read_mysql_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2 || colon > 3) return std::nullopt;
  const auto hours = digits(text, 0, colon);
  const auto minute = digits(text, colon + 1, 2);
  const auto second = digits(text, colon + 4, 2);
  if (!hours || !minute || !second || text[colon + 3] != ':' || *minute > 59 || *second > 59)
    return std::nullopt;
  const auto fraction = read_fraction(text.substr(colon + 6));
  if (!fraction) return std::nullopt;
  const DurationUs time = *hours * kHourUs + *minute * kMinuteUs + *second * kSecondUs + *fraction;
  return negative ? -time : time;
}

}  // namespace millrace
