#include "warehouse/fact_rows.h"

namespace millrace {

/// An event with what is computed for all of its rows.
struct FactRows::Fact {
  const TopicPartition& partition;
  const Event& event;
  std::optional<std::uint64_t> visit;
};

namespace {

using duck::TableAppender;

constexpr EventItem kNoItem;

bool is_order(const Event& event) {
  return event.type == EventType::kPurchase || event.type == EventType::kRefund;
}

void write_times(TableAppender& row, const Event& event) {
  row.date(event.event_time).time(event.event_time).time(event.received_time);
}

void write_who(TableAppender& row, const Event& event, std::optional<std::uint64_t> visit) {
  row.text(event.visitor()).text(event.user_id).text(event.anonymous_id).text(event.session_id);
  visit ? row.uint64(*visit) : row.null();
}

void write_item_name(TableAppender& row, const EventItem& item) {
  row.text(item.item_id).text(item.name).text(item.category).text(category_top(item.category));
  row.text(item.brand).text(item.variant);
}

/// The columns with which order_lines and event_items tell where the event was.
void write_place(TableAppender& row, const Event& event) {
  row.text(event.device_type).text(event.country).text(event.region).text(event.city);
  row.text(event.recommendation_id);
}

void write_position(TableAppender& row, const EventItem& item) {
  item.position ? row.int32(*item.position) : row.null();
}

std::string_view currency_of(const Event& event, const EventItem& item) {
  if (!item.currency.empty()) return item.currency;
  return event.order ? event.order->currency : std::string_view{};
}

void write_single_item(TableAppender& row, const Event& event) {
  row.int32(static_cast<std::int32_t>(event.items.size()));
  const bool single = event.items.size() == 1;
  const auto& item = single ? event.items.front() : kNoItem;
  write_item_name(row, item);
  row.decimal(item.price).decimal(item.quantity).text(currency_of(event, item));
  write_position(row, item);
  single ? row.boolean(item.in_cart) : row.null();
}

void write_order(TableAppender& row, const std::optional<EventOrder>& order) {
  if (!order) {
    for (int column = 0; column < 7; ++column) row.null();
    return;
  }
  row.text(order->order_id).decimal(order->total).decimal(order->revenue).decimal(order->shipping);
  row.decimal(order->tax).decimal(order->discount).text(order->coupon);
}

void write_device_and_place(TableAppender& row, const Event& event) {
  row.text(event.device_type).text(event.os).text(event.browser).text(event.user_agent);
  row.text(event.ip).text(event.locale);
  row.text(event.country).text(event.region).text(event.city).text(event.postal_code);
  row.real(event.latitude).real(event.longitude);
}

Decimal negative_if(bool negate, Decimal value) {
  return negate && value.units() > 0 ? Decimal::from_units(-value.units()) : value;
}

}  // namespace

std::string_view category_top(std::string_view path) {
  auto top = path.substr(0, path.find('/'));
  while (!top.empty() && top.back() == ' ') top.remove_suffix(1);
  return top;
}

void write_log_position(TableAppender& row, const TopicPartition& partition, Offset offset,
                        std::uint32_t event_index) {
  row.text(partition.topic).int32(static_cast<std::int32_t>(partition.partition.value()));
  row.int64(static_cast<std::int64_t>(offset.value())).int32(static_cast<std::int32_t>(event_index));
}

Result<FactRows> FactRows::open(duck::Connection& connection) {
  FactRows rows;
  MILLRACE_ASSIGN(rows.events_, TableAppender::open(connection, "events"));
  MILLRACE_ASSIGN(rows.lines_, TableAppender::open(connection, "order_lines"));
  MILLRACE_ASSIGN(rows.items_, TableAppender::open(connection, "event_items"));
  return rows;
}

Status FactRows::add(const TopicPartition& partition, const Event& event,
                     std::optional<std::uint64_t> visit) {
  const Fact fact{partition, event, visit};
  MILLRACE_TRY(add_event(fact));
  if (is_order(event) && event.items.empty()) return add_order_without_items(fact);
  std::int32_t index = 0;
  for (const auto& item : event.items) {
    ++index;
    if (is_order(event)) {
      MILLRACE_TRY(add_order_line(fact, index, item));
    } else if (event.items.size() > 1) {
      MILLRACE_TRY(add_event_item(fact, index, item));
    }
  }
  return {};
}

Status FactRows::add_event(const Fact& fact) {
  const auto& event = fact.event;
  auto& row = *events_;
  write_times(row, event);
  row.text(event.source).text(event.type_name.empty() ? event_type_name(event.type) : event.type_name);
  row.text(event.message_id);
  write_who(row, event, fact.visit);
  row.text(event.page_path).text(event.page_url).text(event.page_title).text(event.page_referrer);
  row.text(event.search_query).text(event.list_id);
  write_single_item(row, event);
  write_order(row, event.order);
  row.real(event.value).text(event.recommendation_id);
  write_device_and_place(row, event);
  row.text(event.properties);
  write_log_position(row, fact.partition, event.log_offset, event.event_index);
  return row.end_row();
}

Status FactRows::add_order_line(const Fact& fact, std::int32_t line, const EventItem& item) {
  const bool refund = fact.event.type == EventType::kRefund;
  const auto quantity = negative_if(refund, item.quantity.value_or(Decimal::from_integer(1)));
  std::optional<Decimal> amount;
  if (item.price) {
    MILLRACE_ASSIGN(amount, item.price->times(quantity));
  }
  return write_line(fact, line, item, quantity, amount);
}

/// An order told only by its amount: one line without an item, so that revenue is complete.
Status FactRows::add_order_without_items(const Fact& fact) {
  const auto& order = fact.event.order;
  if (!order || (!order->revenue && !order->total)) return {};
  const bool refund = fact.event.type == EventType::kRefund;
  return write_line(fact, 1, kNoItem, std::nullopt,
                    negative_if(refund, order->revenue ? *order->revenue : *order->total));
}

Status FactRows::write_line(const Fact& fact, std::int32_t line, const EventItem& item,
                            std::optional<Decimal> quantity, std::optional<Decimal> amount) {
  const auto& event = fact.event;
  auto& row = *lines_;
  write_times(row, event);
  row.text(event.source).text(event_type_name(event.type));
  row.text(event.order ? event.order->order_id : std::string_view{}).int32(line);
  write_item_name(row, item);
  row.decimal(item.price).decimal(quantity).decimal(amount).text(currency_of(event, item));
  write_who(row, event, fact.visit);
  write_place(row, event);
  write_log_position(row, fact.partition, event.log_offset, event.event_index);
  return row.end_row();
}

Status FactRows::add_event_item(const Fact& fact, std::int32_t index, const EventItem& item) {
  const auto& event = fact.event;
  auto& row = *items_;
  write_times(row, event);
  row.text(event.source).text(event.type_name.empty() ? event_type_name(event.type) : event.type_name);
  row.int32(index);
  write_item_name(row, item);
  row.decimal(item.price).decimal(item.quantity).text(currency_of(event, item));
  write_position(row, item);
  row.boolean(item.in_cart).text(event.list_id);
  write_who(row, event, fact.visit);
  write_place(row, event);
  write_log_position(row, fact.partition, event.log_offset, event.event_index);
  return row.end_row();
}

Status FactRows::flush() {
  MILLRACE_TRY(events_->flush());
  MILLRACE_TRY(lines_->flush());
  return items_->flush();
}

}  // namespace millrace
