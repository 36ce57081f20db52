#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "warehouse/warehouse.h"

namespace millrace {

struct QueryLimits {
  std::size_t rows_max = 10'000;
  std::size_t bytes_max = 16u << 20;  ///< of the JSON answer, about
  DurationUs time_max = 30 * kSecondUs;
};

struct QueryServiceOptions {
  unsigned at_once_max = 2;
  std::size_t query_bytes_max = 100'000;
};

/// Answers people's read-only SQL. A query is refused unless it is exactly one SELECT (also WITH, VALUES,
/// FROM, DESCRIBE, SHOW TABLES, and EXPLAIN of one) over tables the caller may read; functions that read
/// files, settings or secrets are refused. See docs/schema.md for the tables. Threads: any method from any
/// thread.
class QueryService {
 public:
  /// Says whether the caller may read a table, by its name: "events", "analytics.visits" of a transform,
  /// "shop.orders" of a source.
  using MayRead = std::function<bool(std::string_view table)>;

  static Result<std::unique_ptr<QueryService>> open(Warehouse& warehouse, const QueryServiceOptions& options);
  ~QueryService();

  /// Run `query` and return {"columns":[{"name","type"}],"rows":[[…]],"truncated":bool}. Integers beyond
  /// 2^53 and DECIMALs are strings, times ISO 8601 with Z, BLOBs base64.
  /// Errors: kInvalid with DuckDB's words; kDenied for what is not allowed; kDeadline; kOverloaded when
  /// `at_once_max` queries run already or memory ran out.
  Result<std::string> run(std::string_view query, const QueryLimits& limits, const MayRead& may_read);

  /// The same with the default permission: every table of docs/schema.md, of replays and sources, and
  /// `information_schema`.
  Result<std::string> run(std::string_view query, const QueryLimits& limits = {});

  /// Interrupt what runs, and refuse new queries with kCancelled.
  void stop();

  struct Impl;

 private:
  explicit QueryService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
