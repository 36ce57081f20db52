#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"

namespace millrace {

/// What `@start` and `@end` stand for: half-open, UTC.
struct TransformBounds {
  TimeUs start = kTimeMin;
  TimeUs end = kTimeMax;
};

/// Return the SQL of a transform's file with `ref('x')` and `source('x')` as the tables that they name,
/// `@start` and `@end` as times, and without a last semicolon. Comments, strings and lines stay as they are.
std::string expand_transform(std::string_view text, const TransformBounds& bounds);

/// Write a time as a literal of SQL: TIMESTAMP '2026-01-31 12:00:00'.
std::string sql_time(TimeUs time);

/// What a transform reads, as DuckDB's own parser sees it.
struct TransformReads {
  std::set<std::string> refs;     ///< other transforms
  std::set<std::string> sources;  ///< tables and views of the warehouse
  bool bounds = false;            ///< it says @start or @end
  std::string canonical;          ///< its SQL without comments and layout
  std::vector<std::string>
      unportable;  ///< what Spark would read otherwise or not at all, each with its place
};

/// Finds out what transforms read, and refuses what is not one SELECT that gives the same from the same
/// tables.
class TransformReader {
 public:
  /// `connection` must outlive it. Errors: those of the warehouse.
  static Result<TransformReader> open(duck::Connection& connection);

  /// Errors: kInvalid with file and line.
  Result<TransformReads> read(const Transform& transform) const;

 private:
  explicit TransformReader(duck::Connection& connection) : connection_(&connection) {}

  duck::Connection* connection_;
  std::set<std::string> unsteady_;  ///< functions that do not give the same each time
};

}  // namespace millrace
