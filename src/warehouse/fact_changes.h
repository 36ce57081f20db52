#pragma once

#include <string>

#include "base/result.h"
#include "warehouse/duck.h"

namespace millrace {

/// Take down, in the connection's transaction, the hours of facts that are taken away or put in the place of
/// others: the offsets of the log do not tell of them, and transforms make their intervals again.
/// `event_times` is a query of one column. Only one writer may do so at a time.
Status note_fact_changes(duck::Connection& connection, const std::string& event_times);

}  // namespace millrace
