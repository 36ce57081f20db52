#include "event/codecs.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

enum class Field : std::uint8_t {
  kUnknown,
  kType,
  kMessageId,
  kUserId,
  kAnonymousId,
  kSessionId,
  kEventTime,
  kPageUrl,
  kPagePath,
  kPageTitle,
  kPageReferrer,
  kSearchQuery,
  kListId,
  kDeviceType,
  kOs,
  kBrowser,
  kUserAgent,
  kIp,
  kLocale,
  kCountry,
  kRegion,
  kCity,
  kPostalCode,
  kLatitude,
  kLongitude,
  kValue,
  kItems,
  kOrder,
  kRecommendationId,
  kProperties
};

constexpr KeyMap<Field, 29> kFields({
    {"type", Field::kType},
    {"message_id", Field::kMessageId},
    {"user_id", Field::kUserId},
    {"anonymous_id", Field::kAnonymousId},
    {"session_id", Field::kSessionId},
    {"event_time", Field::kEventTime},
    {"page_url", Field::kPageUrl},
    {"page_path", Field::kPagePath},
    {"page_title", Field::kPageTitle},
    {"page_referrer", Field::kPageReferrer},
    {"search_query", Field::kSearchQuery},
    {"list_id", Field::kListId},
    {"device_type", Field::kDeviceType},
    {"os", Field::kOs},
    {"browser", Field::kBrowser},
    {"user_agent", Field::kUserAgent},
    {"ip", Field::kIp},
    {"locale", Field::kLocale},
    {"country", Field::kCountry},
    {"region", Field::kRegion},
    {"city", Field::kCity},
    {"postal_code", Field::kPostalCode},
    {"latitude", Field::kLatitude},
    {"longitude", Field::kLongitude},
    {"value", Field::kValue},
    {"items", Field::kItems},
    {"order", Field::kOrder},
    {"recommendation_id", Field::kRecommendationId},
    {"properties", Field::kProperties},
});

enum class OrderField : std::uint8_t {
  kUnknown,
  kOrderId,
  kTotal,
  kRevenue,
  kShipping,
  kTax,
  kDiscount,
  kCoupon,
  kCurrency
};

constexpr KeyMap<OrderField, 8> kOrderFields({
    {"order_id", OrderField::kOrderId},
    {"total", OrderField::kTotal},
    {"revenue", OrderField::kRevenue},
    {"shipping", OrderField::kShipping},
    {"tax", OrderField::kTax},
    {"discount", OrderField::kDiscount},
    {"coupon", OrderField::kCoupon},
    {"currency", OrderField::kCurrency},
});

/// Read an order. Unknown members go to the properties under their own names.
Status read_order(value& from, EventDraft& draft) {
  MILLRACE_ASSIGN(json::od::object object, json::object_of(from));
  EventOrder& order = draft.order();
  EventBatch& batch = draft.batch();
  return json::each_member(object, batch, [&](std::string_view key, value& member) -> Status {
    switch (kOrderFields.find(key, OrderField::kUnknown)) {
      case OrderField::kOrderId:
        return json::read_id(member, batch, order.order_id);
      case OrderField::kTotal:
        return json::read_decimal(member, order.total);
      case OrderField::kRevenue:
        return json::read_decimal(member, order.revenue);
      case OrderField::kShipping:
        return json::read_decimal(member, order.shipping);
      case OrderField::kTax:
        return json::read_decimal(member, order.tax);
      case OrderField::kDiscount:
        return json::read_decimal(member, order.discount);
      case OrderField::kCoupon:
        return json::read_text(member, batch, order.coupon);
      case OrderField::kCurrency:
        return json::read_currency(member, batch, order.currency);
      case OrderField::kUnknown:
        break;
    }
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
    draft.properties().put(key, raw);
    return {};
  });
}

Status read_properties(value& from, EventDraft& draft) {
  const json::Kind kind = json::kind_of(from);
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  if (json::is_null(raw)) return {};
  if (kind != json::Kind::kObject) return fail(Code::kInvalid, "must be an object");
  draft.raw_properties = raw;
  return {};
}

Status read_type(value& from, EventDraft& draft) {
  std::string_view type;
  MILLRACE_TRY(json::read_text(from, draft.batch(), type));
  draft.set_type(type);
  return {};
}

Status read_nullable_order(value& from, EventDraft& draft) {
  if (json::kind_of(from) == json::Kind::kObject) return read_order(from, draft);
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  return json::is_null(raw) ? Status{} : fail(Code::kInvalid, "must be an object");
}

}  // namespace

Status read_native_member(std::string_view key, value& from, EventDraft& draft) {
  Event& event = draft.event();
  EventBatch& batch = draft.batch();
  switch (kFields.find(key, Field::kUnknown)) {
    case Field::kType:
      return read_type(from, draft);
    case Field::kMessageId:
      return json::read_id(from, batch, event.message_id);
    case Field::kUserId:
      return json::read_id(from, batch, event.user_id);
    case Field::kAnonymousId:
      return json::read_id(from, batch, event.anonymous_id);
    case Field::kSessionId:
      return json::read_id(from, batch, event.session_id);
    case Field::kEventTime:
      return json::read_time(from, 1, draft.event_time);
    case Field::kPageUrl:
      return json::read_text(from, batch, event.page_url);
    case Field::kPagePath:
      return json::read_text(from, batch, event.page_path);
    case Field::kPageTitle:
      return json::read_text(from, batch, event.page_title);
    case Field::kPageReferrer:
      return json::read_text(from, batch, event.page_referrer);
    case Field::kSearchQuery:
      return json::read_text(from, batch, event.search_query);
    case Field::kListId:
      return json::read_id(from, batch, event.list_id);
    case Field::kDeviceType:
      return json::read_text(from, batch, event.device_type);
    case Field::kOs:
      return json::read_text(from, batch, event.os);
    case Field::kBrowser:
      return json::read_text(from, batch, event.browser);
    case Field::kUserAgent:
      return json::read_text(from, batch, event.user_agent);
    case Field::kIp:
      return json::read_text(from, batch, event.ip);
    case Field::kLocale:
      return json::read_text(from, batch, event.locale);
    case Field::kCountry:
      return json::read_text(from, batch, event.country);
    case Field::kRegion:
      return json::read_text(from, batch, event.region);
    case Field::kCity:
      return json::read_text(from, batch, event.city);
    case Field::kPostalCode:
      return json::read_text(from, batch, event.postal_code);
    case Field::kLatitude:
      return json::read_double(from, event.latitude);
    case Field::kLongitude:
      return json::read_double(from, event.longitude);
    case Field::kValue:
      return json::read_double(from, event.value);
    case Field::kItems:
      draft.items().clear();
      return read_items(from, "items", draft);
    case Field::kOrder:
      return read_nullable_order(from, draft);
    case Field::kRecommendationId:
      return json::read_id(from, batch, event.recommendation_id);
    case Field::kProperties:
      return read_properties(from, draft);
    case Field::kUnknown:
      break;
  }
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  draft.properties().put(key, raw);
  return {};
}

Status decode_native(const Envelope& envelope, std::string_view text, EventBatch& out) {
  EventDraft draft(envelope, out);
  MILLRACE_TRY(json::each_member_of(text, out, [&draft](std::string_view key, value& member) {
    return read_native_member(key, member, draft);
  }));
  return draft.finish();
}

}  // namespace millrace
