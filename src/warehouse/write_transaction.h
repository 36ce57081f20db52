#pragma once

#include <optional>

#include "base/result.h"
#include "warehouse/duck.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// A transaction of the warehouse's writer: it has the writer's turn, and found room on the disk. Rolled back
/// at the end of its scope unless it was committed; then the turn is given back. Threads: one.
class WriteTransaction {
 public:
  /// Waits for the turn. Both must outlive it. Errors: kNoSpace when little is left, below which a commit
  /// could make DuckDB give up for good; kInternal.
  static Result<WriteTransaction> begin(Warehouse& warehouse, duck::Connection& connection);
  WriteTransaction(WriteTransaction&& other) noexcept;
  WriteTransaction& operator=(WriteTransaction&&) = delete;
  ~WriteTransaction();

  Status commit() { return transaction_->commit(); }

 private:
  explicit WriteTransaction(Warehouse& warehouse) : warehouse_(&warehouse) {}

  Warehouse* warehouse_;
  std::optional<duck::Transaction> transaction_;
};

}  // namespace millrace
