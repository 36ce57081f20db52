#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec_testing.h"

namespace millrace {
namespace {

DecodedBody native(std::string_view text) {
  return decode_body(CodecId::kNative, text);
}

TEST(Native, UnknownFieldsAreKept) {
  const DecodedBody decoded = native(
      R"({"type":"x","colour":"red","properties":{"a":1},"deep":{"b":[1,2,{"c":"\u0000"}]},"order":{"gift":true}})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].properties,
            R"({"a":1,"colour":"red","deep":{"b":[1,2,{"c":"\u0000"}]},"gift":true})");
}

TEST(Native, MoneyIsReadFromItsText) {
  const DecodedBody decoded = native(
      R"({"type":"purchase","items":[{"item_id":"a","price":0.1},{"item_id":"b","price":"99999999999999.9999"},)"
      R"({"item_id":"c","price":1e2}]})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].items[0].price->units(), 1'000);
  EXPECT_EQ(decoded.events()[0].items[1].price->units(), Decimal::kUnitsMax);
  EXPECT_EQ(decoded.events()[0].items[2].price->units(), 1'000'000);
}

TEST(Native, IdsMayBeNumbersAndNullIsAbsent) {
  const DecodedBody decoded =
      native(R"({"type":"x","user_id":123456789012345678901,"session_id":null,"order":null,"items":null})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].user_id, "123456789012345678901");
  EXPECT_EQ(decoded.events()[0].session_id, "");
  EXPECT_FALSE(decoded.events()[0].order.has_value());
}

TEST(Native, TimesAreTextOrMicroseconds) {
  const std::pair<std::string_view, TimeUs> kCases[] = {
      {R"("2024-07-01T09:00:00")", 1'719'824'400 * kSecondUs},
      {R"("2024-07-01 11:00:00+02:00")", 1'719'824'400 * kSecondUs},
      {R"("1970-01-01T00:00:00Z")", 0},
      {R"("1969-12-31T23:59:59Z")", -kSecondUs},
      {"1719824400000001", 1'719'824'400 * kSecondUs + 1},
      {R"("2024-07-02T12:00:00Z")", kTestReceived + kDayUs}};
  for (const auto& [text, time] : kCases) {
    const DecodedBody decoded = native(R"({"type":"x","event_time":)" + std::string(text) + "}");
    ASSERT_EQ(decoded.reason(), "") << text;
    EXPECT_EQ(decoded.events()[0].event_time, time) << text;
  }
}

struct Refusal {
  std::string text, reason;
};

TEST(Native, RefusalsSayWhatAndWhere) {
  const std::string long_id(513, 'x');
  const Refusal kCases[] = {
      {R"({"user_id":"u"})", "invalid: type: an event needs a type"},
      {R"({"type":""})", "invalid: type: an event needs a type"},
      {R"({"type":"x","event_time":"2100-01-01"})",
       "invalid: event_time: 2100-01-01T00:00:00Z lies more than a day after it was received "
       "(2024-07-01T12:00:00Z); "
       "is the sender's clock right?"},
      {R"({"type":"x","event_time":1.5})",
       "invalid: event_time: must be an ISO 8601 time or a whole number, not 1.5"},
      {R"({"type":"x","event_time":99999999999999999999})",
       "invalid: event_time: must be an ISO 8601 time or a whole number, not 99999999999999999999"},
      {R"({"type":"x","user_id":")" + long_id + "\"}", "invalid: user_id: is 513 bytes long; at most 512"},
      {R"({"type":")" + long_id + "\"}", "invalid: type: is 513 bytes long; at most 512"},
      {R"({"type":"rating","value":0.5,"items":["a"]})",
       "invalid: value: a rating needs a value from 1 to 5"},
      {R"({"type":"rating","items":["a"]})", "invalid: value: a rating needs a value from 1 to 5"},
      {R"({"type":"read","value":-1,"items":["a"]})", "invalid: value: seconds read must not be negative"},
      {R"({"type":"x","value":1e999})", "invalid: value: must be a finite number, not 1e999"},
      {R"({"type":"x","latitude":91})", "invalid: latitude: must be from -90 to 90"},
      {R"({"type":"add_to_cart"})", "invalid: items: a add_to_cart needs an item"},
      {R"({"type":"x","items":{"item_id":"a"}})", "invalid: items: must be an array"},
      {R"({"type":"x","items":[{"name":"a"}]})", "invalid: items[0].item_id: an item needs an id"},
      {R"({"type":"x","items":[{"item_id":"a","price":1e30}]})",
       "invalid: items[0].price: '1e30' is outside ±99,999,999,999,999.9999"},
      {R"({"type":"x","items":[{"item_id":"a","position":1.5}]})",
       "invalid: items[0].position: must be a whole number, not 1.5"},
      {R"({"type":"x","items":[{"item_id":"a","in_cart":"maybe"}]})",
       "invalid: items[0].in_cart: must be true or false, not \"maybe\""},
      {R"({"type":"x","properties":"text"})", "invalid: properties: must be an object"},
      {R"({"type":"x","order":7})", "invalid: order: must be an object"},
      {R"({"type":"x","page_url":"a\u0000b"})", "invalid: page_url: must not hold a NUL character"}};
  for (const Refusal& c : kCases) {
    const DecodedBody decoded = native(c.text);
    ASSERT_TRUE(decoded.split.has_value()) << c.text;
    EXPECT_EQ(decoded.reason(), c.reason) << c.text;
  }
}

TEST(Native, NonsenseInSkippedPartsIsRefused) {
  for (const std::string_view part :
       {R"({"a":01})", R"({"a":tru})", R"([1,])", R"({"a":"\x"})", R"({"a":"\ud800"})", R"({"a" 1})",
        R"({"a":[1}})", R"(1 2)", R"("a" "b")", R"("b":"c")", R"(nul)", R"(+1)", R"(1.2.3)"}) {
    const std::string body = R"({"type":"x","unknown":)" + std::string(part) + "}";
    EXPECT_FALSE(native(body).split.has_value()) << body;
    const std::string nested = R"({"type":"x","properties":{"unknown":)" + std::string(part) + "}}";
    EXPECT_FALSE(native(nested).split.has_value()) << nested;
  }
}

TEST(Native, ThePathComesFromTheAddressWhenItIsNotGiven) {
  const std::pair<std::string_view, std::string_view> kCases[] = {{"https://example.com/a/b?q=1#top", "/a/b"},
                                                                  {"https://example.com", "/"},
                                                                  {"https://example.com?q=1", "/"},
                                                                  {"/cart?x=https://e.com/y", "/cart"},
                                                                  {"app", ""},
                                                                  {"", ""}};
  for (const auto& [url, path] : kCases) {
    const DecodedBody decoded = native(R"({"type":"page_view","page_url":")" + std::string(url) + "\"}");
    ASSERT_EQ(decoded.events().size(), 1u);
    EXPECT_EQ(decoded.events()[0].page_path, path) << url;
  }
  EXPECT_EQ(
      native(R"({"type":"page_view","page_url":"https://e.com/a","page_path":"/b"})").events()[0].page_path,
      "/b");
}

TEST(Native, ReturnsMayBeNegativeInARefund) {
  const DecodedBody decoded = native(R"({"type":"refund","items":[{"item_id":"a","quantity":-2}]})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].items[0].quantity, Decimal::from_integer(-2));
}

}  // namespace
}  // namespace millrace
