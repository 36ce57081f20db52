#include "event/json_writer.h"

#include <limits>

#include <gtest/gtest.h>

#include "event/codec_testing.h"

namespace millrace {
namespace {

std::string written(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

TEST(JsonString, EscapesWhatJsonWants) {
  EXPECT_EQ(written(""), "\"\"");
  EXPECT_EQ(written("plain é"), "\"plain é\"");
  EXPECT_EQ(written("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(written(std::string_view("\0\x1f", 2)), "\"\\u0000\\u001f\"");
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(written("a\xFF"
                    "b"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(written("\xC3"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(written("\xED\xA0\x80 \xC3\xA9"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \xC3\xA9\"");
}

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", 1).key("b").begin_array().integer(-2).text("x").begin_object().end_object();
  json.end_array().member("c", true).key("d").null().key("e").raw("[1]").end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[-2,"x",{}],"c":true,"d":null,"e":[1]})");
}

TEST(JsonWriter, LeavesOutWhatIsNotThere) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member_if("a", "")
      .member_if("b", std::optional<double>())
      .member_if("c", "x")
      .end_object();
  EXPECT_EQ(out, R"({"c":"x"})");
}

TEST(JsonWriter, WritesDecimalsExactly) {
  for (const std::string_view text : {"0", "12.5", "-0.0001", "99999999999999.9999", "-7", "19.9", "0.05"}) {
    std::string out;
    JsonWriter(out).decimal(*Decimal::parse(text));
    EXPECT_EQ(out, text);
  }
}

TEST(JsonWriter, WritesNumbersThatReadBackTheSame) {
  std::string out;
  JsonWriter json(out);
  json.begin_array()
      .number(0.1)
      .number(1e300)
      .number(-2)
      .number(std::numeric_limits<double>::quiet_NaN())
      .end_array();
  EXPECT_EQ(out, "[0.1,1e+300,-2,null]");
}

Event full_event(std::vector<EventItem>& items) {
  Event event;
  event.type = EventType::kPurchase;
  event.type_name = "purchase";
  event.message_id = "m\"1";
  event.source = "web";
  event.user_id = "u";
  event.anonymous_id = "a";
  event.session_id = "s";
  event.event_time = kTestReceived - 1;
  event.received_time = kTestReceived;
  event.page_url = "https://example.com/?q=é";
  event.page_path = "/";
  event.page_title = "tab\there";
  event.page_referrer = "r";
  event.search_query = "q";
  event.list_id = "l";
  event.device_type = "mobile";
  event.os = "os";
  event.browser = "b";
  event.user_agent = "ua";
  event.ip = "::1";
  event.locale = "de";
  event.country = "DE";
  event.region = "BY";
  event.city = "M\xC3\xBCnchen";
  event.postal_code = "80331";
  event.latitude = 48.137154;
  event.longitude = -11.576124;
  event.value = 0.1;
  event.recommendation_id = "rec";
  event.properties = R"({"a":[1,{"b":null}]})";
  items.resize(2);
  items[0] = {.item_id = "i1",
              .name = "n",
              .category = "A/B",
              .brand = "br",
              .variant = "v",
              .price = Decimal::from_units(199'001),
              .quantity = Decimal::from_integer(2),
              .currency = "EUR",
              .position = 3,
              .in_cart = true};
  items[1].item_id = "i2";
  event.items = items;
  event.order = EventOrder{.order_id = "o",
                           .total = Decimal::from_units(1),
                           .revenue = Decimal::from_integer(5),
                           .shipping = Decimal(),
                           .tax = Decimal(),
                           .discount = Decimal::from_units(-5),
                           .coupon = "c",
                           .currency = "EUR"};
  return event;
}

Event read_back(const Event& event, EventBatch& batch, std::unique_ptr<PaddedText>& text) {
  std::string json;
  append_native_event(event, json);
  text = std::make_unique<PaddedText>(json);
  Envelope envelope;
  envelope.source = event.source;
  envelope.received_time = event.received_time;
  const auto status = decode_record(envelope, text->view(), batch);
  EXPECT_TRUE(status.has_value()) << json;
  return batch.events.front();
}

TEST(AppendNativeEvent, ReadsBackTheSameWithEveryField) {
  std::vector<EventItem> items;
  const Event event = full_event(items);
  EventBatch batch;
  std::unique_ptr<PaddedText> text;
  EXPECT_EQ(describe(read_back(event, batch, text)), describe(event));
}

TEST(AppendNativeEvent, ReadsBackTheSameWithHardlyAny) {
  Event event;
  event.type_name = "something of theirs";
  event.source = "web";
  event.event_time = event.received_time = kTestReceived;
  EventBatch batch;
  std::unique_ptr<PaddedText> text;
  EXPECT_EQ(describe(read_back(event, batch, text)), describe(event));
}

}  // namespace
}  // namespace millrace
