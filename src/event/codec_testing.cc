#include "event/codec_testing.h"

#include <stdexcept>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.h"
#include "event/json_writer.h"

namespace millrace {

PaddedText::PaddedText(std::string_view text) : bytes_(text.begin(), text.end()) {
  constexpr std::string_view kTrap = "\"}]{[,:";
  for (std::size_t i = 0; i < 64; ++i) bytes_.push_back(kTrap[i % kTrap.size()]);
}

BodyFacts test_facts() {
  BodyFacts facts;
  facts.source = "web";
  facts.received_time = kTestReceived;
  facts.ip = "192.0.2.7";
  facts.user_agent = "test/1";
  return facts;
}

std::string DecodedBody::reason() const {
  if (!split) return fmt::format("{}: {}", code_name(split.error().code), split.error().text());
  if (split->refused.empty()) return "";
  const Error& error = split->refused.front().reason;
  return fmt::format("{}: {}", code_name(error.code), error.text());
}

DecodedBody decode_body(CodecId codec, std::string_view text, const BodyFacts& facts,
                        const BodyLimits& limits) {
  DecodedBody out{
      .body = std::make_unique<PaddedText>(text), .split = BodySplit{}, .values = {}, .batch = {}};
  out.split = split_body(codec, out.body->view(), facts, limits);
  if (!out.split) return out;
  for (const BodyRecord& record : out.split->accepted) {
    const std::size_t before = out.batch.events.size();
    const auto envelope = decode_envelope(record.attributes);
    if (!envelope) throw std::logic_error(envelope.error().text());
    const auto& value = out.values.emplace_back(std::make_unique<PaddedText>(record.value));
    const auto status = decode_record(*envelope, value->view(), out.batch);
    if (!status) throw std::logic_error("accepted, but does not decode: " + status.error().text());
    if (out.batch.events.size() - before != record.count) throw std::logic_error("the count is wrong");
  }
  return out;
}

namespace {

class Describer {
 public:
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{}={}\n", name, value);
  }
  void decimal(std::string_view name, const std::optional<Decimal>& value) {
    if (value) out += fmt::format("{}={}\n", name, value->text());
  }
  template <class Number>
  void number(std::string_view name, const std::optional<Number>& value) {
    if (value) out += fmt::format("{}={}\n", name, *value);
  }

  std::string out;
};

void describe_item(const EventItem& item, std::size_t index, Describer& to) {
  to.out += fmt::format("items[{}]:\n", index);
  to.text("  item_id", item.item_id);
  to.text("  name", item.name);
  to.text("  category", item.category);
  to.text("  brand", item.brand);
  to.text("  variant", item.variant);
  to.decimal("  price", item.price);
  to.decimal("  quantity", item.quantity);
  to.text("  currency", item.currency);
  to.number("  position", item.position);
  if (item.in_cart) to.text("  in_cart", "true");
}

void describe_order(const EventOrder& order, Describer& to) {
  to.out += "order:\n";
  to.text("  order_id", order.order_id);
  to.decimal("  total", order.total);
  to.decimal("  revenue", order.revenue);
  to.decimal("  shipping", order.shipping);
  to.decimal("  tax", order.tax);
  to.decimal("  discount", order.discount);
  to.text("  coupon", order.coupon);
  to.text("  currency", order.currency);
}

void describe_texts(const Event& event, Describer& to) {
  to.text("page_url", event.page_url);
  to.text("page_path", event.page_path);
  to.text("page_title", event.page_title);
  to.text("page_referrer", event.page_referrer);
  to.text("search_query", event.search_query);
  to.text("list_id", event.list_id);
  to.text("device_type", event.device_type);
  to.text("os", event.os);
  to.text("browser", event.browser);
  to.text("user_agent", event.user_agent);
  to.text("ip", event.ip);
  to.text("locale", event.locale);
  to.text("country", event.country);
  to.text("region", event.region);
  to.text("city", event.city);
  to.text("postal_code", event.postal_code);
}

}  // namespace

