#include "event/json_text.h"

#include <gtest/gtest.h>

namespace millrace::json {
namespace {

TEST(CheckJson, AcceptsJson) {
  for (const std::string_view text :
       {"1", "-0", "0.5", "1e5", "-1.25E-3", "1e999", "18446744073709551616", "true", "false", "null", "\"\"",
        R"("a\"\\\/\b\f\n\r\tA")", R"("\ud83d\ude00")", "[]", "{}", "[1, [2,{\"a\":[]}] ]",
        " { \"a\" : 1 , \"b\" : [ ] } ", "\"\xC3\xA9 and some more than eight bytes\""}) {
    EXPECT_TRUE(check_json(text).has_value()) << text;
  }
}

TEST(CheckJson, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      " ",
                                      "01",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "1e+",
                                      "-",
                                      "--1",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "truee",
                                      "nul",
                                      "'a'",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"a\nb\"",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[1 2]",
                                      "]",
                                      "{",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":\"b\":\"c\"}",
                                      "[}",
                                      "{]",
                                      "[1}",
                                      "1 2",
                                      "{} {}",
                                      "[1]]"}) {
    EXPECT_FALSE(check_json(text).has_value()) << text;
  }
}

TEST(CheckJson, LimitsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(check_json(nested(kDepthMax)).has_value());
  EXPECT_FALSE(check_json(nested(kDepthMax + 1)).has_value());
}

TEST(CheckScalar, TakesNoContainers) {
  EXPECT_TRUE(check_scalar("12").has_value());
  EXPECT_FALSE(check_scalar("{}").has_value());
  EXPECT_FALSE(check_scalar("[]").has_value());
}

TEST(AppendUnescaped, ResolvesEveryEscape) {
  std::string out;
  EXPECT_TRUE(append_unescaped(R"(a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00z)", out).has_value());
  EXPECT_EQ(out, "a\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
  for (const std::string_view wrong : {"\\", "\\x", "\\u12", "\\ud800", "\\ud800\\n", "\\udc00"}) {
    EXPECT_FALSE(append_unescaped(wrong, out).has_value()) << wrong;
  }
}

TEST(ValueLength, FindsTheEndWithoutJudgingTheInside) {
  EXPECT_EQ(value_length("{\"a\":\"}\\\"\"} x"), 11u);
  EXPECT_EQ(value_length("[1.2.3,{]}],"), 6u + 4u);  // counts brackets only
  EXPECT_EQ(value_length("\"a\\\"b\",1"), 6u);
  EXPECT_EQ(value_length("12,"), 2u);
  for (const std::string_view open : {"", "{", "[1", "\"a", "{\"a\":\"}", ","})
    EXPECT_FALSE(value_length(open)) << open;
}

TEST(RawItems, WalksObjectsAndArrays) {
  RawItems members(R"( {"a" : 1 ,"b\"":[1,2] , "c":{"d":"}"}} rest)");
  EXPECT_TRUE(RawItems(" []").broken()) << "must start at the bracket";
  members = RawItems(R"({"a" : 1 ,"b\"":[1,2] , "c":{"d":"}"}} rest)");
  std::string seen;
  while (members.next()) seen += std::string(members.key()) + "=" + std::string(members.value()) + ";";
  EXPECT_EQ(seen, R"(a=1;b\"=[1,2];c={"d":"}"};)");
  EXPECT_FALSE(members.broken());
  EXPECT_EQ(members.rest(), " rest");
  EXPECT_FALSE(members.next());
}

TEST(RawItems, SaysWhenTheContainerIsBroken) {
  for (const std::string_view text :
       {"[1,]", "[1 2]", "[", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[1,2"}) {
    RawItems items(text);
    while (items.next()) {
    }
    EXPECT_TRUE(items.broken()) << text;
  }
}

}  // namespace
}  // namespace millrace::json
