#include "event/codecs.h"
#include "event/commerce_fields.h"
#include "event/key_map.h"

namespace millrace {
namespace {

using json::od::value;

/// Commerce events (v2) that are one of our types. All others are custom and keep their names; also
/// "Product Clicked", which the "Product Viewed" of the page it leads to would count a second time.
constexpr KeyMap<EventType, 10> kTrackNames({
    {"Products Searched", EventType::kSearch},
    {"Product List Viewed", EventType::kListView},
    {"Product List Filtered", EventType::kListView},
    {"Product Viewed", EventType::kItemView},
    {"Product Added", EventType::kAddToCart},
    {"Product Removed", EventType::kRemoveFromCart},
    {"Order Completed", EventType::kPurchase},
    {"Order Refunded", EventType::kRefund},
    {"Order Cancelled", EventType::kRefund},
    {"Product Reviewed", EventType::kRating},
});

enum class SegmentField : std::uint8_t {
  kUnknown,
  kType,
  kEvent,
  kMessageId,
  kUserId,
  kAnonymousId,
  kPreviousId,
  kGroupId,
  kName,
  kTimestamp,
  kOriginalTimestamp,
  kSentAt,
  kReceivedAt,
  kProperties,
  kTraits,
  kContext,
  kWriteKey
};

constexpr KeyMap<SegmentField, 16> kSegmentFields({
    {"type", SegmentField::kType},
    {"event", SegmentField::kEvent},
    {"messageId", SegmentField::kMessageId},
    {"userId", SegmentField::kUserId},
    {"anonymousId", SegmentField::kAnonymousId},
    {"previousId", SegmentField::kPreviousId},
    {"groupId", SegmentField::kGroupId},
    {"name", SegmentField::kName},
    {"timestamp", SegmentField::kTimestamp},
    {"originalTimestamp", SegmentField::kOriginalTimestamp},
    {"sentAt", SegmentField::kSentAt},
    {"receivedAt", SegmentField::kReceivedAt},
    {"properties", SegmentField::kProperties},
    {"traits", SegmentField::kTraits},
    {"context", SegmentField::kContext},
    {"writeKey", SegmentField::kWriteKey},
});

constexpr KeyMap<CommerceField, 31> kProperties({
    {"product_id", CommerceField::kProductId},
    {"productId", CommerceField::kProductId},
    {"sku", CommerceField::kSku},
    {"name", CommerceField::kName},
    {"category", CommerceField::kCategory},
    {"brand", CommerceField::kBrand},
    {"variant", CommerceField::kVariant},
    {"price", CommerceField::kPrice},
    {"quantity", CommerceField::kQuantity},
    {"position", CommerceField::kPosition},
    {"currency", CommerceField::kCurrency},
    {"products", CommerceField::kProducts},
    {"order_id", CommerceField::kOrderId},
    {"orderId", CommerceField::kOrderId},
    {"total", CommerceField::kTotal},
    {"revenue", CommerceField::kRevenue},
    {"shipping", CommerceField::kShipping},
    {"tax", CommerceField::kTax},
    {"discount", CommerceField::kDiscount},
    {"coupon", CommerceField::kCoupon},
    {"list_id", CommerceField::kListId},
    {"query", CommerceField::kQuery},
    {"url", CommerceField::kUrl},
    {"path", CommerceField::kPath},
    {"title", CommerceField::kTitle},
    {"referrer", CommerceField::kReferrer},
    {"rating", CommerceField::kRating},
    {"value", CommerceField::kValue},
    {"session_id", CommerceField::kSessionId},
    {"sessionId", CommerceField::kSessionId},
    {"recommendation_id", CommerceField::kRecommendationId},
});

enum class ContextField : std::uint8_t {
  kUnknown,
  kIp,
  kUserAgent,
  kLocale,
  kPage,
  kDevice,
  kOs,
  kLocation,
  kSessionId
};

constexpr KeyMap<ContextField, 9> kContextFields({
    {"ip", ContextField::kIp},
    {"userAgent", ContextField::kUserAgent},
    {"locale", ContextField::kLocale},
    {"page", ContextField::kPage},
    {"device", ContextField::kDevice},
    {"os", ContextField::kOs},
    {"location", ContextField::kLocation},
    {"sessionId", ContextField::kSessionId},
    {"session_id", ContextField::kSessionId},
});

/// One message while it is read.
struct Message {
  EventDraft draft;
  CommerceFields properties;
  std::string_view type, event, name, previous_id;
  std::string_view traits, group_id;  ///< raw
  std::optional<TimeUs> timestamp, original_timestamp, sent_at, received_at;
};

/// A member of context.page and the like: where its text goes.
struct TextMember {
  std::string_view key;
  std::string_view* into;
};

/// Read an object of texts, such as context.page. When it holds more than `members`, it is kept whole.
Status read_texts(std::string_view name, value& from, EventDraft& draft,
                  std::initializer_list<TextMember> members) {
  if (json::kind_of(from) != json::Kind::kObject) {
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
    if (!json::is_null(raw)) draft.context().put(name, raw);
    return {};
  }
  MILLRACE_ASSIGN(json::od::object object, json::object_of(from));
  bool has_unknown = false;
  MILLRACE_TRY(json::each_member(object, draft.batch(), [&](std::string_view key, value& member) -> Status {
    for (const TextMember& known : members) {
      if (known.key == key) return json::read_text(member, draft.batch(), *known.into);
    }
    has_unknown = true;
    return json::check_value(member);
  }));
  if (!has_unknown) return {};
  MILLRACE_ASSIGN(const std::string_view whole, json::raw_container(object));
  draft.context().put(name, whole);
  return {};
}

Status read_page(value& from, EventDraft& draft) {
  Event& event = draft.event();
  std::string_view search;  // is part of the url
  return read_texts("page", from, draft,
                    {{"url", &event.page_url},
                     {"path", &event.page_path},
                     {"title", &event.page_title},
                     {"referrer", &event.page_referrer},
                     {"search", &search}});
}

Status read_location(value& from, EventDraft& draft) {
  Event& event = draft.event();
  return read_texts("location", from, draft,
                    {{"country", &event.country}, {"region", &event.region}, {"city", &event.city}});
}

Status read_context_member(std::string_view key, value& from, EventDraft& draft) {
  Event& event = draft.event();
  switch (kContextFields.find(key, ContextField::kUnknown)) {
    case ContextField::kIp:
      return json::read_text(from, draft.batch(), event.ip);
    case ContextField::kUserAgent:
      return json::read_text(from, draft.batch(), event.user_agent);
    case ContextField::kLocale:
      return json::read_text(from, draft.batch(), event.locale);
    case ContextField::kPage:
      return read_page(from, draft);
    case ContextField::kDevice:
      return read_texts(key, from, draft, {{"type", &event.device_type}});
    case ContextField::kOs:
      return read_texts(key, from, draft, {{"name", &event.os}});
    case ContextField::kLocation:
      return read_location(from, draft);
    case ContextField::kSessionId:
      return json::read_id(from, draft.batch(), event.session_id);
    case ContextField::kUnknown:
      break;
  }
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  draft.context().put(key, raw);
  return {};
}

/// Enter an object that may also be null.
template <class F>
Status read_object(value& from, EventBatch& batch, F&& on_member) {
  if (json::kind_of(from) == json::Kind::kObject) {
    MILLRACE_ASSIGN(json::od::object object, json::object_of(from));
    return json::each_member(object, batch, on_member);
  }
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  return json::is_null(raw) ? Status{} : fail(Code::kInvalid, "must be an object");
}

Status read_properties(value& from, Message& message) {
  return read_object(from, message.draft.batch(), [&message](std::string_view key, value& member) -> Status {
    MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(member));
    message.properties.put(kProperties.find(key, CommerceField::kUnknown), key, raw, message.draft);
    return {};
  });
}

/// Keep what no field of ours stands for; empty objects such as `integrations` say nothing.
Status read_unknown(std::string_view key, value& from, EventDraft& draft) {
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_value(from));
  if (raw != "{}" && !json::is_null(raw)) draft.properties().put(key, raw);
  return {};
}

