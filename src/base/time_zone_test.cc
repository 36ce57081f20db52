#include "base/time_zone.h"

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TimeZone zone(std::string_view name) {
  auto loaded = TimeZone::load(Env::system(), name);
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().text());
  return *std::move(loaded);
}

TimeUs utc(std::string_view text) {
  return parse_time(text).value();
}

TEST(TimeZone, KnowsSummerAndWinterInLondon) {
  const auto london = zone("Europe/London");
  EXPECT_EQ(london.offset_at(utc("2010-12-01T08:26:00Z")), 0);
  EXPECT_EQ(london.offset_at(utc("2011-07-01T08:26:00Z")), kHourUs);
  EXPECT_EQ(format_time(london.to_utc(utc("2010-12-01 08:26"))), "2010-12-01T08:26:00Z");
  EXPECT_EQ(format_time(london.to_utc(utc("2011-07-01 08:26"))), "2011-07-01T07:26:00Z");
}

TEST(TimeZone, ReadsTimesSkippedAndShownTwice) {
  const auto berlin = zone("Europe/Berlin");
  // 2024-03-31 02:00 → 03:00, and 2024-10-27 03:00 → 02:00.
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-03-31 01:59:59"))), "2024-03-31T00:59:59Z");
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-03-31 02:30"))), "2024-03-31T01:30:00Z");
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-03-31 03:00"))), "2024-03-31T01:00:00Z");
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-10-27 01:59"))), "2024-10-26T23:59:00Z");
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-10-27 02:30"))), "2024-10-27T00:30:00Z");
  EXPECT_EQ(format_time(berlin.to_utc(utc("2024-10-27 03:00"))), "2024-10-27T02:00:00Z");
}

/// What the C library says, for which TZ of the whole process has to be set.
DurationUs offset_by_c_library(const char* name, TimeUs time) {
  ::setenv("TZ", name, 1);
  ::tzset();
  const std::time_t seconds = time / kSecondUs;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  ::unsetenv("TZ");
  ::tzset();
  return parts.tm_gmtoff * kSecondUs;
}

TEST(TimeZone, AgreesWithTheCLibraryFrom1900To2200) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<std::int64_t> seconds(-2'208'988'800, 7'258'118'400);
  for (const auto* name :
       {"Europe/London", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Sao_Paulo",
        "Africa/Casablanca", "Asia/Tokyo", "America/Nuuk", "Australia/Lord_Howe", "UTC"}) {
    const auto place = zone(name);
    for (int i = 0; i < 500; ++i) {
      const TimeUs time = seconds(random) * kSecondUs;
      ASSERT_EQ(place.offset_at(time), offset_by_c_library(name, time)) << name << " " << format_time(time);
    }
  }
}

TEST(TimeZone, ReadsBackWhatItShows) {
  const auto sydney = zone("Australia/Sydney");
  for (TimeUs time = utc("2024-01-01"); time < utc("2050-01-01"); time += 7 * kHourUs + 13 * kMinuteUs) {
    const auto local = time + sydney.offset_at(time);
    const auto back = sydney.to_utc(local);
    ASSERT_TRUE(back == time || back == time - kHourUs) << format_time(time);
    ASSERT_EQ(back + sydney.offset_at(back), local) << format_time(time);
  }
}

TEST(TimeZone, RefusesOtherNames) {
  for (const auto* name : {"", "Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "Europe"}) {
    EXPECT_EQ(TimeZone::load(Env::system(), name).error().code, Code::kNotFound) << name;
  }
}

TEST(TimeZone, RefusesDamagedFiles) {
  const Path directory = testing::TempDir();
  const auto whole = read_file(Env::system(), "/usr/share/zoneinfo/Europe/London").value();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    std::ofstream(directory / "Damaged", std::ios::binary) << whole.substr(0, size);
    EXPECT_FALSE(TimeZone::load(Env::system(), "Damaged", directory)) << size;
  }
}

}  // namespace
}  // namespace millrace
