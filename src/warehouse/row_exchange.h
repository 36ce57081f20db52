#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "warehouse/aggregator_options.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Offsets of one partition: from `from` up to, and without, `to`.
struct OffsetRange {
  Offset from;
  Offset to;
};

/// What is exchanged: a range of each partition of the topic `events`.
using OffsetRanges = std::map<TopicPartition, OffsetRange>;

struct RowExchange {
  std::uint64_t removed = 0;  ///< rows of `events` that went
  std::uint64_t added = 0;    ///< that came
};

/// Put what `schema` holds of some ranges of the log in the place of what the warehouse's own tables have of
/// them: events, order lines, event items, and what was put aside; the aggregations and books follow. One
/// transaction, so readers see the old rows or the new ones, also after a crash. `schema` must hold the
/// ranges whole, made by a writer that `goes_on_after` their beginnings.
///
/// An event that is not in the tables now and repeats one that stands after its range, by message id or as a
/// whole order, is dropped: it counts there. No FactWriter may have the own tables open.
/// Errors: kInvalid when `schema` holds fewer events of a partition than the tables, for then the log has
/// lost some: nothing is changed; kNoSpace, kOverloaded; those of the warehouse.
Result<RowExchange> exchange_rows(Warehouse& warehouse, const std::string& schema, const OffsetRanges& ranges,
                                  const AggregatorOptions& options = {});

}  // namespace millrace
