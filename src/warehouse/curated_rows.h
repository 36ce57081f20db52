#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "warehouse/warehouse.h"

namespace millrace {

namespace duck {
class Connection;
}

/// A table of facts and how its rows fall into hours.
struct CuratedTable {
  std::string_view name;
  std::string_view time;   ///< the column whose hour a row belongs to
  std::string_view topic;  ///< the only one its rows come from; empty when they come from any
  std::string_view order;  ///< what orders rows of one event
};

/// Return the tables whose hours go to the lake.
std::span<const CuratedTable> curated_tables();

/// What one cut publishes: of the hours closed by it, what the log holds below `to` and no earlier cut
/// published. An earlier cut published the hours before `closed_before_from` below `from`.
///
///   offset │ ── hours ──►
///   from   │ published │ now
///   to     │ now       │ now
struct CuratedCut {
  struct Range {
    Offset from;
    Offset to;
  };
  std::map<TopicPartition, Range> log;
  TimeUs closed_before_from = 0;
  TimeUs closed_before = 0;      ///< a full hour
  TimeUs not_before = kTimeMin;  ///< a full hour: nothing of those before it
};

struct CuratedHour {
  TimeUs begin = 0;
  std::uint64_t rows = 0;
};

/// A Parquet file as it was made.
struct CuratedFile {
  TimeUs hour = 0;
  std::uint32_t number = 0;  ///< within the hour and cut, from 0
  std::uint64_t rows = 0;
  std::string bytes;
};

/// Reads what goes to the lake's curated zone out of the warehouse, as Parquet. What it gives is a function
/// of the tables and the cut. Threads: one at a time.
class CuratedRows {
 public:
  /// `staging` is a file in the lake's directory that may be overwritten. `warehouse` must outlive it.
  static Result<std::unique_ptr<CuratedRows>> open(Warehouse& warehouse, Path staging);
  ~CuratedRows();

  /// Return below which offset of each partition everything is in the tables.
  Result<std::map<TopicPartition, Offset>> loaded();

  /// Say what the following calls are about. Everything below `to` must be in the tables.
  Status begin(const CuratedCut& cut);

  /// Return the hours of which `table` has rows in the cut, oldest first.
  Result<std::vector<CuratedHour>> hours(const CuratedTable& table);

  /// Make the files of some hours, of `rows_max` rows each, about, sorted by log position, and hand each to
  /// `sink`. Reads the table once for all of them, so hand over neighbours whose rows together fit memory.
  /// Errors: kOverloaded when DuckDB ran out of memory; kNoSpace, kIo; those of `sink`.
  Status write(const CuratedTable& table, std::span<const CuratedHour> hours, std::uint64_t rows_max,
               const std::function<Status(CuratedFile)>& sink);

 private:
  CuratedRows(Warehouse& warehouse, Path staging, duck::Connection connection);

  std::string rows_of(const CuratedTable& table, TimeUs from, TimeUs to) const;
  Result<std::vector<std::string>> slices_of(const std::string& rows, const CuratedHour& hour,
                                             std::uint64_t rows_max);
  Result<CuratedFile> copy(const CuratedTable& table, const std::string& rows, const std::string& slice);

  Warehouse& warehouse_;
  const Path staging_;
  std::unique_ptr<duck::Connection> connection_;
  CuratedCut cut_;
};

}  // namespace millrace
