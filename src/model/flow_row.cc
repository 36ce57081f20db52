#include "model/flow_row.h"

#include <array>

#include "warehouse/fact_rows.h"

namespace millrace {
namespace {

constexpr unsigned kEvents = 1U << static_cast<unsigned>(FlowTable::kEvents);
constexpr unsigned kInteractions = 1U << static_cast<unsigned>(FlowTable::kItemInteractions);
constexpr unsigned kLines = 1U << static_cast<unsigned>(FlowTable::kOrderLines);
constexpr unsigned kAll = kEvents | kInteractions | kLines;

constexpr FeatureType kText = FeatureType::kVarchar;
constexpr FeatureType kDecimal = FeatureType::kDecimal;

FlowCell text(std::string_view value) {
  return value.empty() ? FlowCell() : FlowCell(value);
}

FlowCell decimal(const std::optional<Decimal>& value) {
  return value ? FlowCell(value->units()) : FlowCell();
}

FlowCell of_order(const FlowRow& row, std::optional<Decimal> EventOrder::* member) {
  return row.event->order ? decimal((*row.event->order).*member) : FlowCell();
}

std::string_view type_of(const FlowRow& row) {
  const Event& event = *row.event;
  return event.type_name.empty() ? event_type_name(event.type) : event.type_name;
}

std::string_view currency_of(const FlowRow& row) {
  if (row.item != nullptr && !row.item->currency.empty()) return row.item->currency;
  return row.event->order ? row.event->order->currency : std::string_view{};
}

template <std::string_view Event::* member>
FlowCell event_text(const FlowRow& row) {
  return text(row.event->*member);
}

template <std::string_view EventItem::* member>
FlowCell item_text(const FlowRow& row) {
  return row.item == nullptr ? FlowCell() : text(row.item->*member);
}

/// What events, item_interactions and order_lines have in common, and what one or two of them have.
constexpr auto kColumns = std::to_array<FlowColumn>({
    {"event_time", FeatureType::kTimestamp, kAll,
     [](const FlowRow& r) { return FlowCell(r.event->event_time); }},
    {"source", kText, kAll, event_text<&Event::source>},
    {"type", kText, kAll, [](const FlowRow& r) { return text(type_of(r)); }},
    {"visitor", kText, kAll, [](const FlowRow& r) { return text(r.event->visitor()); }},
    {"user_id", kText, kAll, event_text<&Event::user_id>},
    {"anonymous_id", kText, kAll, event_text<&Event::anonymous_id>},
    {"session_id", kText, kAll, event_text<&Event::session_id>},
    {"item_id", kText, kAll, item_text<&EventItem::item_id>},
    {"item_name", kText, kAll, item_text<&EventItem::name>},
    {"category", kText, kAll, item_text<&EventItem::category>},
    {"category_top", kText, kAll,
     [](const FlowRow& r) { return r.item == nullptr ? FlowCell() : text(category_top(r.item->category)); }},
    {"price", kDecimal, kAll,
     [](const FlowRow& r) { return r.item == nullptr ? FlowCell() : decimal(r.item->price); }},
    {"quantity", kDecimal, kAll, [](const FlowRow& r) { return decimal(r.quantity); }},
    {"currency", kText, kAll, [](const FlowRow& r) { return text(currency_of(r)); }},
    {"order_id", kText, kAll, [](const FlowRow& r) { return text(r.order_id); }},
    {"country", kText, kAll, event_text<&Event::country>},
    {"region", kText, kAll, event_text<&Event::region>},
    {"recommendation_id", kText, kAll, event_text<&Event::recommendation_id>},
    {"brand", kText, kEvents | kLines, item_text<&EventItem::brand>},
    {"variant", kText, kEvents | kLines, item_text<&EventItem::variant>},
    {"device_type", kText, kEvents | kLines, event_text<&Event::device_type>},
    {"city", kText, kEvents | kLines, event_text<&Event::city>},
    {"value", FeatureType::kDouble, kEvents | kInteractions,
     [](const FlowRow& r) { return r.value ? FlowCell(*r.value) : FlowCell(); }},
    {"amount", kDecimal, kLines, [](const FlowRow& r) { return decimal(r.amount); }},
    {"page_path", kText, kEvents, event_text<&Event::page_path>},
    {"page_url", kText, kEvents, event_text<&Event::page_url>},
    {"page_title", kText, kEvents, event_text<&Event::page_title>},
    {"page_referrer", kText, kEvents, event_text<&Event::page_referrer>},
    {"search_query", kText, kEvents, event_text<&Event::search_query>},
    {"list_id", kText, kEvents, event_text<&Event::list_id>},
    {"os", kText, kEvents, event_text<&Event::os>},
    {"browser", kText, kEvents, event_text<&Event::browser>},
    {"postal_code", kText, kEvents, event_text<&Event::postal_code>},
    {"locale", kText, kEvents, event_text<&Event::locale>},
    {"order_total", kDecimal, kEvents, [](const FlowRow& r) { return of_order(r, &EventOrder::total); }},
    {"order_revenue", kDecimal, kEvents, [](const FlowRow& r) { return of_order(r, &EventOrder::revenue); }},
    {"coupon", kText, kEvents,
     [](const FlowRow& r) { return r.event->order ? text(r.event->order->coupon) : FlowCell(); }},
});

bool is_order(const Event& event) {
  return event.type == EventType::kPurchase || event.type == EventType::kRefund;
}

Decimal negative_if(bool negate, Decimal value) {
  return negate && value.units() > 0 ? Decimal::from_units(-value.units()) : value;
}

std::string_view order_id_of(const Event& event) {
  return event.order ? event.order->order_id : std::string_view{};
}

/// Give the lines of an order; without `bare`, only those of items.
void each_line(const Event& event, bool bare, const std::function<void(const FlowRow&)>& take) {
  const bool refund = event.type == EventType::kRefund;
  for (const EventItem& item : event.items) {
    FlowRow row{.event = &event, .item = &item, .order_id = order_id_of(event)};
    row.quantity = negative_if(refund, item.quantity.value_or(Decimal::from_integer(1)));
    if (item.price) {
      const auto amount = item.price->times(*row.quantity);
      if (!amount) return;  // the loader will refuse the event
      row.amount = *amount;
    }
    if (bare || !item.item_id.empty()) take(row);
  }
  if (!bare || !event.items.empty() || !event.order) return;
  const auto& total = event.order->revenue ? event.order->revenue : event.order->total;
  if (!total) return;
  take({.event = &event, .amount = negative_if(refund, *total), .order_id = order_id_of(event)});
}

}  // namespace

std::string_view flow_table_name(FlowTable table) {
  switch (table) {
    case FlowTable::kEvents:
      return "events";
    case FlowTable::kItemInteractions:
      return "item_interactions";
    case FlowTable::kOrderLines:
      return "order_lines";
  }
  return "";
}

const FlowColumn* find_flow_column(FlowTable table, std::string_view name) {
  for (const FlowColumn& column : kColumns)
    if (column.name == name && column.in(table)) return &column;
  return nullptr;
}

std::vector<std::string> flow_column_names(FlowTable table) {
  std::vector<std::string> names;
  for (const FlowColumn& column : kColumns)
    if (column.in(table)) names.emplace_back(column.name);
  return names;
}

bool may_be_in(FlowTable table, const Event& event) {
  if (table == FlowTable::kEvents) return true;
  if (table == FlowTable::kOrderLines) return is_order(event);
  return !event.items.empty();
}

void each_flow_row(FlowTable table, const Event& event, const std::function<void(const FlowRow&)>& take) {
  if (!may_be_in(table, event)) return;
  const EventItem* single = event.items.size() == 1 ? &event.items.front() : nullptr;
  if (table == FlowTable::kEvents) {
    FlowRow row{.event = &event, .item = single, .order_id = order_id_of(event), .value = event.value};
    if (single != nullptr) row.quantity = single->quantity;
    return take(row);
  }
  if (is_order(event)) return each_line(event, table == FlowTable::kOrderLines, take);
  for (const EventItem& item : event.items) {
    if (item.item_id.empty()) continue;
    FlowRow row{.event = &event, .item = &item, .quantity = item.quantity};
    if (single != nullptr) {
      row.order_id = order_id_of(event);
      row.value = event.value;
    }
    take(row);
  }
}

}  // namespace millrace
