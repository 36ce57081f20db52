#include "event/event_draft.h"

#include <algorithm>

#include <fmt/format.h>

#include "event/device.h"
#include "event/json_writer.h"
#include "event/key_map.h"

namespace millrace {
namespace {

Status check_id(std::string_view name, std::string_view id) {
  if (id.size() <= json::kIdBytesMax) return {};
  return fail(Code::kInvalid, fmt::format("is {} bytes long; at most {}", id.size(), json::kIdBytesMax),
              std::string(name));
}

/// Types that mean nothing without an item.
bool needs_item(EventType type) {
  switch (type) {
    case EventType::kItemView:
    case EventType::kAddToCart:
    case EventType::kRemoveFromCart:
    case EventType::kRating:
    case EventType::kRead:
      return true;
    default:
      return false;
  }
}

Status check_items(const Event& event) {
  if (event.items.empty() && needs_item(event.type)) {
    return fail(Code::kInvalid, fmt::format("a {} needs an item", event_type_name(event.type)), "items");
  }
  for (std::size_t i = 0; i < event.items.size(); ++i) {
    const EventItem& item = event.items[i];
    if (item.item_id.empty())
      return fail(Code::kInvalid, "an item needs an id", fmt::format("items[{}].item_id", i));
    if (event.type != EventType::kRefund && item.quantity && item.quantity->units() < 0) {
      return fail(Code::kInvalid, "must not be negative; send what comes back as a refund",
                  fmt::format("items[{}].quantity", i));
    }
  }
  return {};
}

Status check_value(const Event& event) {
  if (event.type == EventType::kRating && (!event.value || *event.value < 1 || *event.value > 5)) {
    return fail(Code::kInvalid, "a rating needs a value from 1 to 5", "value");
  }
  if (event.type == EventType::kRead && event.value && *event.value < 0) {
    return fail(Code::kInvalid, "seconds read must not be negative", "value");
  }
  return {};
}

Status check_place(const Event& event) {
  if (event.latitude && (*event.latitude < -90 || *event.latitude > 90)) {
    return fail(Code::kInvalid, "must be from -90 to 90", "latitude");
  }
  if (event.longitude && (*event.longitude < -180 || *event.longitude > 180)) {
    return fail(Code::kInvalid, "must be from -180 to 180", "longitude");
  }
  return {};
}

Status check_order(const Event& event) {
  if (event.type != EventType::kPurchase || !event.items.empty()) return {};
  if (event.order && (!event.order->order_id.empty() || event.order->total || event.order->revenue))
    return {};
  return fail(Code::kInvalid, "a purchase needs items, an order id or a total", "items");
}

Status check_time(const Event& event) {
  if (event.event_time <= event.received_time + kDayUs) return {};
  return fail(Code::kInvalid,
              fmt::format("{} lies more than a day after it was received ({}); is the sender's clock right?",
                          format_time(event.event_time), format_time(event.received_time)),
              "event_time");
}

enum class ItemField : std::uint8_t {
  kUnknown,
  kId,
  kSku,
  kName,
  kCategory,
  kSubCategory,
  kBrand,
  kVariant,
  kPrice,
  kQuantity,
  kCurrency,
  kPosition,
  kIndex,
  kInCart
};

constexpr KeyMap<ItemField, 25> kItemFields({
    {"item_id", ItemField::kId},
    {"product_id", ItemField::kId},
    {"product_code", ItemField::kId},
    {"sku", ItemField::kSku},
    {"name", ItemField::kName},
    {"product_name", ItemField::kName},
    {"item_name", ItemField::kName},
    {"category", ItemField::kCategory},
    {"item_category", ItemField::kCategory},
    {"item_category2", ItemField::kSubCategory},
    {"item_category3", ItemField::kSubCategory},
    {"item_category4", ItemField::kSubCategory},
    {"item_category5", ItemField::kSubCategory},
    {"brand", ItemField::kBrand},
    {"item_brand", ItemField::kBrand},
    {"variant", ItemField::kVariant},
    {"item_variant", ItemField::kVariant},
    {"price", ItemField::kPrice},
    {"quantity", ItemField::kQuantity},
    {"currency", ItemField::kCurrency},
    {"position", ItemField::kPosition},
    {"index", ItemField::kIndex},
    {"in_cart", ItemField::kInCart},
    {"in_shopping_cart", ItemField::kInCart},
    {"productId", ItemField::kId},
});

constexpr std::int32_t kPositionMax = 1'000'000'000;

Status add_category(json::od::value& value, EventBatch& batch, std::string_view& category) {
  std::string_view more;
  MILLRACE_TRY(json::read_text(value, batch, more));
  if (more.empty()) return {};
  category = category.empty() ? more : batch.keep(fmt::format("{}/{}", category, more));
  return {};
}

/// Read a place in a list, given as its distance from what we count from.
Status read_position(json::od::value& value, std::int32_t base, std::optional<std::int32_t>& position) {
  MILLRACE_ASSIGN(const std::string_view token, json::scalar_token(value));
  MILLRACE_ASSIGN(position, json::small_integer_of(token));
  if (position && *position >= kPositionMax) return fail(Code::kInvalid, "is not a place in a list");
  if (position) *position += base;
  return {};
}

Status read_item_field(ItemField field, json::od::value& value, EventBatch& batch, EventItem& item) {
  switch (field) {
    case ItemField::kId:
      return json::read_id(value, batch, item.item_id);
    case ItemField::kName:
      return json::read_text(value, batch, item.name);
    case ItemField::kCategory:
      return json::read_text(value, batch, item.category);
    case ItemField::kSubCategory:
      return add_category(value, batch, item.category);
    case ItemField::kBrand:
      return json::read_text(value, batch, item.brand);
    case ItemField::kVariant:
      return json::read_text(value, batch, item.variant);
    case ItemField::kPrice:
      return json::read_decimal(value, item.price);
    case ItemField::kQuantity:
      return json::read_decimal(value, item.quantity);
    case ItemField::kCurrency:
      return json::read_currency(value, batch, item.currency);
    case ItemField::kPosition:
      return read_position(value, 0, item.position);
    case ItemField::kIndex:
      return read_position(value, 1, item.position);  // GA4 counts from 0
    case ItemField::kInCart: {
      MILLRACE_ASSIGN(const std::string_view token, json::scalar_token(value));
      MILLRACE_ASSIGN(item.in_cart, json::boolean_of(token));
      return {};
    }
    case ItemField::kSku:
    case ItemField::kUnknown:
      break;
  }
  return {};
}

/// Append `"key":`. Keys come from checked JSON and hardly ever need escapes.
void append_key(std::string_view key, std::string& out) {
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; };
  if (std::ranges::all_of(key, is_plain)) {
    out += '"';
    out += key;
    out += '"';
  } else {
    append_json_string(key, out);
  }
  out += ':';
}

/// Return the path of an address, "/" for that of a bare host, "" when it has none.
std::string_view path_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos && scheme < url.find_first_of("/?#")) {
    url.remove_prefix(scheme + 3);
    url.remove_prefix(std::min(url.find_first_of("/?#"), url.size()));
    if (!url.starts_with('/')) return "/";
  }
  return url.starts_with('/') ? url.substr(0, url.find_first_of("?#")) : std::string_view{};
}

