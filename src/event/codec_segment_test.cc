#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string track(std::string_view event, std::string_view properties) {
  return R"({"type":"track","messageId":"m","anonymousId":"a","event":")" + std::string(event) +
         R"(","properties":)" + std::string(properties) + "}";
}

DecodedBody segment(std::string_view text, const BodyFacts& facts = test_facts()) {
  return decode_body(CodecId::kSegment, text, facts);
}

TEST(Segment, CommerceNamesBecomeOurTypes) {
  const std::string one = R"({"product_id":"p","value":3})";
  const std::pair<std::string_view, EventType> kNames[] = {
      {"Products Searched", EventType::kSearch},       {"Product List Viewed", EventType::kListView},
      {"Product List Filtered", EventType::kListView}, {"Product Viewed", EventType::kItemView},
      {"Product Added", EventType::kAddToCart},        {"Product Removed", EventType::kRemoveFromCart},
      {"Order Completed", EventType::kPurchase},       {"Order Refunded", EventType::kRefund},
      {"Order Cancelled", EventType::kRefund},         {"Product Reviewed", EventType::kRating},
      {"add_to_cart", EventType::kAddToCart},          {"Product Clicked", EventType::kCustom},
      {"Checkout Started", EventType::kCustom},        {"Signed Up", EventType::kCustom}};
  for (const auto& [name, type] : kNames) {
    const DecodedBody decoded = segment(track(name, one));
    ASSERT_EQ(decoded.events().size(), 1u) << name << decoded.reason();
    EXPECT_EQ(decoded.events()[0].type, type) << name;
    EXPECT_EQ(decoded.events()[0].type_name, type == EventType::kCustom ? name : event_type_name(type));
    ASSERT_EQ(decoded.events()[0].items.size(), 1u) << name;
    EXPECT_EQ(decoded.events()[0].items[0].item_id, "p");
  }
}

TEST(Segment, ListViewsKeepListAndPositions) {
  const DecodedBody decoded = segment(track(
      "Product List Viewed",
      R"({"list_id":"home","category":"Deals","products":[{"product_id":"a","position":1},{"sku":"b","position":"2"},"c"]})"));
  ASSERT_EQ(decoded.reason(), "");
  const Event& event = decoded.events()[0];
  EXPECT_EQ(event.list_id, "home");
  ASSERT_EQ(event.items.size(), 3u);
  EXPECT_EQ(event.items[0].position, 1);
  EXPECT_EQ(event.items[1].item_id, "b");
  EXPECT_EQ(event.items[1].position, 2);
  EXPECT_EQ(event.items[2].item_id, "c");
  EXPECT_EQ(event.properties, R"({"category":"Deals"})");
}

TEST(Segment, PropertiesOfCustomEventsStayAsTheyAre) {
  const std::string properties =
      R"({"name":"Gold","category":7,"price":"cheap","products":"none","total":{"a":1},"value":"high","plan":null})";
  const DecodedBody decoded = segment(track("Plan Chosen", properties));
  ASSERT_EQ(decoded.reason(), "");
  const Event& event = decoded.events()[0];
  EXPECT_TRUE(event.items.empty());
  EXPECT_FALSE(event.order.has_value());
  for (const auto part : {R"("name":"Gold")", R"("category":7)", R"("price":"cheap")", R"("products":"none")",
                          R"("total":{"a":1})", R"("value":"high")", R"("plan":null)"}) {
    EXPECT_THAT(event.properties, HasSubstr(part));
  }
}

TEST(Segment, PageAndScreenAreViewsOfAPage) {
  const DecodedBody decoded = segment(
      R"([{"type":"page","name":"Home","userId":"u","properties":{"url":"https://e.com/a","path":"/a","referrer":"r","x":1}},)"
      R"({"type":"screen","name":"Cart","userId":"u","context":{"device":{"type":"ios","model":"X"},"os":{"name":"iOS"}}}])");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].page_title, "Home");
  EXPECT_EQ(decoded.events()[0].page_url, "https://e.com/a");
  EXPECT_EQ(decoded.events()[0].page_path, "/a");
  EXPECT_EQ(decoded.events()[0].page_referrer, "r");
  EXPECT_EQ(decoded.events()[0].properties, R"({"x":1})");
  EXPECT_EQ(decoded.events()[1].page_title, "Cart");
  EXPECT_EQ(decoded.events()[1].device_type, "ios");
  EXPECT_EQ(decoded.events()[1].os, "iOS");
  EXPECT_EQ(decoded.events()[1].properties, R"({"context":{"device":{"type":"ios","model":"X"}}})");
}

