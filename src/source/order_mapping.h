#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/source_orders.h"
#include "source/mapping.h"

namespace millrace {

/// How the orders of a source become events: `orders` of a source in millrace.yaml (docs/how-to/sources.md).
struct OrderMapping {
  /// The column of rows that has the message id, beside those called TABLE.COLUMN.
  static constexpr std::string_view kIdColumn = "_order";

  OrderTables tables;
  Mapping mapping;   ///< each order's rows are one event
  Mapping left_out;  ///< the same of orders that `only` passes over: they are told as removed
};

/// Return the mapping of a file as the one of orders, whose `tables` then say what is to be read and, by what
/// the file's `text` is, which version they are. Errors: kInvalid, `where` with the line where there is one.
Result<OrderMapping> make_order_mapping(OrderTables tables, Mapping mapping, std::string_view text);

}  // namespace millrace
