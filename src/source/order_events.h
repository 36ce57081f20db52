#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "event/codec.h"
#include "event/source_orders.h"
#include "log/event_log.h"
#include "source/log_writer.h"
#include "source/order_mapping.h"

namespace millrace {

/// Tells the orders of a source as events: what an order is now takes the place of what was told of it
/// before, and of purchases of the same (source, order id) that came otherwise (`Event::owns_order`).
/// Threads: one at a time.
class OrderEvents {
 public:
  /// All must outlive it. `contracts`: what events must fit; null: anything.
  OrderEvents(EventLog& log, Env& env, const OrderMapping& mapping, const Contracts* contracts);

  /// Append an event of each order that is not told yet as it is now, and wait until all are durable; `told`
  /// of each says afterwards what was told, and is empty of one that is gone. What does not fit goes to
  /// quarantine. Return how many were appended. Errors: those of the log; kCancelled.
  Result<std::uint64_t> tell(std::vector<ChangedOrder>& orders, const std::stop_token& stop);

 private:
  /// What an order is told as.
  struct Told {
    std::string json;
    std::uint64_t hash = 0;
    bool is_gone = false;
    std::optional<Error> problem;  ///< why it goes to quarantine
  };

  Told told_as(const ChangedOrder& order) const;
  Result<std::string> map(const Mapping& mapping, const ChangedOrder& order) const;
  std::string gone(const ChangedOrder& order) const;
  std::string rows_json(const ChangedOrder& order) const;
  Result<bool> tell_one(ChangedOrder& order, LogWriter& writer) const;
  Status append(const std::string& id, Told& now, ChangedOrder& order, LogWriter& writer) const;
  Status put_aside(const BodyFacts& facts, std::string_view raw, Error reason, LogWriter& writer) const;
  std::string message_id(const ChangedOrder& order) const;

  EventLog& log_;
  Env& env_;
  const OrderMapping& mapping_;
  const Contracts* const contracts_;
  std::vector<std::string> columns_;  ///< of the rows that are mapped
};

}  // namespace millrace
