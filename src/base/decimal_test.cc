#include "base/decimal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

std::int64_t units(std::string_view text) {
  const auto number = Decimal::parse(text);
  EXPECT_TRUE(number) << text;
  return number ? number->units() : -1;
}

TEST(Decimal, ReadsPlainNumbers) {
  EXPECT_EQ(units("0"), 0);
  EXPECT_EQ(units("7"), 70'000);
  EXPECT_EQ(units("+7"), 70'000);
  EXPECT_EQ(units("-12.3456"), -123'456);
  EXPECT_EQ(units(".5"), 5'000);
  EXPECT_EQ(units("5."), 50'000);
  EXPECT_EQ(units("000012.50"), 125'000);
  EXPECT_EQ(units("99999999999999.9999"), Decimal::kUnitsMax);
  EXPECT_EQ(units("-99999999999999.9999"), -Decimal::kUnitsMax);
}

TEST(Decimal, ReadsExponents) {
  EXPECT_EQ(units("1e3"), 10'000'000);
  EXPECT_EQ(units("12.5E-1"), 12'500);
  EXPECT_EQ(units("1e-4"), 1);
  EXPECT_EQ(units("1e-999999999999"), 0);
  EXPECT_EQ(units("0e999999999999"), 0);
  EXPECT_EQ(units("0.00000000000000000001e+20"), 10'000);
}

TEST(Decimal, RoundsHalfAwayFromZero) {
  EXPECT_EQ(units("0.00005"), 1);
  EXPECT_EQ(units("-0.00005"), -1);
  EXPECT_EQ(units("0.00004999999999"), 0);
  EXPECT_EQ(units("1.23455"), 12'346);
  EXPECT_EQ(units("9e-5"), 1);
  EXPECT_EQ(units("9e-6"), 0);
}

TEST(Decimal, RefusesWhatIsNoNumberOrTooLarge) {
  for (const auto* text : {"",
                           "-",
                           "+",
                           ".",
                           "e3",
                           "1e",
                           "1e+",
                           "1.2.3",
                           "12a",
                           " 1",
                           "1 ",
                           "1,000",
                           "0x10",
                           "nan",
                           "inf",
                           "--1",
                           "99999999999999.99995",
                           "100000000000000",
                           "999999999999999.9999",
                           "9999999999999999999",
                           "1e300",
                           "1e999999999999"}) {
    const auto number = Decimal::parse(text);
    ASSERT_FALSE(number) << text;
    EXPECT_EQ(number.error().code, Code::kInvalid) << text;
  }
}

TEST(Decimal, HintsAtACommaThatStandsInANumber) {
  for (const auto* text : {"2,55", "-1.234,50", "1,234.50", "1 234,5"})
    EXPECT_TRUE(Decimal::parse(text).error().message.ends_with("nothing between thousands")) << text;
  for (const auto* text : {"", "cheap", ",", "1,", ",5", "a,b", "1,5 kg"})
    EXPECT_EQ(Decimal::parse(text).error().message, fmt::format("'{}' is not a number", text));
}

TEST(Decimal, WritesWithoutTrailingZeros) {
  EXPECT_EQ(Decimal::from_units(125'000).text(), "12.5");
  EXPECT_EQ(Decimal::from_units(-1).text(), "-0.0001");
  EXPECT_EQ(Decimal::from_integer(7).text(), "7");
  EXPECT_EQ(Decimal().text(), "0");
  EXPECT_EQ(Decimal::from_units(-Decimal::kUnitsMax).text(), "-99999999999999.9999");
}

TEST(Decimal, MultipliesExactly) {
  const auto price = *Decimal::parse("2.55");
  EXPECT_EQ(price.times(*Decimal::parse("-6"))->text(), "-15.3");
  EXPECT_EQ(Decimal::from_units(1).times(Decimal::from_units(5'000))->units(), 1);
  EXPECT_EQ(Decimal::from_units(-1).times(Decimal::from_units(5'000))->units(), -1);
  EXPECT_EQ(Decimal::from_units(1).times(Decimal::from_units(4'999))->units(), 0);
  const auto large = Decimal::from_integer(10'000'000);
  EXPECT_EQ(large.times(large).error().code, Code::kOutOfRange);
}

TEST(Decimal, Compares) {
  EXPECT_LT(*Decimal::parse("-1"), *Decimal::parse("0.5"));
  EXPECT_EQ(*Decimal::parse("1e1"), *Decimal::parse("10.0000"));
}

}  // namespace
}  // namespace millrace
