#include "source/time_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string read(std::string_view format, std::string_view text, std::string_view zone = "") {
  std::shared_ptr<const TimeZone> place;
  if (!zone.empty()) place = std::make_shared<TimeZone>(TimeZone::load(Env::system(), zone).value());
  const auto made = TimeFormat::make(format, place);
  if (!made) return "format: " + made.error().message;
  const auto time = made->read(text);
  return time ? format_time(*time) : time.error().message;
}

TEST(TimeFormat, ReadsNumbersSince1970) {
  EXPECT_EQ(read("ms", "1506826828020"), "2017-10-01T03:00:28.020000Z");
  EXPECT_EQ(read("s", "1506826828"), "2017-10-01T03:00:28Z");
  EXPECT_EQ(read("s", "1506826828.25"), "2017-10-01T03:00:28.250000Z");
  EXPECT_EQ(read("us", "1506826828020001"), "2017-10-01T03:00:28.020001Z");
  EXPECT_EQ(read("s", "-1.5"), "1969-12-31T23:59:58.500000Z");
  for (const auto* text : {"", "x", "12x", "1.", "1.x", "99999999999999999999", "9999999999999999"}) {
    EXPECT_THAT(read("ms", text), testing::HasSubstr("is not a time")) << text;
  }
}

TEST(TimeFormat, ReadsIsoInTheGivenZoneUnlessItSaysItsOwn) {
  EXPECT_EQ(read("iso", "2011-07-01 08:26:00", "Europe/London"), "2011-07-01T07:26:00Z");
  EXPECT_EQ(read("iso", "2011-07-01T08:26:00Z", "Europe/London"), "2011-07-01T08:26:00Z");
  EXPECT_EQ(read("iso", "2011-07-01T08:26:00+02:00", "Europe/London"), "2011-07-01T06:26:00Z");
  EXPECT_EQ(read("iso", "2011-07-01", "Europe/London"), "2011-06-30T23:00:00Z");
}

TEST(TimeFormat, ReadsPatterns) {
  EXPECT_EQ(read("%Y-%m-%d %H:%M:%S", "2011-07-01 08:26:05", "Europe/London"), "2011-07-01T07:26:05Z");
  EXPECT_EQ(read("%m/%d/%Y %H:%M", "12/1/2010 8:26"), "2010-12-01T08:26:00Z");
  EXPECT_EQ(read("%d.%m.%y", "01.12.10"), "2010-12-01T00:00:00Z");
  EXPECT_EQ(read("%d/%b/%Y:%H:%M:%S %z", "17/May/2015:10:05:03 +0200"), "2015-05-17T08:05:03Z");
  EXPECT_EQ(read("%A, %B %e, %Y %I:%M %p", "Friday, March  7, 2025 12:30 AM"), "2025-03-07T00:30:00Z");
  EXPECT_EQ(read("%F %T.%f", "2024-01-02 03:04:05.678"), "2024-01-02T03:04:05.678000Z");
  EXPECT_EQ(read("%FT%R%z", "2024-01-02T03:04Z", "Asia/Tokyo"), "2024-01-02T03:04:00Z");
  EXPECT_EQ(read("100%% %Y", "100% 2024"), "2024-01-01T00:00:00Z");
  EXPECT_EQ(read("%Y%m%d", "20240131"), "2024-01-31T00:00:00Z");
}

TEST(TimeFormat, RefusesWhatDoesNotFit) {
  for (const auto* text :
       {"", "2024-02-30", "2024-13-01", "2024-1", "2024-01-01 ", "2024-01-01x", "0000-01-01"}) {
    EXPECT_THAT(read("%Y-%m-%d", text), testing::HasSubstr("is not a time")) << text;
  }
  EXPECT_THAT(read("%H:%M", "24:00"), testing::HasSubstr("is not a time"));
  EXPECT_THAT(read("%I %p", "13 PM"), testing::HasSubstr("is not a time"));
  EXPECT_THAT(read("%Y %q", "2024"), testing::HasSubstr("format: "));
  EXPECT_THAT(read("seconds", "1"), testing::HasSubstr("format: "));
  EXPECT_THAT(read("%Y%", "2024"), testing::HasSubstr("format: "));
}

}  // namespace
}  // namespace millrace
