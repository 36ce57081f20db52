#include "base/time.h"

#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

/// Reads a time from left to right. Every step returns whether the text had what was asked for.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool next_is(char a, char b) const { return !rest_.empty() && (rest_[0] == a || rest_[0] == b); }

  bool skip(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool digits(std::size_t count, int& out) {
    if (rest_.size() < count) return false;
    out = 0;
    for (char c : rest_.substr(0, count)) {
      if (c < '0' || c > '9') return false;
      out = out * 10 + (c - '0');
    }
    rest_.remove_prefix(count);
    return true;
  }

  /// Read one or more digits after the decimal point as microseconds; those past the sixth are cut.
  bool fraction(std::int64_t& microseconds) {
    microseconds = 0;
    std::int64_t unit = 100'000;
    std::size_t n = 0;
    for (; n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9'; ++n, unit /= 10) {
      microseconds += (rest_[n] - '0') * unit;
    }
    rest_.remove_prefix(n);
    return n > 0;
  }

 private:
  std::string_view rest_;
};

std::optional<TimeUs> read_date(TimeReader& in) {
  namespace ch = std::chrono;
  int year = 0, month = 0, day = 0;
  const bool shape =
      in.digits(4, year) && in.skip('-') && in.digits(2, month) && in.skip('-') && in.digits(2, day);
  const ch::year_month_day date{ch::year(year), ch::month(static_cast<unsigned>(month)),
                                ch::day(static_cast<unsigned>(day))};
  if (!shape || !date.ok()) return std::nullopt;
  const TimeUs time = ch::sys_days(date).time_since_epoch().count() * kDayUs;
  return time < kTimeMin ? std::nullopt : std::optional(time);
}

std::optional<DurationUs> read_clock(TimeReader& in) {
  int hour = 0, minute = 0, second = 0;
  std::int64_t fraction = 0;
  if (!in.digits(2, hour) || !in.skip(':') || !in.digits(2, minute)) return std::nullopt;
  if (in.skip(':')) {
    if (!in.digits(2, second)) return std::nullopt;
    if ((in.skip('.') || in.skip(',')) && !in.fraction(fraction)) return std::nullopt;
  }
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (second == 60) second = 59, fraction = kSecondUs - 1;
  return hour * kHourUs + minute * kMinuteUs + second * kSecondUs + fraction;
}

/// Read `Z`, `+02:00`, `+0200` or `+02` as its distance from UTC; nothing at all is UTC.
std::optional<DurationUs> read_zone(TimeReader& in) {
  if (in.done() || in.skip('Z') || in.skip('z')) return 0;
  const std::int64_t sign = in.next_is('-', '-') ? -1 : 1;
  int hour = 0, minute = 0;
  if (!in.skip('+') && !in.skip('-')) return std::nullopt;
  if (!in.digits(2, hour)) return std::nullopt;
  const bool colon = in.skip(':');
  if ((colon || !in.done()) && !in.digits(2, minute)) return std::nullopt;
  if (hour > 23 || minute > 59) return std::nullopt;
  return sign * (hour * kHourUs + minute * kMinuteUs);
}

std::optional<TimeUs> read_time(std::string_view text) {
  TimeReader in(text);
  const auto date = read_date(in);
  if (!date || in.done()) return date;
  if (!in.skip('T') && !in.skip('t') && !in.skip(' ')) return std::nullopt;
  const auto clock = read_clock(in);
  if (!clock) return std::nullopt;
  const auto zone = read_zone(in);
  if (!zone || !in.done()) return std::nullopt;
  const TimeUs time = *date + *clock - *zone;
  if (time < kTimeMin || time > kTimeMax) return std::nullopt;
  return time;
}

std::chrono::year_month_day date_of(TimeUs time) {
  return std::chrono::sys_days(std::chrono::days(days_since_epoch(time)));
}

/// Write `value` with leading zeros. By hand, since every event written has a time in it.
void append_digits(std::int64_t value, int digits, std::string& out) {
  out.append(static_cast<std::size_t>(digits), '0');
  for (auto at = out.rbegin(); digits > 0; --digits, ++at, value /= 10)
    *at = static_cast<char>('0' + value % 10);
}

void append_date(std::chrono::year_month_day date, std::string& out) {
  append_digits(static_cast<int>(date.year()), 4, out);
  out += '-';
  append_digits(static_cast<unsigned>(date.month()), 2, out);
  out += '-';
  append_digits(static_cast<unsigned>(date.day()), 2, out);
}

}  // namespace

Result<TimeUs> parse_time(std::string_view text) {
  if (const auto time = read_time(text)) return *time;
  return fail(Code::kInvalid,
              fmt::format("'{}' is not a time such as 2024-07-01T09:00:00Z", text.substr(0, kShownBytesMax)));
}

std::string format_time(TimeUs time) {
  const DurationUs of_day = time - days_since_epoch(time) * kDayUs;
  const auto fraction = of_day % kSecondUs;
  std::string out;
  out.reserve(sizeof "2024-07-01T09:00:00.123456Z");
  append_date(date_of(time), out);
  out += 'T';
  append_digits(of_day / kHourUs, 2, out);
  out += ':';
  append_digits(of_day / kMinuteUs % 60, 2, out);
  out += ':';
  append_digits(of_day / kSecondUs % 60, 2, out);
  if (fraction != 0) {
    out += '.';
    append_digits(fraction, 6, out);
  }
  return out += 'Z';
}

std::string format_date(TimeUs time) {
  std::string out;
  append_date(date_of(time), out);
  return out;
}

std::int32_t days_since_epoch(TimeUs time) {
  const auto days = time / kDayUs;
  return static_cast<std::int32_t>(time % kDayUs < 0 ? days - 1 : days);
}

}  // namespace millrace
