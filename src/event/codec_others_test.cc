// Visits, activity events, CloudEvents, GA4 and push messages.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/env.h"
#include "base/text.h"
#include "event/codec_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const ExampleBody& example(std::string_view name) {
  for (const ExampleBody& body : example_bodies()) {
    if (body.name == name) return body;
  }
  throw std::logic_error("no such example");
}

/// Read a file of the shared data set, or nothing when it is not here.
std::optional<std::string> shared_data(const std::string& name) {
  const char* folder = std::getenv("MILLRACE_SHARED_DATA");
  auto text = read_file(Env::system(), Path(folder ? folder : "../shared/data") / name);
  return text ? std::optional(*text) : std::nullopt;
}

TEST(Visit, EveryEventOfTheExampleIsRight) {
  const DecodedBody decoded = decode_body(CodecId::kVisit, example("visit").text);
  ASSERT_EQ(decoded.events().size(), 3u) << decoded.reason();
  const auto& events = decoded.events();
  EXPECT_EQ(events[0].page_url, "https://example.com/home");
  EXPECT_EQ(events[0].page_referrer, "");
  EXPECT_EQ(events[1].type, EventType::kAddToCart);
  EXPECT_EQ(events[1].items[0].name, "27\" Monitor");
  EXPECT_EQ(events[1].items[0].price, Decimal::from_units(899'900));
  EXPECT_EQ(format_time(events[1].event_time), "2024-07-01T07:01:00Z");
  EXPECT_EQ(events[2].order->total, Decimal::from_units(1'799'800));
  EXPECT_EQ(events[2].items[0].currency, "USD");
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(events[i].event_index, i);
    EXPECT_EQ(events[i].session_id, "SID-1");
    EXPECT_EQ(events[i].user_id, "UID-1");
    EXPECT_EQ(events[i].device_type, "mobile");
    EXPECT_EQ(events[i].latitude, -45.9);
    EXPECT_TRUE(events[i].message_id.ends_with(":" + std::to_string(i)));
  }
  EXPECT_EQ(decoded.split->accepted[0].count, 3u);
  EXPECT_EQ(decoded.split->accepted[0].key, "SID-1");
}

TEST(Visit, TheOrderOfItsFieldsDoesNotMatter) {
  const DecodedBody decoded = decode_body(
      CodecId::kVisit,
      R"({"events":[{"details":{"page_url":"/a"},"timestamp":"2024-07-01T09:00:00","event_type":"page_view"}],)"
      R"("shop":"north","session_id":"s"})");
  ASSERT_EQ(decoded.events().size(), 1u) << decoded.reason();
  EXPECT_EQ(decoded.events()[0].session_id, "s");
  EXPECT_EQ(decoded.events()[0].properties, R"({"shop":"north"})");
}

TEST(Visit, TheSameBytesHaveTheSameIds) {
  const auto first = decode_body(CodecId::kVisit, example("visit").text);
  const auto again = decode_body(CodecId::kVisit, example("visit").text);
  EXPECT_EQ(first.events()[1].message_id, again.events()[1].message_id);
}

TEST(Visit, RefusalsSayWhatAndWhere) {
  const std::pair<std::string, std::string> kCases[] = {
      {R"({"session_id":"s","events":[]})", "invalid: events: a visit needs at least one event"},
      {R"({"session_id":"s"})", "invalid: events: a visit needs at least one event"},
      {R"({"events":[{"event_type":"page_view"}]})",
       "invalid: events[0].timestamp: an event of a visit needs its time"},
      {R"({"geolocation":"here","events":[]})",
       "invalid: geolocation: must be latitude and longitude in degrees, such as \"48.1,11.6\""},
      {R"({"events":[{"event":{"event_type":"add_item_to_cart","timestamp":"2024-07-01","details":{"price":"x"}}}]})",
       "invalid: events[0].event.details.price: 'x' is not a number"},
      {R"({"events":[{"event_type":"add_item_to_cart","timestamp":"2024-07-01","details":{"price":1}}]})",
       "invalid: events[0].items[0].item_id: an item needs an id"}};
  for (const auto& [text, reason] : kCases)
    EXPECT_EQ(decode_body(CodecId::kVisit, text).reason(), reason) << text;
}

TEST(Visit, DetailsThatAreNoItemAreKept) {
  const DecodedBody decoded = decode_body(
      CodecId::kVisit,
      R"({"events":[{"event_type":"zoom","timestamp":"2024-07-01","details":{"category":"c","x":1}}]})");
  ASSERT_EQ(decoded.reason(), "");
  EXPECT_TRUE(decoded.events()[0].items.empty());
  EXPECT_THAT(decoded.events()[0].properties, HasSubstr(R"("details":{"category":"c","x":1})"));
}

TEST(Visit, TheRealSampleHasTenEvents) {
  const auto text = shared_data("clickstream/sample.jsonl");
  if (!text) GTEST_SKIP() << "set MILLRACE_SHARED_DATA to the folder with clickstream/sample.jsonl";
  const DecodedBody decoded = decode_body(CodecId::kVisit, *text);
  ASSERT_EQ(decoded.reason(), "");
  ASSERT_EQ(decoded.events().size(), 10u);
  std::map<EventType, int> types;
  for (const Event& event : decoded.events()) {
    ++types[event.type];
    EXPECT_EQ(format_time(event.event_time), "2024-07-01T09:00:00Z");
    EXPECT_EQ(event.session_id, "SID-2824");
  }
  EXPECT_EQ(types[EventType::kPageView], 6);
  EXPECT_EQ(types[EventType::kAddToCart], 3);
  EXPECT_EQ(types[EventType::kPurchase], 1);
  EXPECT_EQ(decoded.events()[9].order->total->text(), "3859.94");
  EXPECT_EQ(decoded.events()[9].items.size(), 3u);
}

TEST(Activity, GivesOneEventWithViewsAndCartItems) {
  BodyFacts facts = test_facts();
  facts.message_id = "idem-1";
  const DecodedBody decoded = decode_body(CodecId::kActivity, example("activity").text, facts);
  ASSERT_EQ(decoded.events().size(), 1u) << decoded.reason();
  const Event& event = decoded.events()[0];
  EXPECT_EQ(event.type, EventType::kActivity);
  EXPECT_EQ(event.message_id, "idem-1");
  EXPECT_EQ(event.user_id, "478");
  EXPECT_EQ(event.city, "Pasadena");
  EXPECT_EQ(event.country, "USA");
  ASSERT_EQ(event.items.size(), 2u);
  EXPECT_TRUE(event.items[0].in_cart);
  EXPECT_EQ(event.items[0].quantity, Decimal::from_integer(1));
  EXPECT_FALSE(event.items[1].in_cart);
  EXPECT_EQ(event.items[1].quantity, Decimal::from_integer(7));
  EXPECT_EQ(event.properties, R"({"credit_limit":59811})");
}

TEST(Activity, NeedsToSayAnything) {
  EXPECT_THAT(decode_body(CodecId::kActivity, "{}").reason(), HasSubstr("needs session_id"));
  EXPECT_EQ(decode_body(CodecId::kActivity, R"({"browse_history":[{"quantity":1}]})").reason(),
            "invalid: items[0].item_id: an item needs an id");
}

TEST(Activity, TheRealRecordIsRead) {
  const auto text = shared_data("ecommerce/delivery-stream-one-record.json");
  if (!text)
    GTEST_SKIP() << "set MILLRACE_SHARED_DATA to the folder with ecommerce/delivery-stream-one-record.json";
  const DecodedBody decoded = decode_body(CodecId::kActivity, *text);
  ASSERT_EQ(decoded.events().size(), 1u) << decoded.reason();
  EXPECT_EQ(decoded.events()[0].items.size(), 3u);
  EXPECT_EQ(decoded.events()[0].items[2].quantity, Decimal::from_integer(7));
  EXPECT_THAT(decoded.events()[0].properties, HasSubstr("\"recommended_items\""));
}

TEST(CloudEvents, NativeDataIsRead) {
  const DecodedBody decoded = decode_body(CodecId::kCloudEvents, example("cloud event").text);
  ASSERT_EQ(decoded.events().size(), 1u) << decoded.reason();
  const Event& event = decoded.events()[0];
  EXPECT_EQ(event.type, EventType::kItemView);
  EXPECT_EQ(event.message_id, "/shop/web#A-1");
  EXPECT_EQ(event.user_id, "12");
  EXPECT_EQ(format_time(event.event_time), "2024-07-01T11:58:00Z");
  EXPECT_EQ(event.properties, R"({"subject":"x","datacontenttype":"application/json","colour":"red"})");
}

std::string cloud_event(std::string_view type, std::string_view data) {
  return R"({"specversion":"1.0","id":"1","source":"s","type":")" + std::string(type) + "\"," +
         std::string(data) + "}";
}