TEST(Segment, IdentityMessagesKeepTheirTraits) {
  const DecodedBody decoded = segment(
      R"([{"type":"identify","userId":"u","anonymousId":"a","traits":{"email":"x@example.com"}},)"
      R"({"type":"alias","userId":"u","previousId":"old"},{"type":"group","userId":"u","groupId":"g","traits":{"n":1}}])");
  ASSERT_EQ(decoded.reason(), "");
  for (const Event& event : decoded.events()) EXPECT_EQ(event.type, EventType::kIdentify);
  EXPECT_EQ(decoded.events()[0].properties, R"({"traits":{"email":"x@example.com"}})");
  EXPECT_EQ(decoded.events()[1].anonymous_id, "old");
  EXPECT_EQ(decoded.events()[2].properties, R"({"traits":{"n":1},"group_id":"g"})");
}

TEST(Segment, TheRouteGivesTheTypeThatABodyLacks) {
  BodyFacts facts = test_facts();
  facts.segment_type = "page";
  EXPECT_EQ(segment(R"({"userId":"u","name":"Home"})", facts).events()[0].type, EventType::kPageView);
  EXPECT_EQ(segment(R"({"type":"track","event":"x","userId":"u"})", facts).events()[0].type_name, "x");
  EXPECT_EQ(segment(R"({"userId":"u"})").reason(),
            "invalid: type: a message needs a type: track, page, identify, …");
}

