#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "warehouse/aggregation_sql.h"
#include "warehouse/aggregator_options.h"
#include "warehouse/duck.h"

namespace millrace {

/// Keeps the tables of all declared aggregations equal to the facts, within the transactions that write
/// facts. Each transaction adds rows for what it brought; old ones are added up now and then, at most one
/// table in a transaction. An aggregation that cannot be kept up is emptied and left alone until the next
/// start, and the log says so: facts do not wait for it. Threads: one at a time.
class Aggregator {
 public:
  /// Read what is declared (`declare_aggregations`), and fill the tables that do not hold all facts yet, each
  /// in a transaction of its own. `connection` must outlive the aggregator.
  static Result<std::unique_ptr<Aggregator>> open(duck::Connection& connection,
                                                  const AggregatorOptions& options = {});

  /// Take down which windows are touched by the rows of `events` that the temporary table `older_rows` names,
  /// which are about to be deleted.
  Status note_deleted();

  /// Add what the transaction brought; all facts must have been written, and deleted.
  /// Errors: kInternal when an aggregation is at fault (the next transaction goes on without it), others as
  /// of the facts themselves.
  Status add();

  /// Say how the transaction ended.
  void committed();
  void rolled_back();

 private:
  struct Table {
    AggregationSql sql;
    std::string name;
    /// Not prepared: DuckDB's plan goes by the statistics of the tables as they were when it was made, and a
    /// later transaction's rows would be read wrongly.
    std::string insert;
    std::int64_t fresh = 0;   ///< rows of tier 0
    std::int64_t middle = 0;  ///< rows of tier 1
    bool built = true;
    bool given_up = false;
  };
  struct Counts {
    std::int64_t fresh;
    std::int64_t middle;
    bool built;
  };

  Aggregator(duck::Connection& connection, const AggregatorOptions& options)
      : connection_(connection), options_(options) {}

  Status read_tables();
  Status read_counts(Table& table);
  Status build(Table& table);
  Status build_in_transaction(Table& table);
  Status add_to(Table& table);
  Status compute_again(Table& table);
  Status compact_one();
  Result<std::int64_t> compact(const Table& table, int tier);
  Status give_up(Table& table);
  Status failed(Table& table, Error error);
  Result<std::int64_t> changed(const std::string& sql);

  duck::Connection& connection_;
  const AggregatorOptions options_;
  std::vector<Table> tables_;
  std::vector<Counts> before_;  ///< of the tables, when the transaction began
  std::size_t next_ = 0;        ///< whose turn it is to be compacted
  bool deleted_ = false;        ///< facts, in this transaction
};

}  // namespace millrace
