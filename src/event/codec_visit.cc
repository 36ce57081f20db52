#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"
#include "event/codecs.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

enum class VisitField : std::uint8_t {
  kUnknown,
  kSessionId,
  kUserId,
  kDeviceType,
  kGeolocation,
  kUserAgent,
  kEvents
};

constexpr KeyMap<VisitField, 6> kVisitFields({
    {"session_id", VisitField::kSessionId},
    {"user_id", VisitField::kUserId},
    {"device_type", VisitField::kDeviceType},
    {"geolocation", VisitField::kGeolocation},
    {"user_agent", VisitField::kUserAgent},
    {"events", VisitField::kEvents},
});

enum class Detail : std::uint8_t {
  kUnknown,
  kPageUrl,
  kReferrerUrl,
  kProductId,
  kProductName,
  kCategory,
  kPrice,
  kQuantity,
  kOrderId,
  kAmount,
  kCurrency,
  kItems
};

constexpr KeyMap<Detail, 11> kDetails({
    {"page_url", Detail::kPageUrl},
    {"referrer_url", Detail::kReferrerUrl},
    {"product_id", Detail::kProductId},
    {"product_name", Detail::kProductName},
    {"category", Detail::kCategory},
    {"price", Detail::kPrice},
    {"quantity", Detail::kQuantity},
    {"order_id", Detail::kOrderId},
    {"amount", Detail::kAmount},
    {"currency", Detail::kCurrency},
    {"items", Detail::kItems},
});

Status keep_unknown(std::string_view key, value& from, EventDraft& draft) {
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  draft.properties().put(key, raw);
  return {};
}

/// The one product of an add_item_to_cart, made at its first field.
EventItem& only_item(EventDraft& draft) {
  if (draft.items().empty()) draft.items().emplace_back();
  return draft.items().front();
}

Status read_detail(std::string_view key, value& from, EventDraft& draft) {
  EventBatch& batch = draft.batch();
  switch (kDetails.find(key, Detail::kUnknown)) {
    case Detail::kPageUrl:
      return json::read_text(from, batch, draft.event().page_url);
    case Detail::kReferrerUrl:
      return json::read_text(from, batch, draft.event().page_referrer);
    case Detail::kProductId:
      return json::read_id(from, batch, only_item(draft).item_id);
    case Detail::kProductName:
      return json::read_text(from, batch, only_item(draft).name);
    case Detail::kCategory:
      return json::read_text(from, batch, only_item(draft).category);
    case Detail::kPrice:
      return json::read_decimal(from, only_item(draft).price);
    case Detail::kQuantity:
      return json::read_decimal(from, only_item(draft).quantity);
    case Detail::kOrderId:
      return json::read_id(from, batch, draft.order().order_id);
    case Detail::kAmount:
      return json::read_decimal(from, draft.order().total);
    case Detail::kCurrency:
      return json::read_currency(from, batch, draft.order().currency);
    case Detail::kItems:
      draft.items().clear();
      return read_items(from, "items", draft);
    case Detail::kUnknown:
      break;
  }
  return keep_unknown(key, from, draft);
}

Status read_details(value& from, EventDraft& draft, std::string_view& raw) {
  MILLRACE_ASSIGN(json::od::object details, json::object_of(from));
  MILLRACE_ASSIGN(raw, json::raw_container(details));
  if (details.reset().error()) return fail(Code::kInternal, "a JSON object could not be read again");
  return json::each_member(details, draft.batch(), [&draft](std::string_view key, value& member) {
    return read_detail(key, member, draft);
  });
}

Status read_event_type(value& from, EventDraft& draft) {
  std::string_view name;
  MILLRACE_TRY(json::read_text(from, draft.batch(), name));
  if (name == "add_item_to_cart") {
    draft.set_type(EventType::kAddToCart);
  } else {
    draft.set_type(name);
  }
  return {};
}

/// Price, category and the like without a product id mean something else in events that are not about
/// an item: keep them as they came.
void keep_details_without_item(std::string_view raw, EventDraft& draft) {
  const bool no_product = draft.items().size() == 1 && draft.items().front().item_id.empty();
  if (!no_product || draft.event().type == EventType::kAddToCart) return;
  draft.items().clear();
  draft.properties().put("details", raw);
}

/// Read the fields of one event; those of a wrapped one, `{"event":{…}}`, are one level deeper.
Status read_event_fields(json::od::object& object, EventDraft& draft, std::string_view& details,
                         bool may_be_wrapped) {
  return json::each_member(object, draft.batch(), [&](std::string_view key, value& member) -> Status {
    if (key == "event_type") return read_event_type(member, draft);
    if (key == "timestamp") return json::read_time(member, kMillisecondUs, draft.event_time);
    if (key == "details") return read_details(member, draft, details);
    if (key == "event" && may_be_wrapped) {
      MILLRACE_ASSIGN(json::od::object inner, json::object_of(member));
      return read_event_fields(inner, draft, details, false);
    }
    return keep_unknown(key, member, draft);
  });
}

