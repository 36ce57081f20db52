#include "recommend/activity_record.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/record_address.h"
#include "event/json_read.h"
#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

/// What the record says itself: an event's own fields of these names would be taken for ours.
constexpr std::array<std::string_view, 19> kOurs = {"session_id",
                                                    "customer_number",
                                                    "city",
                                                    "country",
                                                    "browse_history",
                                                    "similar_items",
                                                    "similar_by_product",
                                                    "model",
                                                    "recommended_items",
                                                    "latency_us",
                                                    "fallback",
                                                    "recommendation_id",
                                                    "kind",
                                                    "served_us",
                                                    "user",
                                                    "session",
                                                    "placement",
                                                    "event",
                                                    "request"};

/// Customer numbers are numbers where they can be: "478", but neither "007" nor "u478".
bool is_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::to_string(value) == text;
}

void customer_number(JsonWriter& json, std::string_view user_id) {
  json.key("customer_number");
  if (user_id.empty()) {
    json.null();
  } else if (is_number(user_id)) {
    json.raw(user_id);
  } else {
    json.text(user_id);
  }
}

void nullable(JsonWriter& json, std::string_view name, std::string_view text) {
  json.key(name);
  text.empty() ? json.null() : json.text(text);
}

/// Write what an event says beyond the fields we know, credit_limit for one.
void other_fields(JsonWriter& json, std::string_view properties) {
  if (properties.empty()) return;
  EventBatch arena;
  const std::string_view text =
      arena.keep(std::string(properties).append(64, '\0')).substr(0, properties.size());
  const auto copy = [&](std::string_view key, json::od::value& member) -> Status {
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
    if (std::ranges::find(kOurs, key) == kOurs.end()) json.key(key).raw(raw);
    return {};
  };
  // They were read when the event came; what cannot be read again is not worth the answer.
  static_cast<void>(json::each_member_of(text, arena, copy));
}

void browse_history(JsonWriter& json, const Event& event) {
  json.key("browse_history").begin_array();
  for (const EventItem& item : event.items) {
    json.begin_object().member("product_code", item.item_id);
    if (item.quantity) json.member("quantity", item.quantity->text());
    json.member("in_shopping_cart", item.in_cart).end_object();
  }
  json.end_array();
}

void event_fields(JsonWriter& json, const Event& event) {
  nullable(json, "session_id", event.session_id);
  customer_number(json, event.user_id);
  json.member_if("city", event.city).member_if("country", event.country);
  other_fields(json, event.properties);
  browse_history(json, event);
}

void similar(JsonWriter& json, const SimilarItems& of) {
  json.begin_object().member("product_code", of.product_code).key("similar_items").begin_array();
  for (const RecommendedItem& item : of.items)
    json.begin_object().member("id", item.id).member("distance", activity_distance(item.score)).end_object();
  json.end_array().end_object();
}

void recommended(JsonWriter& json, const ActivityAnswer& answer) {
  json.key("recommended_items").begin_array();
  for (const RecommendedItem& item : answer.recommended.items)
    json.begin_object().member("id", item.id).member("score", item.score).end_object();
  json.end_array().key("similar_items");
  answer.similar.empty() ? static_cast<void>(json.null()) : similar(json, answer.similar.front());
  json.key("similar_by_product").begin_array();
  for (const SimilarItems& each : answer.similar) similar(json, each);
  json.end_array();
}

std::string place_of(const Event& event) {
  return record_id({std::string(kEventsTopic), event.log_partition}, event.log_offset);
}

}  // namespace

std::string activity_answer_id(const Event& event) {
  std::string text;
  JsonWriter json(text);
  json.begin_array().text(event.source).text(event.message_id);
  if (event.message_id.empty()) json.text(place_of(event)).integer(event.event_index);
  json.end_array();
  std::string hex = to_hex(hash128(text));
  hex[12] = '8';  // a UUID of our own making
  hex[16] = "89ab"[static_cast<std::size_t>(hex[16]) % 4];
  for (const std::size_t at : {20, 16, 12, 8}) hex.insert(at, "-");
  return hex;
}

std::vector<std::string> activity_products(const Event& event, std::size_t max) {
  std::vector<std::string> products;
  for (const bool in_cart : {true, false}) {
    for (const EventItem& item : event.items) {
      if (products.size() >= max) return products;
      if (item.in_cart != in_cart || item.item_id.empty()) continue;
      if (std::ranges::find(products, item.item_id) == products.end()) products.emplace_back(item.item_id);
    }
  }
  return products;
}

double activity_distance(double score) {
  return 1 / (1 + std::max(score, 0.0));
}

std::string activity_record(const Event& event, const ActivityAnswer& answer) {
  const Recommendations& made = answer.recommended;
  std::string out;
  out.reserve(1'024 + 512 * answer.similar.size() + event.properties.size() + 96 * event.items.size());
  JsonWriter json(out);
  json.begin_object();
  event_fields(json, event);
  recommended(json, answer);
  json.member("model", made.model).member("latency_us", made.latency_us);
  json.member("recommendation_id", made.recommendation_id);
  nullable(json, "fallback", made.fallback.value_or(""));
  json.member("kind", "activity").member("served_us", made.time);
  nullable(json, "user", made.user);
  nullable(json, "session", made.session);
  json.member("placement", placement_name(made.placement));
  json.key("event").begin_object().member("record", place_of(event)).member("source", event.source);
  json.member_if("message_id", event.message_id).end_object().end_object();
  // Between values of the event there may be line breaks; inside of texts there are none.
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

}  // namespace millrace
