#include "source/sim_messages.h"

#include <algorithm>

#include <fmt/format.h>

#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr std::string_view kSite = "https://shop.example";

std::string_view segment_name(EventType type) {
  switch (type) {
    case EventType::kItemView:
      return "Product Viewed";
    case EventType::kAddToCart:
      return "Product Added";
    case EventType::kPurchase:
      return "Order Completed";
    default:
      return "";
  }
}

Decimal cart_total(const SimWorld& world, const SimVisit& visit) {
  std::int64_t units = 0;
  for (const SimCartLine& line : visit.cart())
    units += world.products()[line.product].price.units() * line.quantity;
  return Decimal::from_units(units);
}

void write_product(JsonWriter& json, const SimProduct& product, std::int64_t quantity) {
  json.member("product_id", product.id)
      .member("name", product.name)
      .member("category", product.category)
      .member("price", product.price)
      .member("quantity", quantity);
}

void write_context(JsonWriter& json, const SimPerson& person) {
  json.key("context")
      .begin_object()
      .member("userAgent", person.user_agent)
      .key("device")
      .begin_object()
      .member("type", person.device_type)
      .end_object()
      .key("os")
      .begin_object()
      .member("name", person.os)
      .end_object()
      .key("location")
      .begin_object()
      .member("country", person.country)
      .member("city", person.city)
      .end_object()
      .end_object();
}

void write_properties(JsonWriter& json, const SimWorld& world, const SimVisit& visit, const SimAction& action,
                      std::string_view recommendation_id) {
  json.key("properties").begin_object();
  json.member("path", action.page_path).member("url", std::string(kSite) + action.page_path);
  if (!action.referrer_path.empty()) json.member("referrer", std::string(kSite) + action.referrer_path);
  json.member("session_id", visit.session_id());
  json.member_if("recommendation_id", recommendation_id);
  if (action.type == EventType::kPurchase) {
    json.member("order_id", visit.order_id())
        .member("revenue", cart_total(world, visit))
        .member("currency", "EUR");
    json.key("products").begin_array();
    for (const SimCartLine& line : visit.cart()) {
      json.begin_object();
      write_product(json, world.products()[line.product], line.quantity);
      json.end_object();
    }
    json.end_array();
  } else if (action.product) {
    write_product(json, world.products()[*action.product], action.quantity);
    json.member("currency", world.products()[*action.product].currency);
  }
  json.end_object();
}

/// "2026-01-31T12:00:00": the reference system's visits carry no zone.
std::string zoneless(TimeUs time) {
  return format_time(time - time % kSecondUs).substr(0, 19);
}

void write_visit_item(JsonWriter& json, const SimProduct& product, std::int64_t quantity) {
  json.member("product_id", product.id)
      .member("product_name", product.name)
      .member("category", product.category)
      .member("price", product.price)
      .member("quantity", quantity);
}

void write_visit_event(JsonWriter& json, const SimWorld& world, const SimVisit& visit,
                       const SimAction& action) {
  const bool cart = action.type == EventType::kAddToCart;
  const bool purchase = action.type == EventType::kPurchase;
  json.begin_object()
      .member("event_type", cart       ? "add_item_to_cart"
                            : purchase ? "purchase"
                                       : "page_view")
      .member("timestamp", zoneless(action.time))
      .key("details")
      .begin_object();
  if (cart) {
    write_visit_item(json, world.products()[*action.product], action.quantity);
  } else if (purchase) {
    json.member("order_id", visit.order_id())
        .member("amount", cart_total(world, visit))
        .member("currency", "EUR");
    json.key("items").begin_array();
    for (const SimCartLine& line : visit.cart()) {
      json.begin_object();
      write_visit_item(json, world.products()[line.product], line.quantity);
      json.end_object();
    }
    json.end_array();
  } else {
    json.member("page_url", std::string(kSite) + action.page_path);
    json.key("referrer_url");
    if (action.referrer_path.empty()) {
      json.null();
    } else {
      json.text(std::string(kSite) + action.referrer_path);
    }
  }
  json.end_object().end_object();
}

}  // namespace

void append_segment_message(const SimWorld& world, const SimVisit& visit, const SimAction& action,
                            std::string_view message_id, std::string_view recommendation_id,
                            std::string& out) {
  const std::string_view name = segment_name(action.type);
  JsonWriter json(out);
  json.begin_object().member("type", name.empty() ? "page" : "track").member_if("event", name);
  json.member("messageId", message_id)
      .member("anonymousId", visit.person().anonymous_id)
      .member("userId", visit.person().user_id)
      .key("timestamp")
      .time(action.time);
  write_properties(json, world, visit, action, recommendation_id);
  write_context(json, visit.person());
  json.end_object();
}

void append_visit_document(const SimWorld& world, const SimVisit& visit, std::span<const SimAction> actions,
                           std::string& out) {
  const SimPerson& person = visit.person();
  JsonWriter json(out);
  json.begin_object()
      .member("session_id", visit.session_id())
      .member("user_id", person.user_id)
      .member("device_type", person.device_type)
      .member("geolocation", fmt::format("{:.4f},{:.4f}", person.latitude, person.longitude))
      .member("user_agent", person.user_agent)
      .key("events")
      .begin_array();
  for (const SimAction& action : actions) write_visit_event(json, world, visit, action);
  json.end_array().end_object();
}

void append_activity_event(const SimWorld& world, const SimVisit& visit, std::span<const SimAction> actions,
                           std::string& out) {
  const SimPerson& person = visit.person();
  const std::int64_t number = std::stoll(person.user_id.substr(2));
  JsonWriter json(out);
  json.begin_object()
      .member("session_id", visit.session_id())
      .member("customer_number", number)
      .member("city", person.city)
      .member("country", person.country)
      .member("credit_limit", 20'000 + number * 7'919 % 100'000)
      .key("browse_history")
      .begin_array();
  for (const SimAction& action : actions) {
    if (action.type != EventType::kItemView) continue;
    const bool in_cart = std::any_of(visit.cart().begin(), visit.cart().end(), [&](const SimCartLine& line) {
      return line.product == *action.product;
    });
    json.begin_object()
        .member("product_code", world.products()[*action.product].id)
        .member("quantity", "1")
        .member("in_shopping_cart", in_cart)
        .end_object();
  }
  json.end_array().end_object();
}

void append_item(const SimProduct& product, std::string& out) {
  JsonWriter(out)
      .begin_object()
      .member("id", product.id)
      .member("name", product.name)
      .member("category", product.category)
      .member("price", product.price.text())
      .member("currency", product.currency)
      .member("available", true)
      .end_object();
}

void append_user(const SimPerson& person, std::string& out) {
  JsonWriter(out)
      .begin_object()
      .member("id", person.user_id)
      .member("country", person.country)
      .member("city", person.city)
      .end_object();
}

}  // namespace millrace
