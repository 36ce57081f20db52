#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
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

/// Where the records lie that were read, as pieces apart from each other: from where up to, and without,
/// where.
using OffsetSpans = std::map<TopicPartition, std::map<Offset, Offset>>;

/// What a replay went over.
struct ReplayedOffsets {
  OffsetRanges ranges;
  OffsetSpans read;  ///< of the ranges; what lies between was nowhere to be found
};

struct RowExchangeOptions {
  DurationUs duplicate_window = kDayUs;  ///< as FactWriterOptions::duplicate_window
  AggregatorOptions aggregator;
};

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
/// whole order, is dropped: it counts there. So is one whose row of a file was refused in a later load. A new
/// one that `replaces` takes the place of what the tables have under its id outside of the ranges, if that
/// came before it; else it is dropped. No FactWriter may have the own tables open.
/// Errors: kInvalid when the tables have rows of a record that was not read, for then the log has lost it,
/// and when the books would fall below zero: nothing is changed; kNoSpace, kOverloaded; those of the
/// warehouse.
Result<RowExchange> exchange_rows(Warehouse& warehouse, const std::string& schema,
                                  const ReplayedOffsets& offsets, const RowExchangeOptions& options = {});

/// Check how much `exchange_rows` would have to move of some ranges, by the rows that the tables have of them
/// and by the offsets. Errors: kInvalid when that is more than `rows_max`, which says what to do; those of
/// the warehouse.
Status check_exchange_size(Warehouse& warehouse, const OffsetRanges& ranges, std::uint64_t rows_max);

}  // namespace millrace
