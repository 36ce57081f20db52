#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Return "'2,55' is not a number", and what to write instead where a comma is what stands in the way.
std::string not_a_number(std::string_view text);

/// A DECIMAL(18,4): an exact amount of money or a quantity. Kept as units of 1/10,000; read from
/// text, never through a double.
class Decimal {
 public:
  static constexpr std::int64_t kScale = 10'000;
  static constexpr std::int64_t kUnitsMax = 999'999'999'999'999'999;

  constexpr Decimal() = default;
  static constexpr Decimal from_units(std::int64_t units) {
    Decimal d;
    d.units_ = units;
    return d;
  }
  /// Needs |n| < 10^14.
  static constexpr Decimal from_integer(std::int64_t n) { return from_units(n * kScale); }

  /// Read `-12.3456`, `1e3`, `.5`, `+7`. Digits beyond the fourth decimal round half away from zero.
  /// Errors: kInvalid when it is not a number, or outside ±99,999,999,999,999.9999.
  static Result<Decimal> parse(std::string_view text);

  constexpr std::int64_t units() const { return units_; }
  double to_double() const { return static_cast<double>(units_) / kScale; }

  /// Write with four decimals at the most and trailing zeros removed: "12.5", "-0.0001", "7".
  std::string text() const;

  /// Multiply exactly and round half away from zero at the fourth decimal; kOutOfRange on overflow.
  Result<Decimal> times(Decimal other) const;

  constexpr auto operator<=>(const Decimal&) const = default;

 private:
  std::int64_t units_ = 0;
};

}  // namespace millrace
