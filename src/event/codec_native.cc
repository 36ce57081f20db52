#include "event/codecs.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

enum class NativeField : std::uint8_t {
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

constexpr KeyMap<NativeField, 29> kNativeFields({
    {"type", NativeField::kType},
    {"message_id", NativeField::kMessageId},
    {"user_id", NativeField::kUserId},
    {"anonymous_id", NativeField::kAnonymousId},
    {"session_id", NativeField::kSessionId},
    {"event_time", NativeField::kEventTime},
    {"page_url", NativeField::kPageUrl},
    {"page_path", NativeField::kPagePath},
    {"page_title", NativeField::kPageTitle},
    {"page_referrer", NativeField::kPageReferrer},
    {"search_query", NativeField::kSearchQuery},
    {"list_id", NativeField::kListId},
    {"device_type", NativeField::kDeviceType},
    {"os", NativeField::kOs},
    {"browser", NativeField::kBrowser},
    {"user_agent", NativeField::kUserAgent},
    {"ip", NativeField::kIp},
    {"locale", NativeField::kLocale},
    {"country", NativeField::kCountry},
    {"region", NativeField::kRegion},
    {"city", NativeField::kCity},
    {"postal_code", NativeField::kPostalCode},
    {"latitude", NativeField::kLatitude},
    {"longitude", NativeField::kLongitude},
    {"value", NativeField::kValue},
    {"items", NativeField::kItems},
    {"order", NativeField::kOrder},
    {"recommendation_id", NativeField::kRecommendationId},
    {"properties", NativeField::kProperties},
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
  switch (kNativeFields.find(key, NativeField::kUnknown)) {
    case NativeField::kType:
      return read_type(from, draft);
    case NativeField::kMessageId:
      return json::read_id(from, batch, event.message_id);
    case NativeField::kUserId:
      return json::read_id(from, batch, event.user_id);
    case NativeField::kAnonymousId:
      return json::read_id(from, batch, event.anonymous_id);
    case NativeField::kSessionId:
      return json::read_id(from, batch, event.session_id);
    case NativeField::kEventTime:
      return json::read_time(from, 1, draft.event_time);
    case NativeField::kPageUrl:
      return json::read_text(from, batch, event.page_url);
    case NativeField::kPagePath:
      return json::read_text(from, batch, event.page_path);
    case NativeField::kPageTitle:
      return json::read_text(from, batch, event.page_title);
    case NativeField::kPageReferrer:
      return json::read_text(from, batch, event.page_referrer);
    case NativeField::kSearchQuery:
      return json::read_text(from, batch, event.search_query);
    case NativeField::kListId:
      return json::read_id(from, batch, event.list_id);
    case NativeField::kDeviceType:
      return json::read_text(from, batch, event.device_type);
    case NativeField::kOs:
      return json::read_text(from, batch, event.os);
    case NativeField::kBrowser:
      return json::read_text(from, batch, event.browser);
    case NativeField::kUserAgent:
      return json::read_text(from, batch, event.user_agent);
    case NativeField::kIp:
      return json::read_text(from, batch, event.ip);
    case NativeField::kLocale:
      return json::read_text(from, batch, event.locale);
    case NativeField::kCountry:
      return json::read_text(from, batch, event.country);
    case NativeField::kRegion:
      return json::read_text(from, batch, event.region);
    case NativeField::kCity:
      return json::read_text(from, batch, event.city);
    case NativeField::kPostalCode:
      return json::read_text(from, batch, event.postal_code);
    case NativeField::kLatitude:
      return json::read_double(from, event.latitude);
    case NativeField::kLongitude:
      return json::read_double(from, event.longitude);
    case NativeField::kValue:
      return json::read_double(from, event.value);
    case NativeField::kItems:
      draft.items().clear();
      return read_items(from, "items", draft);
    case NativeField::kOrder:
      return read_nullable_order(from, draft);
    case NativeField::kRecommendationId:
      return json::read_id(from, batch, event.recommendation_id);
    case NativeField::kProperties:
      return read_properties(from, draft);
    case NativeField::kUnknown:
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
