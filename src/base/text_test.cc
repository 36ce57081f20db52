#include "base/text.h"

#include <regex>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Uuid, IsVersionSevenAndOrderedByTime) {
  const auto first = new_uuid(Env::system());
  Env::system().sleep_for(2 * kMillisecondUs);
  const auto second = new_uuid(Env::system());
  const std::regex shape("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(first, shape)) << first;
  EXPECT_LT(first, second);
}

TEST(Base64, MatchesTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded).value(), plain);
  }
}

TEST(Base64, ReadsBothAlphabetsWithAndWithoutPadding) {
  const std::string bytes = "\xFB\xFF\xFE";
  EXPECT_EQ(base64_encode(bytes), "+//+");
  EXPECT_EQ(base64_decode("+//+").value(), bytes);
  EXPECT_EQ(base64_decode("-__-").value(), bytes);
  EXPECT_EQ(base64_decode("Zg").value(), "f");
}

TEST(Base64, RefusesOtherBytes) {
  for (const auto* text : {"Z", "Zm9vY", "Zm 9v", "Zm9v!", "Zg==Zg=="})
    EXPECT_FALSE(base64_decode(text)) << text;
}

TEST(Utf8, AcceptsWellFormedText) {
  for (const auto* text : {"", "plain", "Käse, 茶, 🍵 and more than eight bytes", "\x7F", "\xC2\x80",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesTheRest) {
  for (const auto* text :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "eight bytes first \xC3 then"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(NearestName, FindsSlipsOfTheFinger) {
  const std::vector<std::string> known = {"retention", "listen", "data", "port"};
  EXPECT_EQ(nearest_name("retenton", known), "retention");
  EXPECT_EQ(nearest_name("lisetn", known), "listen");
  EXPECT_EQ(nearest_name("prot", known), "port");
  EXPECT_EQ(nearest_name("dada", known), "data");
  EXPECT_EQ(nearest_name("colour", known), "");
  EXPECT_EQ(nearest_name("x", {}), "");
}

TEST(ParseDuration, ReadsEveryUnit) {
  EXPECT_EQ(parse_duration("250ms").value(), 250 * kMillisecondUs);
  EXPECT_EQ(parse_duration("10us").value(), 10);
  EXPECT_EQ(parse_duration("30s").value(), 30 * kSecondUs);
  EXPECT_EQ(parse_duration("1.5h").value(), 90 * kMinuteUs);
  EXPECT_EQ(parse_duration("5 m").value(), 5 * kMinuteUs);
  EXPECT_EQ(parse_duration("7d").value(), 7 * kDayUs);
}

TEST(ParseDuration, NamesTheUnitsWhenItRefuses) {
  for (const auto* text : {"", "5", "m", "5 weeks", "-5s", "1e3s", "nan s", "inf", "99999999999999d"}) {
    const auto value = parse_duration(text);
    ASSERT_FALSE(value) << text;
    EXPECT_NE(value.error().message.find("ms, s, m, h or d"), std::string::npos);
  }
}

TEST(ParseBytes, TellsPowersOfTenFromPowersOfTwo) {
  EXPECT_EQ(parse_bytes("512").value(), 512u);
  EXPECT_EQ(parse_bytes("64KB").value(), 64'000u);
  EXPECT_EQ(parse_bytes("64 MB").value(), 64'000'000u);
  EXPECT_EQ(parse_bytes("2GiB").value(), 2ull << 30);
  EXPECT_EQ(parse_bytes("1TiB").value(), 1ull << 40);
  EXPECT_EQ(parse_bytes("1.5KiB").value(), 1536u);
  for (const auto* text : {"", "KB", "5kb", "-1", "5 apples"}) EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(SnakeCase, NamesTablesAndFiles) {
  for (const char* good : {"a", "a_1", "abcd_efgh1"}) EXPECT_TRUE(is_snake_case(good, 10)) << good;
  for (const char* bad : {"", "_a", "1a", "A", "a-b", "\xC3\xA4", "abcd_efgh12"})
    EXPECT_FALSE(is_snake_case(bad, 10)) << bad;
  EXPECT_EQ(to_lower("GROUP By \xC3\x84"), "group by \xC3\x84");
}

TEST(WithoutControls, LeavesTextAlone) {
  EXPECT_EQ(without_controls("a\nb\x1B[1m\x7F"), "a b [1m ");
  EXPECT_EQ(without_controls("\xC2\x9B"
                             "2J"),
            "  2J");
  EXPECT_EQ(without_controls("\xC3\x84 \xC2\xA0\xC2"
                             "A"),
            "\xC3\x84 \xC2\xA0\xC2"
            "A");
}

TEST(SqlLiteral, DoublesQuotes) {
  EXPECT_EQ(sql_literal("it's"), "'it''s'");
  EXPECT_EQ(sql_literal(""), "''");
}

TEST(WithThousands, PutsACommaEveryThreeDigits) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1'000), "1,000");
  EXPECT_EQ(with_thousands(1'234'567), "1,234,567");
}

}  // namespace
}  // namespace millrace