std::string describe(const Event& event) {
  Describer to;
  to.text("type", event_type_name(event.type));
  to.text("type_name", event.type_name);
  to.text("message_id", event.message_id);
  to.text("source", event.source);
  to.text("user_id", event.user_id);
  to.text("anonymous_id", event.anonymous_id);
  to.text("session_id", event.session_id);
  to.text("event_time", format_time(event.event_time));
  to.text("received_time", format_time(event.received_time));
  describe_texts(event, to);
  to.number("latitude", event.latitude);
  to.number("longitude", event.longitude);
  to.number("value", event.value);
  for (std::size_t i = 0; i < event.items.size(); ++i) describe_item(event.items[i], i, to);
  if (event.order) describe_order(*event.order, to);
  to.text("recommendation_id", event.recommendation_id);
  to.text("properties", event.properties);
  if (event.event_index != 0) to.number("event_index", std::optional(event.event_index));
  return to.out;
}

const std::vector<ExampleBody>& example_bodies() {
  static const std::vector<ExampleBody> kExamples = {
      {CodecId::kNative, "native purchase",
       R"({"type":"purchase","message_id":"m-1","user_id":"u1","session_id":"s1",)"
       R"("event_time":"2024-07-01T11:59:00.25Z","items":[{"item_id":"HM-1","name":"Rake \"Pro\"",)"
       R"("category":"Garden/Tools","price":19.90,"quantity":2,"currency":"eur","colour":"red"}],)"
       R"("order":{"order_id":"o-1","total":"43.80","shipping":4,"currency":"EUR"},)"
       R"("properties":{"gift":true,"note":"a\nb"},"campaign":{"id":7}})"},
      {CodecId::kSegment, "segment batch",
       R"({"batch":[{"timestamp":"2024-07-01T11:59:00.000Z","integrations":{},"type":"track",)"
       R"("event":"Order Completed","userId":"u1","anonymousId":"a1","properties":{"order_id":"50314",)"
       R"("total":27.5,"revenue":25.00,"shipping":3,"tax":2,"discount":2.5,"coupon":"hasbros","currency":"USD",)"
       R"("affiliation":"Store","products":[{"product_id":"507f","sku":"45790-32","name":"Monopoly","price":19,)"
       R"("quantity":1,"category":"Games","url":"https://example.com/p"}]},"context":{"library":{"name":"node",)"
       R"("version":"3.1.0"},"ip":"198.51.100.4","page":{"url":"https://example.com/done"}},"messageId":"ajs-1",)"
       R"("_metadata":{}},{"type":"page","name":"Home","anonymousId":"a1","messageId":"ajs-2",)"
       R"("properties":{"url":"https://example.com/","title":"Start \u00e9","referrer":"https://example.org/"}}],)"
       R"("writeKey":"wk","context":{"locale":"de-DE"},"sentAt":"2024-07-01T11:59:59.000Z"})"},
      {CodecId::kCloudEvents, "cloud event",
       R"({"specversion":"1.0","id":"A-1","source":"/shop/web","type":"com.example.item_view",)"
       R"("time":"2024-07-01T11:58:00Z","subject":"x","datacontenttype":"application/json",)"
       R"("data":{"user_id":12,"items":[{"item_id":"HM-2","price":"5.5"}],"colour":"red"}})"},
      {CodecId::kVisit, "visit",
       R"({"session_id":"SID-1","user_id":"UID-1","device_type":"mobile","geolocation":"-45.9,-129.7",)"
       R"("user_agent":"UA","events":[{"event":{"event_type":"page_view","timestamp":"2024-07-01T09:00:00",)"
       R"("details":{"page_url":"https://example.com/home","referrer_url":null}}},)"
       R"({"event_type":"add_item_to_cart","timestamp":"2024-07-01T09:01:00+02:00","details":{"product_id":"HDW-1",)"
       R"("product_name":"27\" Monitor","category":"hardware","price":"89.99","quantity":2}},)"
       R"({"event_type":"purchase","timestamp":"2024-07-01T09:02:00Z","details":{"order_id":"ORD-1","amount":179.98,)"
       R"("currency":"USD","items":[{"product_id":"HDW-1","product_name":"Monitor","category":"hardware",)"
       R"("price":89.99,"quantity":2}]}}]})"},
      {CodecId::kActivity, "activity",
       R"({"session_id":"45ba9939-df9c-4ca9-a11d-2786b63983fd","customer_number":478,"city":"Pasadena",)"
       R"("country":"USA","credit_limit":59811,"browse_history":[{"product_code":"S50_1514","quantity":"1",)"
       R"("in_shopping_cart":true},{"product_code":"S18_1342","quantity":7,"in_shopping_cart":false}]})"},
      {CodecId::kGa4, "ga4",
       R"({"client_id":"123.456","user_id":"u9","timestamp_micros":1719835000000000,)"
       R"("user_properties":{"tier":{"value":"gold"}},"events":[{"name":"purchase","params":{"transaction_id":"T1",)"
       R"("value":12.21,"currency":"USD","tax":1.11,"session_id":"777","engagement_time_msec":100,)"
       R"("items":[{"item_id":"SKU_1","item_name":"Tee","item_category":"Apparel","item_category2":"Adult",)"
       R"("index":0,"price":10.01,"quantity":3}]}},{"name":"tutorial_begin","params":{"value":"abc"}}]})"},
      {CodecId::kPubSub, "pubsub",
       R"({"message":{"data":"eyJ0eXBlIjoicGFnZV92aWV3IiwidXNlcl9pZCI6InUxIn0=","attributes":{"codec":"native"},)"
       R"("messageId":"136969346945","publishTime":"2024-07-01T11:00:00Z"},"subscription":"projects/p/s"})"},
      {CodecId::kNative, "native lines",
       "{\"type\":\"page_view\",\"user_id\":\"u1\",\"page_url\":\"/a\"}\n"
       "{\"type\":\"search\",\"user_id\":\"u1\",\"search_query\":\"rake\"}\n"},
  };
  return kExamples;
}

