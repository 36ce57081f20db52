#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "warehouse/aggregation.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// How many aggregations a project may declare.
inline constexpr std::size_t kAggregationsMax = 64;

/// Make the warehouse keep the built-in aggregations and those of `files`; without `files`, those it kept
/// before. Tables of aggregations that are no longer declared are dropped; those of new and changed ones are
/// empty until a FactWriter opens and fills them. Call it before one is open. `schema`: whose tables they are
/// made of and lie among; empty: the warehouse's own.
/// Errors: kInvalid with all mistakes of all files, each with its place; those of the warehouse.
Status declare_aggregations(Warehouse& warehouse, const std::optional<std::vector<AggregationFile>>& files,
                            const std::string& schema = {});

/// Return the files of the aggregations that the warehouse's own tables have, but for those that are built
/// in.
Result<std::vector<AggregationFile>> declared_aggregations(Warehouse& warehouse);

}  // namespace millrace
