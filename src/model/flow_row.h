#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/decimal.h"
#include "event/event.h"
#include "model/feature_value.h"

namespace millrace {

/// The tables of facts that features of the flow are made of.
enum class FlowTable : std::uint8_t { kEvents, kItemInteractions, kOrderLines };

std::string_view flow_table_name(FlowTable table);

/// A row that the loader will write to such a table for an event: what src/warehouse/fact_rows.cc and the
/// view item_interactions make of it, before it is loaded. The views are the event's.
struct FlowRow {
  const Event* event = nullptr;
  const EventItem* item = nullptr;  ///< none: an event without items or with several, an order without items
  std::optional<Decimal> quantity;
  std::optional<Decimal> amount;  ///< of order lines
  std::string_view order_id;
  std::optional<double> value;
};

using FlowCell = std::variant<std::monostate, std::int64_t, double, std::string_view>;

/// A column that those tables have, in SQL and in memory.
struct FlowColumn {
  std::string_view name;
  FeatureType type;
  unsigned tables;  ///< a bit for each FlowTable
  FlowCell (*read)(const FlowRow& row);

  bool in(FlowTable table) const { return (tables >> static_cast<unsigned>(table) & 1) != 0; }
};

/// Return the column of that name in `table`, or nothing.
const FlowColumn* find_flow_column(FlowTable table, std::string_view name);

/// Return the names of the columns that `table` has here.
std::vector<std::string> flow_column_names(FlowTable table);

/// Call `take` with each row of `table` that an event makes.
void each_flow_row(FlowTable table, const Event& event, const std::function<void(const FlowRow&)>& take);

/// Return whether the event ever makes a row of `table`; cheap.
bool may_be_in(FlowTable table, const Event& event);

}  // namespace millrace