/// The currency is the order's, unless an item has its own.
void share_currency(EventDraft& draft) {
  if (!draft.event().order) return;
  for (EventItem& item : draft.items()) {
    if (item.currency.empty()) item.currency = draft.order().currency;
  }
}

Status read_event(const Envelope& envelope, value& from, EventBatch& out) {
  EventDraft draft(envelope, out);
  MILLRACE_ASSIGN(json::od::object object, json::object_of(from));
  std::string_view details;
  MILLRACE_TRY(read_event_fields(object, draft, details, true));
  if (!draft.event_time) return fail(Code::kInvalid, "an event of a visit needs its time", "timestamp");
  keep_details_without_item(details, draft);
  share_currency(draft);
  return draft.finish();
}

/// What all events of a visit share.
struct Visit {
  std::string_view session_id, user_id, device_type, user_agent;
  std::optional<double> latitude, longitude;
  JsonMembers unknown;
  std::size_t first = 0;  ///< index of its first event in the batch
};

/// Read the number a part of "lat,lon" holds, within ±`limit`.
std::optional<double> read_degrees(std::string_view text, double limit) {
  double degrees = 0;
  const std::string_view digits = json::trim(text);
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), degrees);
  const bool whole = end.ec == std::errc{} && end.ptr == digits.data() + digits.size();
  if (!whole || !(degrees >= -limit && degrees <= limit)) return std::nullopt;
  return degrees;
}

/// Read "lat,lon".
Status read_geolocation(value& from, EventBatch& batch, Visit& visit) {
  std::string_view text;
  MILLRACE_TRY(json::read_text(from, batch, text));
  visit.latitude.reset();
  visit.longitude.reset();
  if (text.empty()) return {};
  const std::size_t comma = std::min(text.find(','), text.size());
  visit.latitude = read_degrees(text.substr(0, comma), 90);
  visit.longitude = read_degrees(text.substr(std::min(comma + 1, text.size())), 180);
  if (visit.latitude && visit.longitude) return {};
  return fail(Code::kInvalid, "must be latitude and longitude in degrees, such as \"48.1,11.6\"");
}

Status read_events(const Envelope& envelope, value& from, EventBatch& out, std::size_t first) {
  out.events.resize(first);  // of a member given twice the last counts
  MILLRACE_ASSIGN(json::od::array events, json::array_of(from));
  return json::each_element(events,
                            [&](std::size_t, value& event) { return read_event(envelope, event, out); });
}

Status read_visit_member(const Envelope& envelope, std::string_view key, value& from, EventBatch& out,
                         Visit& visit) {
  switch (kVisitFields.find(key, VisitField::kUnknown)) {
    case VisitField::kSessionId:
      return json::read_id(from, out, visit.session_id);
    case VisitField::kUserId:
      return json::read_id(from, out, visit.user_id);
    case VisitField::kDeviceType:
      return json::read_text(from, out, visit.device_type);
    case VisitField::kGeolocation:
      return read_geolocation(from, out, visit);
    case VisitField::kUserAgent:
      return json::read_text(from, out, visit.user_agent);
    case VisitField::kEvents:
      return read_events(envelope, from, out, visit.first);
    case VisitField::kUnknown:
      break;
  }
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  visit.unknown.put(key, raw);
  return {};
}

/// Put the visit's unknown fields into the properties of its first event.
void keep_visit_unknown(const Visit& visit, Event& first, EventBatch& out) {
  if (visit.unknown.empty()) return;
  std::string text = "{";
  bool needs_comma = false;
  visit.unknown.append_to(text, needs_comma);
  if (!first.properties.empty()) {
    text += ',';
    text += first.properties.substr(1);
  } else {
    text += '}';
  }
  first.properties = out.keep(text);
}

/// Give the events what the visit says, which may stand after them in the text.
void share_visit(const Visit& visit, std::string_view id, std::span<Event> events, EventBatch& out) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    Event& event = events[i];
    event.session_id = visit.session_id;
    event.user_id = visit.user_id;
    event.device_type = visit.device_type;
    event.user_agent = visit.user_agent;
    event.latitude = visit.latitude;
    event.longitude = visit.longitude;
    event.event_index = static_cast<std::uint32_t>(i);
    event.message_id = out.keep(fmt::format("{}:{}", id, i));
  }
  keep_visit_unknown(visit, events.front(), out);
}

}  // namespace

Status decode_visit(const Envelope& envelope, std::string_view text, EventBatch& out) {
  Visit visit;
  visit.first = out.events.size();
  MILLRACE_TRY(json::each_member_of(text, out, [&](std::string_view key, value& member) {
    return read_visit_member(envelope, key, member, out, visit);
  }));
  const auto events = std::span(out.events).subspan(visit.first);
  if (events.empty()) return fail(Code::kInvalid, "a visit needs at least one event", "events");
  share_visit(visit, to_hex(hash128(text)), events, out);
  return {};
}

}  // namespace millrace
