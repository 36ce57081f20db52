#include "warehouse/duplicate_filter.h"

#include <string>

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr TimeUs kNoon = 1'752'000'000 * kSecondUs;

Hash128 id(std::uint64_t number) {
  return hash128(std::to_string(number));
}

TEST(DuplicateFilter, KnowsWhatItWasGiven) {
  DuplicateFilter filter(100'000);
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_TRUE(filter.insert(id(i), kNoon));
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_FALSE(filter.insert(id(i), kNoon));
  filter.commit(kTimeMin);
  EXPECT_EQ(filter.size(), 50'000u);
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_FALSE(filter.insert(id(i), kNoon));
  EXPECT_TRUE(filter.insert(id(50'000), kNoon));
}

TEST(DuplicateFilter, ForgetsARollback) {
  DuplicateFilter filter(100);
  ASSERT_TRUE(filter.insert(id(1), kNoon));
  filter.rollback();
  EXPECT_TRUE(filter.insert(id(1), kNoon));
}

TEST(DuplicateFilter, StaysWithinItsBoundAndKeepsTheNewest) {
  DuplicateFilter filter(10'000);
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    filter.insert(id(i), kNoon + static_cast<TimeUs>(i / 1000) * kHourUs);  // 1,000 an hour
    if (i % 500 == 499) filter.commit(kTimeMin);
  }
  EXPECT_LE(filter.size(), 16'384u);
  EXPECT_LE(filter.memory_bytes(), 1'000'000u);
  for (std::uint64_t i = 195'000; i < 200'000; ++i) ASSERT_FALSE(filter.insert(id(i), kNoon)) << i;
}

TEST(DuplicateFilter, MayForgetWhatIsBeforeTheHorizon) {
  DuplicateFilter filter(1'000'000);
  for (std::uint64_t hour = 0; hour < 100; ++hour) {
    for (std::uint64_t i = 0; i < 1000; ++i)
      filter.insert(id(hour * 1000 + i), kNoon + static_cast<TimeUs>(hour) * kHourUs);
    filter.commit(kNoon + static_cast<TimeUs>(hour) * kHourUs - kDayUs);
    ASSERT_FALSE(filter.insert(id(hour * 1000), kNoon));
    if (hour >= 20) {
      ASSERT_FALSE(filter.insert(id((hour - 20) * 1000), kNoon));  // within the day
    }
  }
  EXPECT_LT(filter.size(), 60'000u);
}

TEST(DuplicateFilter, TellsSourcesApart) {
  std::string scratch;
  EXPECT_NE(message_hash("a", "bc", scratch), message_hash("ab", "c", scratch));
}

}  // namespace
}  // namespace millrace
