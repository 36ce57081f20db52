#include "source/time_format.h"

#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kLetters = "YymdebBaAHIMSfpz%";
constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                      "may",       "june",     "july",     "august",
                                                      "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::unexpected<Error> no_time(std::string_view text, std::string_view expected) {
  return fail(Code::kInvalid, fmt::format("'{}' is not a time {}", text.substr(0, kShownBytesMax), expected));
}

std::string written_out(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const auto two = pattern.substr(i, 2);
    const auto* longer = two == "%F"   ? "%Y-%m-%d"
                         : two == "%T" ? "%H:%M:%S"
                         : two == "%R" ? "%H:%M"
                         : two == "%D" ? "%m/%d/%y"
                                       : nullptr;
    if (longer != nullptr) {
      out += longer;
      ++i;
    } else {
      out += pattern[i];
      if (two == "%%") out += pattern[++i];
    }
  }
  return out;
}

/// Reads one time by a pattern, from left to right.
class PatternReader {
 public:
  PatternReader(std::string_view pattern, std::string_view text) : pattern_(pattern), rest_(text) {}

  /// Read everything; return whether the text fits.
  bool read() {
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
      if (is_blank(pattern_[i])) {
        while (!rest_.empty() && is_blank(rest_[0])) rest_.remove_prefix(1);
      } else if (pattern_[i] == '%' ? !read_letter(pattern_[++i]) : !skip(pattern_[i])) {
        return false;
      }
    }
    return rest_.empty();
  }

  /// Return the time on the clock that wrote it, or nothing when there is no such date or hour.
  std::optional<TimeUs> local() const {
    namespace ch = std::chrono;
    const ch::year_month_day date{ch::year(year_), ch::month(static_cast<unsigned>(month_)),
                                  ch::day(static_cast<unsigned>(day_))};
    const bool hour_ok = in_halves_ ? hour_ >= 1 && hour_ <= 12 : hour_ <= 23;
    if (!date.ok() || !hour_ok || minute_ > 59 || second_ > 60) return std::nullopt;
    const int hour = in_halves_ ? hour_ % 12 + (afternoon_ ? 12 : 0) : hour_;
    return ch::sys_days(date).time_since_epoch().count() * kDayUs + hour * kHourUs + minute_ * kMinuteUs +
           (second_ == 60 ? 59 : second_) * kSecondUs + fraction_us_;
  }

  bool has_zone() const { return has_zone_; }
  DurationUs zone_offset() const { return zone_offset_; }

 private:
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool number(std::size_t digits_max, int& into) {
    std::size_t n = 0;
    into = 0;
    for (; n < digits_max && n < rest_.size() && is_digit(rest_[n]); ++n) into = into * 10 + (rest_[n] - '0');
    rest_.remove_prefix(n);
    return n > 0;
  }

  bool fraction() {
    std::int64_t unit = 100'000;
    std::size_t n = 0;
    for (; n < rest_.size() && is_digit(rest_[n]); ++n, unit /= 10) fraction_us_ += (rest_[n] - '0') * unit;
    rest_.remove_prefix(n);
    return n > 0;
  }

  /// Read a name, whole or its first three letters.
  template <std::size_t N>
  bool name(const std::array<std::string_view, N>& names, int& into) {
    std::size_t n = 0;
    while (n < rest_.size() && lower(rest_[n]) >= 'a' && lower(rest_[n]) <= 'z') ++n;
    std::string word(rest_.substr(0, n));
    for (char& c : word) c = lower(c);
    for (std::size_t i = 0; i < N && n >= 3; ++i) {
      if (word != names[i] && word != names[i].substr(0, 3)) continue;
      into = static_cast<int>(i) + 1;
      rest_.remove_prefix(n);
      return true;
    }
    return false;
  }

  bool half_of_day() {
    if (rest_.size() < 2 || lower(rest_[1]) != 'm' || (lower(rest_[0]) != 'a' && lower(rest_[0]) != 'p'))
      return false;
    in_halves_ = true;
    afternoon_ = lower(rest_[0]) == 'p';
    rest_.remove_prefix(2);
    return true;
  }

  bool short_year() {
    if (!number(2, year_)) return false;
    year_ += year_ < 69 ? 2000 : 1900;  // as POSIX does
    return true;
  }

  bool zone() {
    int hours = 0, minutes = 0;
    has_zone_ = true;
    if (skip('Z')) return true;
    const std::int64_t sign = rest_.starts_with('-') ? -1 : 1;
    if (!skip('-') && !skip('+')) return false;
    if (!number(2, hours)) return false;
    skip(':');
    if (!rest_.empty() && is_digit(rest_[0]) && !number(2, minutes)) return false;
    zone_offset_ = sign * (hours * kHourUs + minutes * kMinuteUs);
    return true;
  }

  bool read_letter(char letter) {
    int ignored = 0;
    switch (letter) {
      case 'Y':
        return number(4, year_);
      case 'y':
        return short_year();
      case 'm':
        return number(2, month_);
      case 'e':
      case 'd':
        skip(' ');
        return number(2, day_);
      case 'b':
      case 'B':
        return name(kMonths, month_);
      case 'a':
      case 'A':
        return name(kWeekdays, ignored);
      case 'H':
      case 'I':
        return number(2, hour_);
      case 'M':
        return number(2, minute_);
      case 'S':
        return number(2, second_);
      case 'f':
        return fraction();
      case 'p':
        return half_of_day();
      case 'z':
        return zone();
      default:
        return skip('%');
    }
  }

  std::string_view pattern_;
  std::string_view rest_;
  int year_ = 1970, month_ = 1, day_ = 1, hour_ = 0, minute_ = 0, second_ = 0;
  std::int64_t fraction_us_ = 0;
  bool in_halves_ = false;  ///< the hour came with am or pm
  bool afternoon_ = false;
  bool has_zone_ = false;
  DurationUs zone_offset_ = 0;
};

