#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "warehouse/aggregation.h"
#include "warehouse/measure_value.h"
#include "warehouse/warehouse.h"

namespace millrace {

namespace duck {
class Rows;
}
class AggregationSql;

/// An aggregation with `publish`.
struct PublishedAggregation {
  Aggregation aggregation;
  std::string compiled;  ///< SQL and topic: another one makes of the same facts other messages
  std::vector<MeasureForm> forms;
};

/// Facts of a stretch of the topic `events`: by partition, those with offsets in [from, to).
struct FactRange {
  std::vector<Offset> from;
  std::vector<Offset> to;  ///< as many
};

/// What the events of one source in one partition of a range tell of time.
struct SourceMark {
  std::uint32_t partition = 0;
  std::string source;
  TimeUs newest = 0;         ///< event time, never beyond the reception
  TimeUs received = 0;       ///< when the newest was
  TimeUs received_last = 0;  ///< when the last of them was
  std::uint64_t events = 0;
};

/// The measures of the facts of one source that are in one slice and have the same keys.
struct PublishedRow {
  std::string source;
  TimeUs slice = 0;  ///< where the window begins, or the slice of a sliding one
  std::string keys;  ///< a JSON object
  MeasureValues measures;
};

/// Reads facts for published aggregations: what the loader has committed, in the very expressions that fill
/// the aggregations' tables. Threads: one at a time.
class PublishedRows {
 public:
  /// Take the aggregations that the warehouse keeps and that are published. Errors: those of the warehouse.
  static Result<std::unique_ptr<PublishedRows>> open(Warehouse& warehouse);
  virtual ~PublishedRows() = default;

  virtual const std::vector<PublishedAggregation>& aggregations() const = 0;

  /// Return the marks of a range, by partition and source.
  virtual Result<std::vector<SourceMark>> marks(const FactRange& range) = 0;

  /// Return the newest event time of each of these sources before `before`, as `SourceMark::newest`; reads
  /// through all events, once.
  virtual Result<std::map<std::string, TimeUs>> newest(const std::set<std::string>& sources,
                                                       const std::vector<Offset>& before) = 0;

  /// Return the rows of aggregation `i` in a range: by source, slice and keys, always in the same order.
  /// Errors: kInvalid, kOutOfRange when an expression fails on a fact; those of the warehouse.
  virtual Result<std::vector<PublishedRow>> rows(std::size_t i, const FactRange& range) = 0;

  /// Give `take` the rows of one source before `before`, of facts at `since` or later, until it has enough
  /// and says false. There may be any number of them.
  using Take = std::function<bool(PublishedRow)>;
  virtual Status rows_before(std::size_t i, std::string_view source, TimeUs since,
                             const std::vector<Offset>& before, const Take& take) = 0;
};

/// Return the forms of the measures in what AggregationSql::by_source gives. Errors: kInvalid for a measure
/// that cannot be published, whose name is in `where`.
Result<std::vector<MeasureForm>> measure_forms(const Aggregation& aggregation, duck::Rows& rows);

}  // namespace millrace
