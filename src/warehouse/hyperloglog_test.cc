#include "warehouse/hyperloglog.h"

#include <cmath>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(HyperLogLog, CountsFewExactly) {
  HyperLogLog sketch;
  EXPECT_EQ(sketch.estimate(), 0u);
  for (int i = 0; i < 1000; ++i) sketch.add(fmt::format("user-{}", i % 256));
  EXPECT_EQ(sketch.estimate(), 256u);
}

/// 30 independent sets of each size: the standard error is 1.6 %, so a mean square beyond 2.4 % has a chance
/// of less than one in a million, and the numbers are fixed.
TEST(HyperLogLog, KeepsToItsError) {
  for (const int size : {300, 2000, 5000, 20'000, 100'000}) {
    double squares = 0;
    for (int set = 0; set < 30; ++set) {
      HyperLogLog sketch;
      for (int i = 0; i < size; ++i) sketch.add(fmt::format("{}/{}", set, i));
      squares += std::pow(static_cast<double>(sketch.estimate()) / size - 1, 2);
    }
    EXPECT_LT(std::sqrt(squares / 30), 0.024) << size;
  }
}

TEST(HyperLogLog, MergesToTheSameBytesInAnyOrder) {
  std::mt19937 random(1);
  for (const int values : {10, 200, 400, 5000}) {
    HyperLogLog whole, forth, back;
    std::vector<HyperLogLog> parts(7);
    for (int i = 0; i < values; ++i) {
      const auto value = std::to_string(i);
      whole.add(value);
      parts[random() % parts.size()].add(value);
      parts[random() % parts.size()].add(value);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      forth.merge(parts[i]);
      back.merge(parts[parts.size() - 1 - i]);
    }
    EXPECT_EQ(forth.bytes(), whole.bytes()) << values;
    EXPECT_EQ(back.bytes(), whole.bytes()) << values;
    const auto again = HyperLogLog::parse(whole.bytes());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->bytes(), whole.bytes());
    EXPECT_EQ(again->estimate(), whole.estimate());
  }
}

TEST(HyperLogLog, RefusesOtherBytes) {
  HyperLogLog few, many;
  for (int i = 0; i < 3; ++i) few.add(std::to_string(i));
  for (int i = 0; i < 3000; ++i) many.add(std::to_string(i));
  EXPECT_FALSE(HyperLogLog::parse(""));
  EXPECT_FALSE(HyperLogLog::parse("HL"));
  EXPECT_FALSE(HyperLogLog::parse(many.bytes() + "x"));
  EXPECT_FALSE(HyperLogLog::parse(few.bytes() + "x"));
  auto twice = few.bytes();
  EXPECT_FALSE(HyperLogLog::parse(twice + twice.substr(twice.size() - 8)));  // a hash again
  auto high = many.bytes();
  high[10] = '\xFF';  // ranks go to 53
  EXPECT_FALSE(HyperLogLog::parse(high));
}

/// Whatever is changed in them, bytes are refused or taken for another sketch, never worse.
TEST(HyperLogLog, SurvivesDamage) {
  std::mt19937 random(2);
  for (const int values : {0, 5, 256, 3000}) {
    HyperLogLog sketch;
    for (int i = 0; i < values; ++i) sketch.add(std::to_string(i));
    const auto sound = sketch.bytes();
    for (int round = 0; round < 2000; ++round) {
      auto bytes = sound.substr(0, round % 3 == 0 ? random() % (sound.size() + 1) : sound.size());
      for (int flips = 0; flips < 3 && !bytes.empty(); ++flips)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      if (const auto parsed = HyperLogLog::parse(bytes)) {
        EXPECT_EQ(parsed->bytes(), bytes);
        HyperLogLog other = sketch;
        other.merge(*parsed);
        EXPECT_GE(other.estimate() + 1, 1u);
      }
    }
  }
}

}  // namespace
}  // namespace millrace
