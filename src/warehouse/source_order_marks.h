#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/row_changes.h"
#include "event/source_orders.h"
#include "warehouse/duck.h"

/// Notes which orders of a source are to be told, in the connection's transaction.
namespace millrace::source_order_marks {

/// Those of the rows of one of the tables, before and after, in the temporary table `changes`, which has the
/// columns of `schema`.
Status mark_changes(duck::Connection& connection, const OrderTables& tables, std::string_view table,
                    const TableSchema& schema, std::string_view changes, TimeUs now);

/// All that there are, and all that were told.
Status mark_all(duck::Connection& connection, const OrderTables& tables, TimeUs now);

}  // namespace millrace::source_order_marks
