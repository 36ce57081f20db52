#include "net/gzip.h"

#include <random>

#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string some_text(std::size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "word" + std::to_string(random() % 1000) + ' ';
  text.resize(bytes);
  return text;
}

TEST(Gzip, RoundTripsAnySize) {
  for (const std::size_t bytes : {0, 1, 100, 5000, 300'000}) {
    const auto text = some_text(bytes);
    const auto zipped = gzip(text);
    EXPECT_TRUE(looks_gzipped(zipped));
    EXPECT_EQ(gunzip(zipped, bytes), text) << bytes;
  }
}

TEST(Gzip, ReadsSeveralMembers) {
  EXPECT_EQ(gunzip(gzip("one ") + gzip("two"), 100), "one two");
}

TEST(Gzip, RefusesEveryTruncation) {
  const auto zipped = gzip(some_text(2000));
  for (std::size_t bytes = 0; bytes < zipped.size(); ++bytes) {
    const auto result = gunzip(zipped.substr(0, bytes), 10'000);
    ASSERT_FALSE(result) << bytes;
    EXPECT_EQ(result.error().code, Code::kInvalid);
  }
}

TEST(Gzip, NeverGivesMoreThanTheLimit) {
  const auto zipped = gzip(std::string(5000, 'x'));
  EXPECT_TRUE(gunzip(zipped, 5000));
  EXPECT_EQ(gunzip(zipped, 4999).error().code, Code::kOutOfRange);
}

TEST(Gzip, StopsABombAtTheLimit) {
  const auto bomb = gzip(std::string(60'000'000, '\0'), 9);
  ASSERT_LT(bomb.size(), 250'000u);
  EXPECT_EQ(gunzip(bomb, 1'000'000).error().code, Code::kOutOfRange);
}

TEST(Gzip, SurvivesDamage) {
  const auto text = some_text(3000);
  const auto zipped = gzip(text);
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    auto damaged = zipped;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    const auto result = gunzip(damaged, 10'000);
    EXPECT_EQ(result.value_or(text),
              text);  // fine, if the flip hit a byte of the header that does not matter
  }
}

}  // namespace
}  // namespace millrace
