#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/feature_store.h"
#include "model/flow_memory.h"
#include "warehouse/duck.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Reading feature views from the warehouse: what memory is filled with, and what it is compared with.

/// Return the condition that a row of the topic `events` lies in [from, to).
std::string offsets_sql(const LoadedOffsets& from, const LoadedOffsets& to);

/// Give `take` the rows of a view of the flow for which `condition` holds, some at a time.
Status read_flow_rows(duck::Connection& connection, const FeatureView& view, std::string_view condition,
                      const std::function<void(std::vector<FlowEntry>)>& take);

/// Values of entities at one moment, by their keys.
struct FeatureValues {
  TimeUs time = 0;
  std::vector<FeatureValue> values;
};
using ValuesByKey = std::unordered_map<std::string, FeatureValues>;

/// Return what SQL gives for those of `keys` that are known at `at`, of the rows below `before`: the very SQL
/// that training sets are made with, to the end of the slices of `at`.
Result<ValuesByKey> read_flow_values(duck::Connection& connection, const FeatureView& view,
                                     const std::set<std::string>& keys, TimeUs at,
                                     const LoadedOffsets& before);

/// Return the entities of a view of the flow that are known at `at`: all, or about `max`, always the same.
Result<std::set<std::string>> read_flow_keys(duck::Connection& connection, const FeatureView& view, TimeUs at,
                                             const LoadedOffsets& before, std::size_t max);

/// Return the values of a view of a table at `at`: of each entity the row that a label of that moment gets.
/// Errors: kInvalid for SQL that cannot be run, and for a view without time that has several rows for an
/// entity.
Result<TableMemory> read_table_view(Warehouse& warehouse, const FeatureView& view, TimeUs at,
                                    std::size_t bytes_max);

}  // namespace millrace
