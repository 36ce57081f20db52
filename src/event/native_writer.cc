#include "event/json_writer.h"

namespace millrace {
namespace {

void write_item(const EventItem& item, JsonWriter& json) {
  json.begin_object()
      .member_if("item_id", item.item_id)
      .member_if("name", item.name)
      .member_if("category", item.category)
      .member_if("brand", item.brand)
      .member_if("variant", item.variant)
      .member_if("price", item.price)
      .member_if("quantity", item.quantity)
      .member_if("currency", item.currency)
      .member_if("position", item.position);
  if (item.in_cart) json.member("in_cart", true);
  json.end_object();
}

void write_order(const EventOrder& order, JsonWriter& json) {
  json.key("order")
      .begin_object()
      .member_if("order_id", order.order_id)
      .member_if("total", order.total)
      .member_if("revenue", order.revenue)
      .member_if("shipping", order.shipping)
      .member_if("tax", order.tax)
      .member_if("discount", order.discount)
      .member_if("coupon", order.coupon)
      .member_if("currency", order.currency)
      .end_object();
}

void write_who_and_where(const Event& event, JsonWriter& json) {
  json.member_if("message_id", event.message_id)
      .member_if("user_id", event.user_id)
      .member_if("anonymous_id", event.anonymous_id)
      .member_if("session_id", event.session_id)
      .key("event_time")
      .time(event.event_time)
      .member_if("page_url", event.page_url)
      .member_if("page_path", event.page_path)
      .member_if("page_title", event.page_title)
      .member_if("page_referrer", event.page_referrer)
      .member_if("search_query", event.search_query)
      .member_if("list_id", event.list_id);
}

void write_device_and_place(const Event& event, JsonWriter& json) {
  json.member_if("device_type", event.device_type)
      .member_if("os", event.os)
      .member_if("browser", event.browser)
      .member_if("user_agent", event.user_agent)
      .member_if("ip", event.ip)
      .member_if("locale", event.locale)
      .member_if("country", event.country)
      .member_if("region", event.region)
      .member_if("city", event.city)
      .member_if("postal_code", event.postal_code)
      .member_if("latitude", event.latitude)
      .member_if("longitude", event.longitude);
}

}  // namespace

void append_native_event(const Event& event, std::string& out) {
  JsonWriter json(out);
  const bool is_custom = event.type == EventType::kCustom;
  json.begin_object().member("type", is_custom ? event.type_name : event_type_name(event.type));
  write_who_and_where(event, json);
  write_device_and_place(event, json);
  json.member_if("value", event.value).member_if("recommendation_id", event.recommendation_id);
  if (!event.items.empty()) {
    json.key("items").begin_array();
    for (const EventItem& item : event.items) write_item(item, json);
    json.end_array();
  }
  if (event.order) write_order(*event.order, json);
  if (!event.properties.empty()) json.key("properties").raw(event.properties);
  json.end_object();
}

}  // namespace millrace