Status read_message_member(std::string_view key, value& from, Message& message) {
  EventDraft& draft = message.draft;
  EventBatch& batch = draft.batch();
  switch (kSegmentFields.find(key, SegmentField::kUnknown)) {
    case SegmentField::kType:
      return json::read_text(from, batch, message.type);
    case SegmentField::kEvent:
      return json::read_text(from, batch, message.event);
    case SegmentField::kMessageId:
      return json::read_id(from, batch, draft.event().message_id);
    case SegmentField::kUserId:
      return json::read_id(from, batch, draft.event().user_id);
    case SegmentField::kAnonymousId:
      return json::read_id(from, batch, draft.event().anonymous_id);
    case SegmentField::kPreviousId:
      return json::read_id(from, batch, message.previous_id);
    case SegmentField::kGroupId:
      return json::read_raw(from, message.group_id);
    case SegmentField::kName:
      return json::read_text(from, batch, message.name);
    case SegmentField::kTimestamp:
      return json::read_time(from, kMillisecondUs, message.timestamp);
    case SegmentField::kOriginalTimestamp:
      return json::read_time(from, kMillisecondUs, message.original_timestamp);
    case SegmentField::kSentAt:
      return json::read_time(from, kMillisecondUs, message.sent_at);
    case SegmentField::kReceivedAt:
      return json::read_time(from, kMillisecondUs, message.received_at);
    case SegmentField::kProperties:
      return read_properties(from, message);
    case SegmentField::kTraits:
      return json::read_raw(from, message.traits);
    case SegmentField::kContext:
      return read_object(from, batch, [&draft](std::string_view name, value& member) {
        return read_context_member(name, member, draft);
      });
    case SegmentField::kWriteKey:
      return json::check_value(from);  // says who sends; not for the tables
    case SegmentField::kUnknown:
      break;
  }
  return read_unknown(key, from, draft);
}

