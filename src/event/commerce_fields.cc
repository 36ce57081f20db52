#include "event/commerce_fields.h"

#include <bit>

namespace millrace {

using enum CommerceField;

void CommerceFields::put(CommerceField field, std::string_view key, std::string_view raw, EventDraft& draft) {
  if (field == kUnknown) {
    draft.properties().put(key, raw);
  } else if (json::is_null(raw)) {
    drop(field);  // of a field given twice the last counts
  } else {
    at(field) = {key, raw};
    present_ |= bit(field);
  }
}

/// Read a field and take it out of what is left over. In a lenient event one that cannot be read stays.
template <class T, class Read>
Status CommerceFields::take(CommerceField field, T& into, Read read) {
  if (!has(field)) return {};
  const Given& given = at(field);
  auto result = read(given.raw);
  if (!result) {
    return is_lenient_ ? Status{} : fail(json::under(given.key, std::move(result).error()));
  }
  into = *result;
  drop(field);
  return {};
}

Status CommerceFields::take_text(CommerceField field, std::string_view& into, EventBatch& batch) {
  return take(field, into, [&batch](std::string_view raw) { return json::text_of(raw, batch); });
}

Status CommerceFields::take_id(CommerceField field, std::string_view& into, EventBatch& batch) {
  return take(field, into, [&batch](std::string_view raw) { return json::id_of(raw, batch); });
}

Status CommerceFields::take_decimal(CommerceField field, std::optional<Decimal>& into) {
  return take(field, into, [](std::string_view raw) { return json::decimal_of(raw); });
}

Status CommerceFields::apply_page(EventDraft& draft) {
  Event& event = draft.event();
  MILLRACE_TRY(take_text(kUrl, event.page_url, draft.batch()));
  MILLRACE_TRY(take_text(kPath, event.page_path, draft.batch()));
  MILLRACE_TRY(take_text(kTitle, event.page_title, draft.batch()));
  return take_text(kReferrer, event.page_referrer, draft.batch());
}

Status CommerceFields::apply_order(EventDraft& draft) {
  EventOrder& order = draft.order();
  MILLRACE_TRY(take_id(kOrderId, order.order_id, draft.batch()));
  MILLRACE_TRY(take_decimal(kTotal, order.total));
  MILLRACE_TRY(take_decimal(has(kRevenue) ? kRevenue : kValue, order.revenue));
  MILLRACE_TRY(take_decimal(kShipping, order.shipping));
  MILLRACE_TRY(take_decimal(kTax, order.tax));
  MILLRACE_TRY(take_decimal(kDiscount, order.discount));
  return take_text(kCoupon, order.coupon, draft.batch());
}

Status CommerceFields::apply_value(EventDraft& draft) {
  const bool rated = draft.event().type == EventType::kRating && has(kRating);
  return take(rated ? kRating : kValue, draft.event().value,
              [](std::string_view raw) { return json::double_of(raw); });
}

Status CommerceFields::apply_one_item(EventDraft& draft) {
  if (!has(kProductId) && !has(kSku)) return {};
  EventBatch& batch = draft.batch();
  EventItem item;
  MILLRACE_TRY(take_id(kProductId, item.item_id, batch));
  if (item.item_id.empty()) MILLRACE_TRY(take_id(kSku, item.item_id, batch));
  if (item.item_id.empty()) return {};
  MILLRACE_TRY(take_text(kName, item.name, batch));
  MILLRACE_TRY(take_text(kCategory, item.category, batch));
  MILLRACE_TRY(take_text(kBrand, item.brand, batch));
  MILLRACE_TRY(take_text(kVariant, item.variant, batch));
  MILLRACE_TRY(take_decimal(kPrice, item.price));
  MILLRACE_TRY(take_decimal(kQuantity, item.quantity));
  MILLRACE_TRY(
      take(kPosition, item.position, [](std::string_view raw) { return json::small_integer_of(raw); }));
  draft.items().push_back(item);
  return {};
}

Status CommerceFields::apply_items(EventDraft& draft) {
  if (!has(kProducts)) return apply_one_item(draft);
  const Given& products = at(kProducts);
  auto status = read_item_array(products.raw, products.key, draft);
  if (status) {
    drop(kProducts);
    return {};
  }
  if (!is_lenient_) return fail(json::under(products.key, std::move(status).error()));
  draft.items().clear();
  return {};
}

/// A currency stands for the order and for items without one of their own.
Status CommerceFields::apply_currency(EventDraft& draft) {
  if (draft.items().empty() && !draft.event().order) return {};
  std::string_view currency;
  MILLRACE_TRY(take(kCurrency, currency,
                    [&draft](std::string_view raw) { return json::currency_of(raw, draft.batch()); }));
  if (draft.event().order) draft.order().currency = currency;
  for (EventItem& item : draft.items()) {
    if (item.currency.empty()) item.currency = currency;
  }
  return {};
}

Status CommerceFields::apply_by_type(EventDraft& draft) {
  switch (draft.event().type) {
    case EventType::kPageView:
      return apply_page(draft);
    case EventType::kSearch:
      return take_text(kQuery, draft.event().search_query, draft.batch());
    case EventType::kListView:
      return take_id(kListId, draft.event().list_id, draft.batch());
    case EventType::kPurchase:
    case EventType::kRefund:
      return apply_order(draft);
    case EventType::kRating:
    case EventType::kRead:
    case EventType::kCustom:
      return apply_value(draft);
    default:
      return {};
  }
}

Status CommerceFields::apply(EventDraft& draft) {
  const EventType type = draft.event().type;
  is_lenient_ = type == EventType::kCustom || type == EventType::kIdentify || type == EventType::kPageView;
  MILLRACE_TRY(apply_by_type(draft));
  MILLRACE_TRY(apply_items(draft));
  MILLRACE_TRY(apply_currency(draft));
  MILLRACE_TRY(take_id(kListId, draft.event().list_id, draft.batch()));
  MILLRACE_TRY(take_id(kSessionId, draft.event().session_id, draft.batch()));
  MILLRACE_TRY(take_id(kRecommendationId, draft.event().recommendation_id, draft.batch()));
  for (; present_ != 0; present_ &= present_ - 1) {
    const Given& given = given_[static_cast<std::size_t>(std::countr_zero(present_))];
    draft.properties().put(given.key, given.raw);
  }
  return {};
}

}  // namespace millrace