std::string_view inside_braces(std::string_view object) {
  return object.substr(1, object.size() - 2);
}

}  // namespace

void JsonMembers::clear() {
  members_.clear();
  shared_ = 0;
}

void JsonMembers::put(std::string_view key, std::string_view raw) {
  const auto shared_end = members_.begin() + static_cast<std::ptrdiff_t>(shared_);
  const auto same =
      std::find_if(members_.begin(), shared_end, [key](const auto& m) { return m.first == key; });
  if (same != shared_end) {
    same->second = raw;
  } else {
    members_.emplace_back(key, raw);
  }
}

void JsonMembers::append_to(std::string& out, bool& needs_comma) const {
  for (const auto& [key, raw] : members_) {
    if (needs_comma) out += ',';
    append_key(key, out);
    out += raw;
    needs_comma = true;
  }
}

DraftScratch& DraftScratch::of_thread() {
  thread_local DraftScratch scratch;
  return scratch;
}

EventDraft::EventDraft(const Envelope& envelope, EventBatch& out)
    : envelope_(envelope), out_(out), scratch_(DraftScratch::of_thread()) {
  scratch_.items.clear();
  scratch_.properties.clear();
  scratch_.context.clear();
  Event& event = out_.events.emplace_back();
  event.source = envelope.source;
  event.received_time = envelope.received_time;
  event.ip = envelope.ip;
  event.user_agent = envelope.user_agent;
  event.message_id = envelope.message_id;
  event.replaces = envelope.replaces;
  event.owns_order = envelope.owns_order;
}

EventOrder& EventDraft::order() {
  auto& order = event().order;
  if (!order) order.emplace();
  return *order;
}

