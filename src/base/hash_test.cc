#include "base/hash.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/hash_internal.h"

namespace millrace {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(Crc32c, MatchesThePublishedVectors) {
  // RFC 3720, appendix B.4, and the usual check value.
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xFF'))), 0x62A8AB43u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, InstructionAndTableAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(7);
  std::string text(300, ' ');
  for (char& c : text) c = static_cast<char>(random());
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; size + start <= text.size(); ++size) {
      const auto part = bytes_of(std::string_view(text).substr(start, size));
      ASSERT_EQ(crc32c(part, 5), internal::crc32c_portable(part, 5)) << start << "+" << size;
    }
  }
}

TEST(Crc32c, ContinuesFromWhatCameBefore) {
  const auto whole = bytes_of("a record in two parts");
  EXPECT_EQ(crc32c(whole.subspan(8), crc32c(whole.first(8))), crc32c(whole));
}

TEST(Murmur2, MatchesKafkasOwnVectors) {
  const auto signed_murmur2 = [](std::string_view key) {
    return static_cast<std::int32_t>(internal::murmur2(key));
  };
  EXPECT_EQ(signed_murmur2("21"), -973932308);
  EXPECT_EQ(signed_murmur2("foobar"), -790332482);
  EXPECT_EQ(signed_murmur2("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(signed_murmur2("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(signed_murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(signed_murmur2("abc"), 479470107);
}

TEST(Murmur2, IsMadePositiveByClearingTheSign) {
  EXPECT_EQ(kafka_murmur2("21"), static_cast<std::uint32_t>(-973932308) & 0x7fffffffu);
  EXPECT_EQ(kafka_murmur2("abc"), 479470107u);
}

TEST(Xxh3, MatchesThePublishedHashesOfNothing) {
  EXPECT_EQ(hash64(""), 0x2D06800538D394C2u);
  EXPECT_EQ(to_hex(hash128("")), "99aa06d3014798d86001c324468d497f");
}

TEST(Xxh3, PiecesGiveTheHashOfTheWhole) {
  std::string whole(1000, 'x');
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<char>(i * 7);
  Hasher128 hasher;
  EXPECT_EQ(hasher.result(), hash128(""));
  for (std::size_t at = 0, step = 1; at < whole.size(); at += step++) {
    hasher.add(std::string_view(whole).substr(at, step));
  }
  EXPECT_EQ(hasher.result(), hash128(whole));
}

TEST(Xxh3, TellsTextsApart) {
  std::set<Hash128> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(hash128(std::to_string(i)));
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace millrace
