#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "event/source_orders.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// The orders of sources that were changed and are to be told as events. Which are, is noted in the
/// transaction in which the tables of sources change (warehouse/source_tables.h), and forgotten once `told`:
/// so an order may be told twice, and never not at all. Threads: one at a time.
class SourceOrders {
 public:
  /// Note all orders of those whose version is another one than before. `warehouse` must outlive it.
  static Result<std::unique_ptr<SourceOrders>> open(Warehouse& warehouse, std::vector<OrderTables> tables);
  virtual ~SourceOrders() = default;

  /// Return up to `orders_max` orders of one source, fewer when they have many lines, that were changed
  /// `wait` ago or earlier, as they are in its tables at one moment. None while one of the tables is not
  /// there yet. Errors: kInvalid when a column that is to be read is not there; others of the warehouse.
  virtual Result<std::vector<ChangedOrder>> take(const OrderTables& tables, std::size_t orders_max) = 0;

  /// Note of those that were taken last what they were told as; nothing: it is forgotten. Errors: kNoSpace,
  /// others of the warehouse.
  virtual Status told(const OrderTables& tables, const std::vector<ChangedOrder>& orders) = 0;
};

}  // namespace millrace
