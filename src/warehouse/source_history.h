#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "event/row_changes.h"
#include "warehouse/duck.h"

namespace millrace {

/// Keeps what the rows of followed tables were before (docs/schema.md#schemas-of-sources): what a change of
/// `shop.orders` ended is appended to `shop_history._millrace_orders`, from which the view
/// `shop_history.orders` makes all versions with valid_from and valid_to. Nothing in it is ever updated, and
/// a table that is not followed has none. Works in the transaction of `connection`. Threads: one at a time.
class SourceHistory {
 public:
  explicit SourceHistory(duck::Connection& connection) : connection_(connection) {}

  /// Append what the changes in the temporary table `changes` (warehouse/source_sql.h) ended and began.
  Status add_changes(const std::string& source, const std::string& table, const TableSchema& schema,
                     const std::string& changes);

  /// The table has the columns of `schema` now: so does its history, when there is one.
  Status table_changed(const std::string& source, const std::string& table, const TableSchema& schema);

  /// Append what differs between the table and the snapshot in `staging` that takes its place, when there is
  /// a history of it; `table_changed` once it did. Seen at `time`; `sequence` is larger than those of changes
  /// before.
  Status add_snapshot(const std::string& source, const std::string& table, const TableSchema& before,
                      const TableSchema& after, TimeUs time, std::int64_t sequence);

  /// Forget what is known of the tables: the transaction was rolled back.
  void rollback() { ready_.clear(); }

 private:
  Status make_columns(const std::string& source, const std::string& table, const TableSchema& schema);
  Status make_ready(const std::string& source, const std::string& table, const TableSchema& schema);
  Result<std::map<std::string, std::string>> columns_of(const std::string& source, const std::string& table);

  duck::Connection& connection_;
  std::map<std::pair<std::string, std::string>, std::uint64_t>
      ready_;  ///< by table: the schema it is ready for
};

}  // namespace millrace
