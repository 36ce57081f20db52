#include "base/decimal.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

__extension__ using Wide = __int128;

constexpr int kDecimals = 4;
constexpr std::int64_t kExponentMax = 1'000'000'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

/// Take the sign at the front of `text`; return whether it was a minus.
bool take_sign(std::string_view& text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return negative;
}

/// A number in its parts: ±`whole`.`fraction` × 10^`exponent`.
struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::int64_t exponent = 0;

  std::int64_t digit_count() const { return std::ssize(whole) + std::ssize(fraction); }
  /// Return the digit at `i` of whole and fraction run together; zeros follow the last.
  int digit(std::int64_t i) const {
    if (i < std::ssize(whole)) return whole[static_cast<std::size_t>(i)] - '0';
    if (i < digit_count()) return fraction[static_cast<std::size_t>(i) - whole.size()] - '0';
    return 0;
  }
};

std::optional<std::int64_t> read_exponent(std::string_view& text) {
  text.remove_prefix(1);
  const bool negative = take_sign(text);
  const auto digits = take_digits(text);
  if (digits.empty()) return std::nullopt;
  std::int64_t exponent = 0;
  for (char c : digits) exponent = std::min(exponent * 10 + (c - '0'), kExponentMax);
  return negative ? -exponent : exponent;
}

std::optional<Parts> read_parts(std::string_view text) {
  Parts parts;
  parts.negative = take_sign(text);
  parts.whole = take_digits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    parts.fraction = take_digits(text);
  }
  if (parts.digit_count() == 0) return std::nullopt;
  if (text.starts_with('e') || text.starts_with('E')) {
    const auto exponent = read_exponent(text);
    if (!exponent) return std::nullopt;
    parts.exponent = *exponent;
  }
  if (!text.empty()) return std::nullopt;
  return parts;
}

/// Return the number in units of 1/10,000, or nothing when it does not fit.
std::optional<std::int64_t> units_of(const Parts& parts) {
  const std::int64_t kept = std::ssize(parts.whole) + parts.exponent + kDecimals;
  std::int64_t units = 0;
  for (std::int64_t i = 0; i < kept; ++i) {
    if (i >= parts.digit_count() && units == 0) break;
    if (units > Decimal::kUnitsMax / 10) return std::nullopt;  // before it overflows
    units = units * 10 + parts.digit(i);
  }
  if (kept >= 0 && parts.digit(kept) >= 5) ++units;
  if (units > Decimal::kUnitsMax) return std::nullopt;
  return parts.negative ? -units : units;
}

/// Whether a comma stands between digits, and nothing else would keep the text from being a number.
bool has_comma_in_number(std::string_view text) {
  const auto comma = text.find(',');
  if (comma == std::string_view::npos || comma == 0 || comma + 1 == text.size()) return false;
  if (!is_digit(text[comma - 1]) || !is_digit(text[comma + 1])) return false;
  return text.find_first_not_of("+-0123456789.,'eE ") == std::string_view::npos;
}

}  // namespace

std::string not_a_number(std::string_view text) {
  auto message = fmt::format("'{}' is not a number", text.substr(0, kShownBytesMax));
  if (has_comma_in_number(text))
    message += "; write a point before the decimals, not a comma, and nothing between thousands";
  return message;
}

Result<Decimal> Decimal::parse(std::string_view text) {
  const auto shown = text.substr(0, kShownBytesMax);
  const auto parts = read_parts(text);
  if (!parts) return fail(Code::kInvalid, not_a_number(text));
  const auto units = units_of(*parts);
  if (!units) {
    return fail(Code::kInvalid, fmt::format("'{}' is outside ±99,999,999,999,999.9999", shown));
  }
  return from_units(*units);
}

std::string Decimal::text() const {
  const std::int64_t size = units_ < 0 ? -units_ : units_;
  auto text = fmt::format("{}{}", units_ < 0 ? "-" : "", size / kScale);
  if (size % kScale == 0) return text;
  text += fmt::format(".{:04}", size % kScale);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

Result<Decimal> Decimal::times(Decimal other) const {
  const Wide product = Wide{units_} * other.units_;
  const Wide half = product < 0 ? -kScale / 2 : kScale / 2;
  const Wide rounded = (product + half) / kScale;
  if (rounded > kUnitsMax || rounded < -kUnitsMax) {
    return fail(Code::kOutOfRange,
                fmt::format("{} × {} is outside ±99,999,999,999,999.9999", text(), other.text()));
  }
  return from_units(static_cast<std::int64_t>(rounded));
}

}  // namespace millrace