TEST(CloudEvents, AnyDataIsKept) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {R"("data":"text")", R"({"data":"text"})"},
      {R"("data":[1,2])", R"({"data":[1,2]})"},
      {R"("data":{"value":"n/a","order":5})", R"({"data":{"value":"n/a","order":5}})"},
      {R"("data_base64":"AAEC")", R"({"data_base64":"AAEC"})"},
      {R"("data_base64":"eyJjb2xvdXIiOiJyZWQifQ==")", R"({"colour":"red"})"},
      {R"("data":null)", R"({"data":null})"}};
  for (const auto& [data, properties] : kCases) {
    const DecodedBody decoded = decode_body(CodecId::kCloudEvents, cloud_event("org.example.done", data));
    ASSERT_EQ(decoded.events().size(), 1u) << data << decoded.reason();
    EXPECT_EQ(decoded.events()[0].type_name, "org.example.done");
    EXPECT_EQ(decoded.events()[0].properties, properties);
  }
}

TEST(CloudEvents, DataOfOurOwnTypesMustBeRight) {
  EXPECT_EQ(decode_body(CodecId::kCloudEvents, cloud_event("purchase", R"("data":{"order":5})")).reason(),
            "invalid: data.order: must be an object");
  EXPECT_EQ(decode_body(CodecId::kCloudEvents, R"({"id":"1","source":"s","type":"x"})").reason(),
            "invalid: specversion: must be \"1.0\"");
  EXPECT_EQ(decode_body(CodecId::kCloudEvents, R"({"specversion":"1.0","source":"s","type":"x"})").reason(),
            "invalid: id: a CloudEvent needs an id");
}

