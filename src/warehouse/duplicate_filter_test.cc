#include "warehouse/duplicate_filter.h"

#include <algorithm>
#include <random>
#include <string>
#include <unordered_map>

#include <gtest/gtest.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

Hash128 id(std::uint64_t number) {
  return hash128(std::to_string(number));
}

/// Insert ids `from` … `to`-1 received at `time`, all of which must be new, and commit.
void add_range(DuplicateFilter& filter, std::uint64_t from, std::uint64_t to, TimeUs time,
               TimeUs horizon = kTimeMin) {
  for (auto i = from; i < to; ++i) ASSERT_TRUE(filter.insert(id(i), time)) << i;
  filter.commit(horizon);
}

TEST(DuplicateFilter, KnowsWhatItWasGiven) {
  DuplicateFilter filter(100'000);
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_TRUE(filter.insert(id(i), kTestDay));
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_FALSE(filter.insert(id(i), kTestDay));
  filter.commit(kTimeMin);
  EXPECT_EQ(filter.size(), 50'000u);
  for (std::uint64_t i = 0; i < 50'000; ++i) ASSERT_FALSE(filter.insert(id(i), kTestDay));
  EXPECT_TRUE(filter.insert(id(50'000), kTestDay));
}

TEST(DuplicateFilter, ForgetsARollbackAndNothingElse) {
  DuplicateFilter filter(100);
  add_range(filter, 0, 3, kTestDay);
  ASSERT_TRUE(filter.insert(id(3), kTestDay + kHourUs));
  ASSERT_TRUE(filter.insert(id(4), kTestDay + kHourUs));
  filter.rollback();
  EXPECT_EQ(filter.size(), 3u);
  EXPECT_TRUE(filter.insert(id(4), kTestDay));  // in the place that 3 had
  EXPECT_TRUE(filter.insert(id(3), kTestDay));
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_FALSE(filter.insert(id(i), kTestDay)) << i;
}

// A busy hour once made it forget everything, the newest included.
TEST(DuplicateFilter, OneHourWithMoreThanFitsLosesItsOldestOnly) {
  DuplicateFilter filter(10'000);
  for (std::uint64_t i = 0; i < 200'000; i += 500) {
    add_range(filter, i, i + 500, kTestDay + static_cast<TimeUs>(i) * kMillisecondUs);
    ASSERT_LE(filter.size(), 10'000u);
    for (auto known = i < 9'500 ? 0 : i - 9'500; known < i + 500; known += 97) {
      ASSERT_FALSE(filter.insert(id(known), kTestDay)) << known << " of " << i;
    }
  }
  EXPECT_EQ(filter.size(), 10'000u);
  EXPECT_EQ(filter.forgotten_early(), 190'000u);
  EXPECT_TRUE(filter.insert(id(189'999), kTestDay));  // the newest of those that had to go
}

TEST(DuplicateFilter, TellsHowFarBackItIsComplete) {
  DuplicateFilter filter(1'000);
  add_range(filter, 0, 1'000, kTestDay);
  EXPECT_EQ(filter.complete_since(), kTimeMin);
  add_range(filter, 1'000, 1'400, kTestDay + kMinuteUs);
  EXPECT_EQ(filter.complete_since(), kTestDay);  // some of noon are missing
  add_range(filter, 1'400, 2'200, kTestDay + 2 * kMinuteUs);
  EXPECT_EQ(filter.complete_since(), kTestDay + kMinuteUs);
  EXPECT_EQ(filter.forgotten_early(), 1'200u);
}

TEST(DuplicateFilter, ForgetsWhatIsBeforeTheHorizonAndCallsThatNotEarly) {
  DuplicateFilter filter(1'000'000);
  for (std::uint64_t hour = 0; hour < 100; ++hour) {
    const auto now = kTestDay + static_cast<TimeUs>(hour) * kHourUs;
    add_range(filter, hour * 1000, hour * 1000 + 1000, now, now - kDayUs);
    ASSERT_FALSE(filter.insert(id(hour * 1000), now));
    if (hour >= 24) {
      ASSERT_FALSE(filter.insert(id((hour - 24) * 1000), now));  // within the day
    }
  }
  EXPECT_EQ(filter.size(), 25'000u);
  EXPECT_EQ(filter.forgotten_early(), 0u);
  EXPECT_EQ(filter.complete_since(), kTimeMin);
}

TEST(DuplicateFilter, IdsOutOfOrderAreNotForgottenBeforeTheirTime) {
  DuplicateFilter filter(1'000'000);
  add_range(filter, 0, 10, kTestDay);
  add_range(filter, 10, 20, kTestDay - kDayUs);  // of a partition that is behind
  filter.commit(kTestDay - kHourUs);
  EXPECT_FALSE(filter.insert(id(0), kTestDay));
  filter.commit(kTestDay + 1);
  EXPECT_EQ(filter.size(), 0u);
}

TEST(DuplicateFilter, AnIdCostsLittle) {
  DuplicateFilter filter(1'000'000);
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 3'000'000; i += 1'000) {
    add_range(filter, i, i + 1'000, kTestDay + static_cast<TimeUs>(i) * kMillisecondUs);
    if (i >= 500'000) most = std::max(most, filter.memory_bytes() / filter.size());
  }
  EXPECT_LE(most, 32u);
}

TEST(DuplicateFilter, AnIdIsNewAgainAfterTheWindowEvenWhileItIsRemembered) {
  DuplicateFilter filter(100, kHourUs);
  add_range(filter, 0, 1, kTestDay);
  EXPECT_FALSE(filter.insert(id(0), kTestDay + kHourUs));
  EXPECT_FALSE(filter.insert(id(0), kTestDay - kHourUs));
  EXPECT_TRUE(filter.insert(id(0), kTestDay + kHourUs + 1));
  EXPECT_FALSE(filter.insert(id(0), kTestDay + 2 * kHourUs));  // of the second
  EXPECT_FALSE(filter.insert(id(0), kTestDay));                // of the first
}

// Against a plain map, with commits, rollbacks, repeats and a horizon in random order.
TEST(DuplicateFilter, AgreesWithAMap) {
  std::mt19937_64 random(7);
  DuplicateFilter filter(1'000'000);
  std::unordered_map<std::uint64_t, TimeUs> known, fresh;
  TimeUs now = kTestDay;
  for (int step = 0; step < 200'000; ++step) {
    now += kSecondUs;
    const auto number = random() % 20'000;
    const bool is_new = !known.contains(number) && !fresh.contains(number);
    // What the horizon passed may be forgotten or not; everything else must be right.
    const bool expired = known.contains(number) && known[number] < now - kHourUs;
    const bool inserted = filter.insert(id(number), now);
    ASSERT_TRUE(expired || inserted == is_new) << step;
    if (inserted) fresh[number] = now;
    const auto choice = random() % 50;
    if (choice == 0) filter.rollback();
    if (choice == 1) {
      filter.commit(now - kHourUs);
      for (const auto& [one, time] : fresh) known[one] = time;
    }
    if (choice <= 1) fresh.clear();
  }
}

TEST(DuplicateFilter, TellsSourcesApart) {
  std::string scratch;
  EXPECT_NE(message_hash("a", "bc", scratch), message_hash("ab", "c", scratch));
}

}  // namespace
}  // namespace millrace