/// Return whether an ISO time says its zone: a Z, or a sign after the date.
bool names_zone(std::string_view iso) {
  constexpr std::size_t kDateBytes = 10;
  return iso.size() > kDateBytes && iso.find_first_of("Zz+-", kDateBytes) != std::string_view::npos;
}

}  // namespace

Result<TimeFormat> TimeFormat::make(std::string_view format, std::shared_ptr<const TimeZone> zone) {
  TimeFormat made;
  made.zone_ = std::move(zone);
  if (format == "iso") return made;
  made.kind_ = Kind::kSinceEpoch;
  made.unit_us_ = format == "s" ? kSecondUs : format == "ms" ? kMillisecondUs : 1;
  if (format == "s" || format == "ms" || format == "us") return made;
  made.kind_ = Kind::kPattern;
  made.pattern_ = written_out(format);
  const auto& pattern = made.pattern_;
  if (!pattern.contains('%')) {
    return fail(
        Code::kInvalid,
        fmt::format("'{}' is no time format: write iso, s, ms, us or a pattern such as %Y-%m-%d %H:%M:%S",
                    format));
  }
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') continue;
    if (++i == pattern.size() || !kLetters.contains(pattern[i])) {
      return fail(Code::kInvalid,
                  fmt::format("'{}' has a % that is not followed by one of {}", format, kLetters));
    }
  }
  return made;
}

Result<TimeUs> TimeFormat::read(std::string_view text) const {
  if (kind_ == Kind::kSinceEpoch) return read_since_epoch(text);
  if (kind_ == Kind::kPattern) return read_pattern(text);
  MILLRACE_ASSIGN(const auto time, parse_time(text));
  return names_zone(text) ? time : to_utc(time);
}

Result<TimeUs> TimeFormat::read_since_epoch(std::string_view text) const {
  const auto expected = "since 1970";
  std::int64_t whole = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (problem != std::errc()) return no_time(text, expected);
  if (whole > kTimeMax / unit_us_ || whole < kTimeMin / unit_us_)
    return no_time(text, "between the years 1 and 9999");
  auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
  TimeUs time = whole * unit_us_;
  if (rest.empty()) return time;
  if (rest[0] != '.' || rest.size() < 2) return no_time(text, expected);
  DurationUs unit = text[0] == '-' ? -unit_us_ : unit_us_;
  for (char c : rest.substr(1)) {
    if (!is_digit(c)) return no_time(text, expected);
    unit /= 10;
    time += (c - '0') * unit;
  }
  return time;
}

Result<TimeUs> TimeFormat::read_pattern(std::string_view text) const {
  PatternReader reader(pattern_, text);
  if (!reader.read()) return no_time(text, fmt::format("of the form {}", pattern_));
  const auto local = reader.local();
  if (!local || *local < kTimeMin || *local > kTimeMax) return no_time(text, "that exists");
  return reader.has_zone() ? *local - reader.zone_offset() : to_utc(*local);
}

}  // namespace millrace