TEST(Segment, BatchContextIsSharedAndOverridden) {
  const DecodedBody decoded = segment(
      R"({"context":{"locale":"de","ip":"1.1.1.1","app":{"name":"A"},"campaign":{"name":"c"}},"channel":"server","batch":[)"
      R"({"type":"track","event":"x","userId":"u","context":{"ip":"2.2.2.2","app":{"name":"B"}}},)"
      R"({"type":"track","event":"y","userId":"u"}]})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_EQ(decoded.events()[0].ip, "2.2.2.2");
  EXPECT_EQ(decoded.events()[0].locale, "de");
  EXPECT_EQ(decoded.events()[0].properties,
            R"({"channel":"server","context":{"app":{"name":"B"},"campaign":{"name":"c"}}})");
  EXPECT_EQ(decoded.events()[1].ip, "1.1.1.1");
  EXPECT_THAT(decoded.events()[1].properties, HasSubstr(R"("app":{"name":"A"})"));
}

TEST(Segment, WriteKeysDoNotReachTheTables) {
  const DecodedBody decoded = segment(R"({"type":"track","event":"x","userId":"u","writeKey":"secret-key"})");
  EXPECT_THAT(describe(decoded.events()[0]), Not(HasSubstr("secret-key")));
}

struct ClockCase {
  std::string_view name, fields;
  DurationUs before_received;
};

TEST(Segment, ClocksThatAreOffAreMended) {
  // Received at 12:00:00.
  const ClockCase kCases[] = {
      {"no time", "", 0},
      {"right clock", R"("timestamp":"2024-07-01T11:50:00Z","sentAt":"2024-07-01T11:59:58Z",)",
       10 * kMinuteUs},
      {"no sent time", R"("timestamp":"2024-07-01T09:00:00Z",)", 3 * kHourUs},
      {"an hour behind", R"("timestamp":"2024-07-01T10:58:00Z","sentAt":"2024-07-01T11:00:00Z",)",
       2 * kMinuteUs},
      {"thousands of years ahead", R"("timestamp":"2024-07-01T11:50:00Z","sentAt":"8712-07-01T11:00:00Z",)",
       10 * kMinuteUs},
      {"in 2100", R"("originalTimestamp":"2100-01-01T00:00:00Z","sentAt":"2100-01-01T00:00:03Z",)",
       3 * kSecondUs},
      {"milliseconds", R"("timestamp":1719831600000,)", kHourUs},
      {"mended by whoever received it first",
       R"("timestamp":"2024-07-01T11:00:00Z","originalTimestamp":"2024-07-01T05:00:00Z",)"
       R"("sentAt":"2024-07-01T05:00:00Z","receivedAt":"2024-07-01T11:00:01Z",)",
       kHourUs}};
  for (const ClockCase& c : kCases) {
    const DecodedBody decoded =
        segment("{" + std::string(c.fields) + R"("type":"track","event":"x","userId":"u"})");
    ASSERT_EQ(decoded.reason(), "") << c.name;
    EXPECT_EQ(kTestReceived - decoded.events()[0].event_time, c.before_received) << c.name;
  }
}

TEST(Segment, SentTimeOfTheBatchMendsToo) {
  const DecodedBody decoded = segment(
      R"({"batch":[{"type":"track","event":"x","userId":"u","timestamp":"2020-01-01T00:00:00Z"}],"sentAt":"2020-01-01T00:00:09Z"})");
  EXPECT_EQ(kTestReceived - decoded.events()[0].event_time, 9 * kSecondUs);
}

struct RefusedMessage {
  std::string text, reason;
};

TEST(Segment, RefusalsSayWhatAndWhere) {
  const RefusedMessage kCases[] = {
      {R"({"type":"track","userId":"u"})", "invalid: event: a track message needs the event's name"},
      {R"({"type":"trakc","userId":"u"})",
       "invalid: type: must be track, page, screen, identify, group or alias"},
      {track("Product Viewed", "{}"), "invalid: items: a item_view needs an item"},
      {track("Product Viewed", R"({"product_id":"p","price":"cheap"})"),
       "invalid: properties.price: 'cheap' is not a number"},
      {track("Order Completed", R"({"products":[{"product_id":"p"},{"name":"n"}]})"),
       "invalid: items[1].item_id: an item needs an id"},
      {track("Order Completed", R"({"products":[{"product_id":"p"},{"product_id":"q","quantity":true}]})"),
       "invalid: properties.products[1].quantity: must be a number, not true"},
      {track("Order Completed", R"({"products":[{"product_id":"p","quantity":-1}]})"),
       "invalid: items[0].quantity: must not be negative; send what comes back as a refund"},
      {track("Order Completed", "{}"), "invalid: items: a purchase needs items, an order id or a total"},
      {track("Order Completed", R"({"order_id":"o","currency":"euro"})"),
       "invalid: properties.currency: must be a currency of three letters such as EUR, not \"euro\""},
      {track("Product Reviewed", R"({"product_id":"p","rating":6})"),
       "invalid: value: a rating needs a value from 1 to 5"},
      {track("Product Reviewed", R"({"product_id":"p","rating":"NaN"})"),
       "invalid: properties.rating: must be a finite number, not \"NaN\""},
      {R"({"type":"track","event":"x","userId":{"a":1}})", "invalid: userId: must not be an object"},
      {R"({"type":"track","event":"x","userId":1.5})",
       "invalid: userId: must be text or a whole number, not 1.5"},
      {R"({"type":"track","event":"x","userId":"a\u0000b"})",
       "invalid: userId: must not hold a NUL character"},
      {R"({"type":"track","event":"x","properties":[1]})", "invalid: properties: must be an object"},
      {R"({"type":"track","event":"x","context":{"page":{"url":{}}}})",
       "invalid: context.page.url: must not be an object"},
      {R"({"type":"track","event":"x","timestamp":"yesterday"})",
       "invalid: timestamp: 'yesterday' is not a time such as 2024-07-01T09:00:00Z"}};
  for (const RefusedMessage& c : kCases) {
    const DecodedBody decoded = segment(c.text);
    ASSERT_TRUE(decoded.split.has_value()) << c.text;
    EXPECT_EQ(decoded.reason(), c.reason) << c.text;
  }
}

TEST(Segment, OfAKeyGivenTwiceTheLastCounts) {
  const DecodedBody decoded = segment(
      R"({"type":"page","type":"track","event":"x","userId":"a","userId":"b","properties":{"value":1,"value":2}})");
  EXPECT_EQ(decoded.events()[0].type_name, "x");
  EXPECT_EQ(decoded.events()[0].user_id, "b");
  EXPECT_EQ(decoded.events()[0].value, 2);
}

TEST(Segment, EscapedKeysAreTheSameKeys) {
  const DecodedBody decoded =
      segment(R"({"type":"track","event":"x","us\u0065rId":"u","properties":{"a\"b":1}})");
  EXPECT_EQ(decoded.events()[0].user_id, "u");
  EXPECT_EQ(decoded.events()[0].properties, R"({"a\"b":1})");
}

}  // namespace
}  // namespace millrace