Status read_message(std::string_view text, Message& message) {
  return json::each_member_of(text, message.draft.batch(), [&message](std::string_view key, value& member) {
    return read_message_member(key, member, message);
  });
}

/// Read the fields that the body shares, from a copy with room after it for the parser.
Status read_shared(std::string_view context, Message& message) {
  if (context.empty()) return {};
  MILLRACE_TRY(read_message(keep_padded(context, message.draft.batch()), message));
  message.draft.properties().mark_shared();
  message.draft.context().mark_shared();
  return {};
}

Status set_track_type(Message& message) {
  if (message.event.empty()) return fail(Code::kInvalid, "a track message needs the event's name", "event");
  EventDraft& draft = message.draft;
  const EventType type = kTrackNames.find(message.event, EventType::kCustom);
  if (type == EventType::kCustom) return draft.set_type(message.event), Status{};
  draft.set_type(type);
  if (message.event == "Order Cancelled") draft.properties().put("event", R"("Order Cancelled")");
  if (message.event == "Product List Filtered") draft.properties().put("event", R"("Product List Filtered")");
  return {};
}

/// page and screen: the message's name is a title.
void set_page_type(Message& message) {
  message.draft.set_type(EventType::kPageView);
  if (!message.name.empty()) message.draft.event().page_title = message.name;
}

/// identify, group and alias say who somebody is; what they say goes into the properties.
void set_identity_type(Message& message) {
  EventDraft& draft = message.draft;
  draft.set_type(EventType::kIdentify);
  if (!message.traits.empty()) draft.properties().put("traits", message.traits);
  if (!message.group_id.empty()) draft.properties().put("group_id", message.group_id);
  if (draft.event().anonymous_id.empty()) draft.event().anonymous_id = message.previous_id;
}

Status set_type(Message& message) {
  const std::string_view type = message.type;
  if (type == "track") return set_track_type(message);
  if (type == "page" || type == "screen") return set_page_type(message), Status{};
  if (type == "identify" || type == "group" || type == "alias") return set_identity_type(message), Status{};
  if (type.empty()) return fail(Code::kInvalid, "a message needs a type: track, page, identify, …", "type");
  return fail(Code::kInvalid, "must be track, page, screen, identify, group or alias", "type");
}

/// A sender's clock that is further off than this is wrong, and not just a slow network or a batch that
/// waited: behind by more than five minutes, or ahead at all (but for a little).
constexpr DurationUs kBehindMax = 5 * kMinuteUs;
constexpr DurationUs kAheadMax = 10 * kSecondUs;

/// Return when it happened: what the message says, mended by the sender's clock error where that is
/// implausible. A message with `receivedAt` was mended by whoever received it first.
std::optional<TimeUs> mended_time(const Message& message, const Envelope& envelope) {
  const auto original = message.original_timestamp ? message.original_timestamp : message.timestamp;
  const auto said = message.timestamp ? message.timestamp : original;
  const auto sent = message.sent_at ? message.sent_at : envelope.sent_time;
  if (!said || !sent || message.received_at) return said;
  const DurationUs behind = envelope.received_time - *sent;
  if (behind <= kBehindMax && behind >= -kAheadMax) return said;
  const TimeUs mended = envelope.received_time - (*sent - *original);
  // A clock that is off by thousands of years mends nothing.
  return mended < kTimeMin || mended > kTimeMax ? said : std::optional(mended);
}

}  // namespace

Status decode_segment(const Envelope& envelope, std::string_view text, EventBatch& out) {
  Message message{.draft = EventDraft(envelope, out)};
  MILLRACE_TRY(read_shared(envelope.context, message));
  MILLRACE_TRY(read_message(text, message));
  MILLRACE_TRY(set_type(message));
  message.draft.event_time = mended_time(message, envelope);
  if (auto status = message.properties.apply(message.draft); !status) {
    return fail(json::under("properties", std::move(status).error()));
  }
  return message.draft.finish();
}

}  // namespace millrace