TEST(CloudEvents, ABatchIsAnArray) {
  const std::string one = cloud_event("x", R"("data":{})");
  EXPECT_EQ(decode_body(CodecId::kCloudEvents, "[" + one + "," + one + "]").events().size(), 2u);
}

TEST(CloudEvents, BinaryModeBecomesStructured) {
  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;
  const Headers headers = {{"Host", "x"},
                           {"CE-ID", "7"},
                           {"ce-source", "/s"},
                           {"ce-specversion", "1.0"},
                           {"ce-type", "page_view"},
                           {"ce-Partitionkey", "k"}};
  const auto text = structured_cloud_event(headers, R"( {"user_id":"u"} )");
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(
      *text,
      R"({"id":"7","source":"/s","specversion":"1.0","type":"page_view","partitionkey":"k","data":{"user_id":"u"}})");
  const DecodedBody decoded = decode_body(CodecId::kCloudEvents, *text);
  EXPECT_EQ(decoded.events()[0].user_id, "u");
  EXPECT_THAT(*structured_cloud_event(headers, "\x01\x02"), HasSubstr(R"("data_base64":"AQI=")"));
  EXPECT_FALSE(structured_cloud_event(Headers{{"ce-id", "7"}}, "{}").has_value());
}

TEST(Ga4, NamesAndParametersAreMapped) {
  const DecodedBody decoded = decode_body(CodecId::kGa4, example("ga4").text);
  ASSERT_EQ(decoded.events().size(), 2u) << decoded.reason();
  const Event& event = decoded.events()[0];
  EXPECT_EQ(event.type, EventType::kPurchase);
  EXPECT_EQ(event.anonymous_id, "123.456");
  EXPECT_EQ(event.user_id, "u9");
  EXPECT_EQ(event.session_id, "777");
  EXPECT_EQ(event.event_time, 1'719'835'000'000'000);
  EXPECT_EQ(event.order->order_id, "T1");
  EXPECT_EQ(event.order->revenue->text(), "12.21");
  EXPECT_EQ(event.items[0].category, "Apparel/Adult");
  EXPECT_EQ(event.items[0].position, 1);
  EXPECT_EQ(decoded.events()[1].type_name, "tutorial_begin");
  EXPECT_NE(decoded.events()[0].message_id, decoded.events()[1].message_id);
  EXPECT_EQ(decode_body(CodecId::kGa4, R"({"client_id":"c"})").reason(),
            "invalid: events: the body needs an array of events");
}

TEST(Ga4, EventNames) {
  const std::pair<std::string_view, EventType> kNames[] = {{"view_item_list", EventType::kListView},
                                                           {"view_item", EventType::kItemView},
                                                           {"search", EventType::kSearch},
                                                           {"add_to_cart", EventType::kAddToCart},
                                                           {"remove_from_cart", EventType::kRemoveFromCart},
                                                           {"page_view", EventType::kPageView},
                                                           {"refund", EventType::kRefund},
                                                           {"begin_checkout", EventType::kCustom},
                                                           {"select_item", EventType::kCustom}};
  for (const auto& [name, type] : kNames) {
    const DecodedBody decoded =
        decode_body(CodecId::kGa4, R"({"client_id":"c","events":[{"name":")" + std::string(name) +
                                       R"(","params":{"items":[{"item_id":"i"}]}}]})");
    ASSERT_EQ(decoded.events().size(), 1u) << decoded.reason();
    EXPECT_EQ(decoded.events()[0].type, type) << name;
  }
}

