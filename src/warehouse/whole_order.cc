#include "warehouse/whole_order.h"

#include <string>

#include <fmt/format.h>

namespace millrace {
namespace {

/// Return what the items are worth together; nothing when one has no price or the sum fits no amount.
std::optional<std::int64_t> worth_of(const Event& event) {
  std::int64_t sum = 0;
  for (const auto& item : event.items) {
    if (!item.price) return std::nullopt;
    const auto amount = item.price->times(item.quantity.value_or(Decimal::from_integer(1)));
    if (!amount || __builtin_add_overflow(sum, amount->units(), &sum)) return std::nullopt;
  }
  return sum;
}

std::int64_t units_of(const std::optional<Decimal>& amount) {
  return amount ? amount->units() : 0;
}

}  // namespace

void OrderKey::add_line(std::string_view item_id, Decimal quantity, std::optional<Decimal> price) {
  const auto line =
      fmt::format("{}|{}|{}", quantity.units(), price ? fmt::to_string(price->units()) : "", item_id);
  const auto hash = hash128(line);
  sum_.high += hash.high;
  sum_.low += hash.low;
  ++lines_;
}

Hash128 OrderKey::hash() const {
  std::string text = fmt::format("{}|{}|{}|{}|", sum_.high, sum_.low, lines_, source_.size());
  text.append(source_).append(order_id_);
  return hash128(text);
}

std::optional<Hash128> order_key(const Event& event) {
  const bool named = event.type == EventType::kPurchase && event.order && !event.order->order_id.empty();
  if (!named || event.items.empty()) return std::nullopt;
  OrderKey key(event.source, event.order->order_id);
  for (const auto& item : event.items) {
    key.add_line(item.item_id, item.quantity.value_or(Decimal::from_integer(1)), item.price);
  }
  return key.hash();
}

Hash128 owned_order_key(std::string_view source, std::string_view order_id) {
  return hash128(fmt::format("owned|{}|{}{}", source.size(), source, order_id));
}

bool carries_whole_order(const Event& event) {
  if (!event.order || event.items.empty()) return false;
  const auto worth = worth_of(event);
  if (!worth) return false;
  const auto& order = *event.order;
  if (order.revenue && order.revenue->units() == *worth) return true;
  if (!order.total) return false;
  // Around the ends of int64 it wraps and fits nothing, which is as good as false.
  const auto goods = static_cast<std::uint64_t>(order.total->units()) -
                     static_cast<std::uint64_t>(units_of(order.shipping)) -
                     static_cast<std::uint64_t>(units_of(order.tax)) +
                     static_cast<std::uint64_t>(units_of(order.discount));
  return order.total->units() == *worth || static_cast<std::int64_t>(goods) == *worth;
}

}  // namespace millrace
