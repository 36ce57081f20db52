#include "event/device.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Device, IsToldByTheUserAgent) {
  EXPECT_EQ(
      device_type_of("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"),
      "desktop");
  EXPECT_EQ(
      device_type_of("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Safari/605.1.15"),
      "desktop");
  EXPECT_EQ(device_type_of("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"),
            "desktop");
  EXPECT_EQ(device_type_of(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"),
            "mobile");
  EXPECT_EQ(
      device_type_of(
          "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36"),
      "mobile");
  EXPECT_EQ(device_type_of(
                "Mozilla/5.0 (Linux; Android 13; SM-X710) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"),
            "tablet");
  EXPECT_EQ(
      device_type_of("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"),
      "tablet");
  EXPECT_EQ(device_type_of("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
            "bot");
  EXPECT_EQ(device_type_of("analytics-node/3.1.0"), "");
  EXPECT_EQ(device_type_of(""), "");
}

}  // namespace
}  // namespace millrace