namespace {

void require(bool holds, std::string_view what, std::string_view about) {
  if (!holds) throw std::logic_error(fmt::format("{}: {}", what, about));
}

/// Ask another parser. It refuses numbers that do not fit its types, which are JSON all the same.
bool is_json_elsewhere(std::string_view text) {
  thread_local simdjson::dom::parser parser;
  const auto code = parser.parse(text.data(), text.size(), true).error();
  return !code || code == simdjson::NUMBER_ERROR;
}

void check_event_texts(const Event& event) {
  const std::string everything = describe(event);
  require(is_utf8(everything), "not UTF-8", everything);
  require(everything.find('\0') == std::string::npos, "holds NUL", everything);
  for (const auto id : {event.message_id, event.user_id, event.anonymous_id, event.session_id}) {
    require(id.size() <= 512, "an id is too long", id);
  }
  require(!event.type_name.empty() && !event.message_id.empty(), "no type or id", everything);
  require(
      event.properties.empty() || (event.properties.front() == '{' && is_json_elsewhere(event.properties)),
      "properties are not a JSON object", event.properties);
  for (const EventItem& item : event.items) require(!item.item_id.empty(), "an item has no id", everything);
}

/// Write the event as a native one and read it back.
void check_native_round_trip(const Event& event) {
  std::string json;
  append_native_event(event, json);
  const PaddedText padded(json);
  Envelope envelope;
  envelope.source = event.source;
  envelope.received_time = event.received_time;
  EventBatch batch;
  const auto status = decode_record(envelope, padded.view(), batch);
  require(status.has_value(), "a written event cannot be read", status ? "" : status.error().text() + json);
  Event same = event;
  same.event_index = 0;
  require(describe(batch.events.front()) == describe(same), "a written event reads differently", json);
}

}  // namespace

void check_any_body(CodecId codec, std::string_view text) {
  const DecodedBody decoded = decode_body(codec, text);
  if (!decoded.split) return;
  for (const BodyRecord& record : decoded.split->accepted) {
    require(is_json_elsewhere(record.value), "accepted, but not JSON", record.value);
  }
  const auto& first = decoded.split->decoded;
  std::size_t events = 0;
  for (const auto& batch : first) {
    for (const Event& event : batch->events) {
      require(events < decoded.events().size(), "fewer events the second time", text);
      require(describe(event) == describe(decoded.events()[events]), "decodes differently", text);
      check_event_texts(event);
      check_native_round_trip(event);
      ++events;
    }
  }
  require(events == decoded.events().size(), "more events the second time", text);
}

}  // namespace millrace
