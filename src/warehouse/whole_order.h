#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/decimal.h"
#include "base/hash.h"
#include "event/event.h"

namespace millrace {

/// Makes what an order is known by: the hash of its source, its id and its lines in any order. So the same
/// order seen another way has the same, and another part of it has not.
class OrderKey {
 public:
  /// The views must outlive the key.
  OrderKey(std::string_view source, std::string_view order_id) : source_(source), order_id_(order_id) {}

  void add_line(std::string_view item_id, Decimal quantity, std::optional<Decimal> price);
  std::uint64_t lines() const { return lines_; }
  Hash128 hash() const;

 private:
  std::string_view source_;
  std::string_view order_id_;
  Hash128 sum_;  ///< of the hashes of the lines
  std::uint64_t lines_ = 0;
};

/// Return what the order of a purchase is known by; nothing for events without order id or items.
std::optional<Hash128> order_key(const Event& event);

/// Return what is remembered of an order that the shop's own database owns, whatever its lines.
Hash128 owned_order_key(std::string_view source, std::string_view order_id);

/// Return whether a purchase proves that it carries the whole order: its items add up, to the last digit, to
/// what it says the order is worth. One row of an invoice does not, nor does an event that states no amount.
bool carries_whole_order(const Event& event);

}  // namespace millrace
