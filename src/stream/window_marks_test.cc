#include "stream/window_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;

constexpr TimeUs kNoon = 1'800'014'400 * kSecondUs;
constexpr DurationUs kDisorder = 10 * kSecondUs;

class WindowMarksTest : public testing::Test {
 protected:
  /// Note an event, and that its partition is read as far as it was received.
  void heard(std::uint32_t partition, TimeUs time, TimeUs received, const std::string& source = "web") {
    marks_.observe({{partition, source, time, received, received, 1}});
    marks_.settle();
  }
  void all_read(TimeUs now) {
    for (std::size_t i = 0; i < 2; ++i) marks_.exhausted(i, now);
    marks_.settle();
  }

  WindowMarks marks_{2, {.disorder_live = kDisorder, .sources_max = 3}};
};

TEST_F(WindowMarksTest, AnOldEventAloneInAPartitionHoldsNothingBackForLong) {
  heard(0, kNoon, kNoon);
  heard(1, kNoon - 30 * kDayUs, kNoon + kSecondUs);
  all_read(kNoon + 5 * kSecondUs);
  EXPECT_LT(marks_.of("web"), kNoon - 29 * kDayUs) << "it may not have been the last";
  all_read(kNoon + 20 * kSecondUs);
  EXPECT_EQ(marks_.of("web"), kNoon + 20 * kSecondUs - kDisorder);
}

TEST_F(WindowMarksTest, APhoneThatWasOfflineOverAQuietNightHoldsNothingBack) {
  const TimeUs morning = kNoon + 10 * kHourUs;
  heard(0, kNoon, kNoon);
  heard(1, kNoon, kNoon);
  all_read(morning);
  for (int i = 0; i < 20; ++i) heard(0, kNoon + kHourUs + i, morning + i);
  all_read(morning + kMinuteUs);
  EXPECT_EQ(marks_.of("web"), morning + kMinuteUs - kDisorder);
}

TEST_F(WindowMarksTest, ASourceThatFallsBehindForGoodIsFollowed) {
  for (int i = 0; i < 200; ++i) {
    const TimeUs now = kNoon + i * kSecondUs;
    for (const std::uint32_t partition : {0u, 1u}) heard(partition, now - (i < 50 ? 0 : kMinuteUs), now);
    all_read(now);
  }
  EXPECT_EQ(marks_.of("web"), kNoon + 199 * kSecondUs - kMinuteUs - kDisorder);
}

TEST_F(WindowMarksTest, AFileThatRunsThroughMonthsWaitsForPartitionsThatHaveNotBroughtIt) {
  heard(1, kNoon, kNoon, "other");
  for (int day = 0; day < 60; ++day)
    heard(0, kNoon - (100 - day) * kDayUs, kNoon + day * kMillisecondUs, "file");
  all_read(kNoon + kSecondUs);
  EXPECT_EQ(marks_.of("file"), kBeforeAllTime) << "partition 1 may bring its first day yet";
  heard(1, kNoon - 100 * kDayUs, kNoon + kSecondUs, "file");
  EXPECT_EQ(marks_.of("file"), kNoon - 100 * kDayUs - kDisorder);
}

TEST_F(WindowMarksTest, APartitionCountsForWhatItHasBeenReadTo) {
  heard(0, kNoon - 90 * kDayUs, kNoon, "file");
  heard(1, kNoon - 90 * kDayUs, kNoon, "file");
  all_read(kNoon);
  // Partition 0 is read a minute, and half of the file, ahead.
  heard(0, kNoon - 89 * kDayUs, kNoon + 20 * kSecondUs, "file");
  heard(0, kNoon - 40 * kDayUs, kNoon + kMinuteUs, "file");
  heard(1, kNoon, kNoon + 21 * kSecondUs, "other");
  EXPECT_EQ(marks_.of("file"), kNoon - 89 * kDayUs + kSecondUs - kDisorder);
}

TEST_F(WindowMarksTest, TheSourceNotHeardOfForLongestMakesRoom) {
  for (const auto* source : {"a", "b", "c", "a", "d"}) heard(0, kNoon, kNoon, source);
  EXPECT_THAT(marks_.sources(), ElementsAre("a", "c", "d"));
  EXPECT_EQ(marks_.of("b"), kBeforeAllTime);
}

}  // namespace
}  // namespace millrace
