#include "base/time.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TimeUs must_parse(std::string_view text) {
  const auto time = parse_time(text);
  EXPECT_TRUE(time) << text << ": " << time.error().message;
  return time.value_or(-1);
}

constexpr TimeUs kNine = 1'719'824'400 * kSecondUs;  // 2024-07-01T09:00:00Z

TEST(Time, ReadsEveryShapeOfTheSameMoment) {
  for (const auto* text : {"2024-07-01T09:00:00Z", "2024-07-01 09:00:00", "2024-07-01T09:00",
                           "2024-07-01t09:00:00z", "2024-07-01T11:00:00+02:00", "2024-07-01T11:00:00+0200",
                           "2024-07-01T04:30-04:30", "2024-07-01T11:00+02", "2024-07-01T09:00:00.000Z"}) {
    EXPECT_EQ(must_parse(text), kNine) << text;
  }
  EXPECT_EQ(must_parse("2024-07-01"), kNine - 9 * kHourUs);
}

TEST(Time, ReadsFractionsAndLeapSeconds) {
  EXPECT_EQ(must_parse("2024-07-01T09:00:00.123456Z"), kNine + 123'456);
  EXPECT_EQ(must_parse("2024-07-01T09:00:00.5Z"), kNine + 500'000);
  EXPECT_EQ(must_parse("2024-07-01T09:00:00,25Z"), kNine + 250'000);
  EXPECT_EQ(must_parse("2024-07-01T09:00:00.1234569Z"), kNine + 123'456);
  EXPECT_EQ(must_parse("2016-12-31T23:59:60Z"), must_parse("2016-12-31T23:59:59.999999Z"));
}

TEST(Time, ReadsFarTimes) {
  EXPECT_EQ(must_parse("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(must_parse("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(must_parse("0001-01-01"), kTimeMin);
  EXPECT_EQ(must_parse("9999-12-31T23:59:59Z"), kTimeMax);
  EXPECT_EQ(must_parse("2024-02-29"), must_parse("2024-02-28") + kDayUs);
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const auto* text : {"",
                           "2024",
                           "2024-7-1",
                           "2024-02-30",
                           "2023-02-29",
                           "2024-13-01",
                           "2024-07-01T",
                           "2024-07-01T9:00",
                           "2024-07-01T24:00",
                           "2024-07-01T09:60",
                           "2024-07-01T09:00:61",
                           "2024-07-01T09:00:00.",
                           "2024-07-01T09:00Zx",
                           "2024-07-01T09:00+",
                           "2024-07-01T09:00+2",
                           "2024-07-01T09:00+02:",
                           "2024-07-01T09:00+24:00",
                           "2024-07-01X09:00",
                           "yesterday",
                           "0000-01-01",
                           "0001-01-01T00:00+01:00",
                           " 2024-07-01",
                           "2024-07-01 "}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, Code::kInvalid);
  }
  EXPECT_LT(parse_time(std::string(5000, 'x')).error().message.size(), 200u);
}

TEST(Time, WritesWhatItReads) {
  for (const auto* text :
       {"2024-07-01T09:00:00Z", "2024-07-01T09:00:00.000001Z", "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1582-10-15T12:34:56.120000Z"}) {
    EXPECT_EQ(format_time(must_parse(text)), text);
  }
}

TEST(Time, KnowsTheDateOnBothSidesOfTheEpoch) {
  EXPECT_EQ(format_date(kNine), "2024-07-01");
  EXPECT_EQ(format_date(-1), "1969-12-31");
  EXPECT_EQ(days_since_epoch(-1), -1);
  EXPECT_EQ(days_since_epoch(0), 0);
  EXPECT_EQ(days_since_epoch(kDayUs - 1), 0);
  EXPECT_EQ(days_since_epoch(-kDayUs), -1);
}

}  // namespace
}  // namespace millrace
