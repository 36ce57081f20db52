#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// A schema that a replay fills with tables like the warehouse's own.
struct ReplaySchema {
  std::string name;
  std::string origin;                     ///< from where, as it was asked for
  std::uint64_t rows = 0;                 ///< of its table `events`
  std::map<TopicPartition, Offset> next;  ///< as its `_offsets` say
};

/// Without them it is to be exchanged for rows of the warehouse's own tables, and has a table `_replacing`.
enum class WithAggregations : bool { kNo, kYes };

/// Make a schema for a replay from `origin`, with the aggregations that the warehouse's own tables have; fine
/// when it is there. `name` must be of [a-z0-9_]. Errors: kInvalid when it was made for another origin; those
/// of the warehouse.
Status make_replay_schema(Warehouse& warehouse, const std::string& name, const std::string& origin,
                          WithAggregations aggregations = WithAggregations::kYes);

/// Return one, or all by name. Errors: kNotFound; those of the warehouse.
Result<ReplaySchema> replay_schema(Warehouse& warehouse, const std::string& name);
Result<std::vector<ReplaySchema>> replay_schemas(Warehouse& warehouse);

/// Drop a schema with all that is in it; no writer may have it open. Errors: kNotFound; those of the
/// warehouse.
Status drop_replay_schema(Warehouse& warehouse, const std::string& name);

/// Return where the warehouse's own tables are: all below is loaded.
Result<std::map<TopicPartition, Offset>> loaded_offsets(Warehouse& warehouse);

}  // namespace millrace