std::string push(std::string_view data, std::string_view attributes = "{}") {
  return R"({"message":{"data":")" + base64_encode(data) + R"(","attributes":)" + std::string(attributes) +
         R"(,"message_id":"77"},"subscription":"s"})";
}

TEST(PubSub, HoldsOneOfTheOthers) {
  const DecodedBody native = decode_body(CodecId::kPubSub, example("pubsub").text);
  ASSERT_EQ(native.events().size(), 1u) << native.reason();
  EXPECT_EQ(native.events()[0].message_id, "136969346945");
  const auto visit = decode_body(CodecId::kPubSub, push(example("visit").text, R"({"codec":"visit"})"));
  EXPECT_EQ(visit.events().size(), 3u) << visit.reason();
  BodyFacts facts = test_facts();
  facts.push_codec = CodecId::kActivity;
  const auto activity = decode_body(CodecId::kPubSub, push(example("activity").text), facts);
  EXPECT_EQ(activity.events()[0].type, EventType::kActivity) << activity.reason();
  EXPECT_EQ(activity.events()[0].message_id, "77");
}

TEST(PubSub, AWrapperThatIsWrongFailsWhole) {
  const std::pair<std::string, std::string> kCases[] = {
      {"{}", "message: a push needs its message"},
      {R"({"message":{"attributes":{}}})", "message.data: the message has no data"},
      {R"({"message":{"data":"%%%"}})", "message.data: "},
      {push("{}", R"({"codec":"avro"})"), "message.attributes.codec: 'avro' is not a codec"},
      {push("{}", R"({"codec":"pubsub"})"), "message.attributes.codec: 'pubsub' is not a codec"},
      {push("not json"), "not valid JSON"}};
  for (const auto& [text, reason] : kCases) {
    const DecodedBody decoded = decode_body(CodecId::kPubSub, text);
    ASSERT_FALSE(decoded.split.has_value()) << text;
    EXPECT_THAT(decoded.reason(), HasSubstr(reason));
  }
}

TEST(PubSub, ARecordOfTheWrapperDecodesToo) {
  const PaddedText text(example("pubsub").text);
  Envelope envelope;
  envelope.codec = CodecId::kPubSub;
  envelope.received_time = kTestReceived;
  EventBatch batch;
  ASSERT_TRUE(decode_record(envelope, text.view(), batch).has_value());
  EXPECT_EQ(batch.events[0].type, EventType::kPageView);
  EXPECT_EQ(batch.events[0].message_id, "136969346945");
}

}  // namespace
}  // namespace millrace