void EventDraft::set_type(std::string_view name) {
  event().type = event_type_of(name);
  event().type_name = name;
}

void EventDraft::set_type(EventType type) {
  event().type = type;
  event().type_name = event_type_name(type);
}

void EventDraft::write_properties() {
  const bool has_raw = raw_properties.size() > 2 && !json::trim(inside_braces(raw_properties)).empty();
  if (scratch_.properties.empty() && scratch_.context.empty()) {
    if (has_raw) event().properties = raw_properties;
    return;
  }
  std::string& text = scratch_.text;
  text = '{';
  bool needs_comma = false;
  if (has_raw) {
    text += inside_braces(raw_properties);
    needs_comma = true;
  }
  scratch_.properties.append_to(text, needs_comma);
  if (!scratch_.context.empty()) {
    text += needs_comma ? ",\"context\":{" : "\"context\":{";
    needs_comma = false;
    scratch_.context.append_to(text, needs_comma);
    text += '}';
  }
  text += '}';
  event().properties = out_.keep(text);
}

Status EventDraft::finish() {
  if (event().device_type.empty()) event().device_type = device_type_of(event().user_agent);
  Event& done = event();
  done.event_time = event_time.value_or(envelope_.received_time);
  const auto items = out_.new_items(scratch_.items.size());
  std::ranges::copy(scratch_.items, items.begin());
  done.items = items;
  if (done.page_path.empty()) done.page_path = path_of_url(done.page_url);
  write_properties();
  return check_event(done);
}

Status check_event(const Event& event) {
  if (event.type_name.empty()) return fail(Code::kInvalid, "an event needs a type", "type");
  MILLRACE_TRY(check_id("type", event.type_name));
  MILLRACE_TRY(check_id("message_id", event.message_id));
  MILLRACE_TRY(check_time(event));
  MILLRACE_TRY(check_items(event));
  MILLRACE_TRY(check_order(event));
  MILLRACE_TRY(check_value(event));
  return check_place(event);
}

std::string_view keep_padded(std::string_view text, EventBatch& batch) {
  std::string& padded = DraftScratch::of_thread().text;
  padded.assign(text).append(simdjson::SIMDJSON_PADDING, ' ');
  return batch.keep(padded).substr(0, text.size());
}

Status read_item(json::od::value& value, EventBatch& batch, EventItem& into, bool& has_unknown) {
  if (json::kind_of(value) != json::Kind::kObject) return json::read_id(value, batch, into.item_id);
  MILLRACE_ASSIGN(json::od::object object, json::object_of(value));
  std::string_view sku;
  const auto on_member = [&](std::string_view key, json::od::value& member) -> Status {
    const ItemField field = kItemFields.find(key, ItemField::kUnknown);
    if (field != ItemField::kUnknown && field != ItemField::kSku) {
      return read_item_field(field, member, batch, into);
    }
    if (field == ItemField::kSku) return json::read_id(member, batch, sku);
    has_unknown = true;
    return json::check_value(member);
  };
  MILLRACE_TRY(json::each_member(object, batch, on_member));
  has_unknown |= !sku.empty() && !into.item_id.empty();
  if (into.item_id.empty()) into.item_id = sku;
  return {};
}

namespace {

Status read_array(json::od::array& array, std::string_view name, EventDraft& draft) {
  bool has_unknown = false;
  MILLRACE_TRY(json::each_element(array, [&](std::size_t, json::od::value& element) {
    return read_item(element, draft.batch(), draft.items().emplace_back(), has_unknown);
  }));
  if (!has_unknown) return {};
  MILLRACE_ASSIGN(const std::string_view raw, json::raw_container(array));
  draft.properties().put(name, raw);
  return {};
}

}  // namespace

Status read_items(json::od::value& value, std::string_view name, EventDraft& draft) {
  if (json::kind_of(value) != json::Kind::kArray) {
    MILLRACE_ASSIGN(const std::string_view token, json::raw_value(value));
    return json::is_null(token) ? Status{} : fail(Code::kInvalid, "must be an array");
  }
  MILLRACE_ASSIGN(json::od::array array, json::array_of(value));
  return read_array(array, name, draft);
}

Status read_item_array(std::string_view raw, std::string_view name, EventDraft& draft) {
  if (raw.front() != '[') return fail(Code::kInvalid, "must be an array");
  MILLRACE_ASSIGN(json::od::document document, json::parse(raw));
  json::od::array array;
  if (const auto code = document.get_array().get(array)) return fail(json::syntax_error(code));
  return read_array(array, name, draft);
}

}  // namespace millrace
