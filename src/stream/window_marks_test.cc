#include "stream/window_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;

constexpr TimeUs kBegin = 1'800'014'400 * kSecondUs;
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
  heard(0, kBegin, kBegin);
  heard(1, kBegin - 30 * kDayUs, kBegin + kSecondUs);
  all_read(kBegin + 5 * kSecondUs);
  EXPECT_LT(marks_.of("web"), kBegin - 29 * kDayUs) << "it may not have been the last";
  all_read(kBegin + 20 * kSecondUs);
  EXPECT_EQ(marks_.of("web"), kBegin + 20 * kSecondUs - kDisorder);
}

TEST_F(WindowMarksTest, APhoneThatWasOfflineOverAQuietNightHoldsNothingBack) {
  const TimeUs morning = kBegin + 10 * kHourUs;
  heard(0, kBegin, kBegin);
  heard(1, kBegin, kBegin);
  all_read(morning);
  for (int i = 0; i < 20; ++i) heard(0, kBegin + kHourUs + i, morning + i);
  all_read(morning + kMinuteUs);
  EXPECT_EQ(marks_.of("web"), morning + kMinuteUs - kDisorder);
}

TEST_F(WindowMarksTest, ASourceThatFallsBehindForGoodIsFollowed) {
  for (int i = 0; i < 200; ++i) {
    const TimeUs now = kBegin + i * kSecondUs;
    for (const std::uint32_t partition : {0u, 1u}) heard(partition, now - (i < 50 ? 0 : kMinuteUs), now);
    all_read(now);
  }
  EXPECT_EQ(marks_.of("web"), kBegin + 199 * kSecondUs - kMinuteUs - kDisorder);
}

TEST_F(WindowMarksTest, AFileThatRunsThroughMonthsWaitsForPartitionsThatHaveNotBroughtIt) {
  heard(1, kBegin, kBegin, "other");
  for (int day = 0; day < 60; ++day)
    heard(0, kBegin - (100 - day) * kDayUs, kBegin + day * kMillisecondUs, "file");
  all_read(kBegin + kSecondUs);
  EXPECT_EQ(marks_.of("file"), kBeforeAllTime) << "partition 1 may bring its first day yet";
  heard(1, kBegin - 100 * kDayUs, kBegin + kSecondUs, "file");
  EXPECT_EQ(marks_.of("file"), kBegin - 100 * kDayUs - kDisorder);
}

TEST_F(WindowMarksTest, APartitionCountsForWhatItHasBeenReadTo) {
  heard(0, kBegin - 90 * kDayUs, kBegin, "file");
  heard(1, kBegin - 90 * kDayUs, kBegin, "file");
  all_read(kBegin);
  // Partition 0 is read a minute, and half of the file, ahead.
  heard(0, kBegin - 89 * kDayUs, kBegin + 20 * kSecondUs, "file");
  heard(0, kBegin - 40 * kDayUs, kBegin + kMinuteUs, "file");
  heard(1, kBegin, kBegin + 21 * kSecondUs, "other");
  EXPECT_EQ(marks_.of("file"), kBegin - 89 * kDayUs + kSecondUs - kDisorder);
}

TEST_F(WindowMarksTest, TheSourceNotHeardOfForLongestMakesRoom) {
  for (const auto* source : {"a", "b", "c", "a", "d"}) heard(0, kBegin, kBegin, source);
  EXPECT_THAT(marks_.sources(), ElementsAre("a", "c", "d"));
  EXPECT_EQ(marks_.of("b"), kBeforeAllTime);
}

}  // namespace
}  // namespace millrace
