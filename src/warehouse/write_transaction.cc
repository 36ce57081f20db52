#include "warehouse/write_transaction.h"

#include <utility>

#include <fmt/format.h>

namespace millrace {
namespace {

/// Below this DuckDB is not even asked: a disk that fills up within its commit makes it give up for good.
constexpr std::uint64_t kWriterFreeBytesMin = 64ull << 20;

}  // namespace

Result<WriteTransaction> WriteTransaction::begin(Warehouse& warehouse, duck::Connection& connection) {
  MILLRACE_ASSIGN(const auto free, warehouse.free_bytes());
  if (free < kWriterFreeBytesMin) {
    return fail(Code::kNoSpace, fmt::format("the warehouse's disk has {} MB left and needs {}: make room",
                                            free >> 20, kWriterFreeBytesMin >> 20));
  }
  warehouse.writer().acquire();
  WriteTransaction begun(warehouse);
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  begun.transaction_.emplace(std::move(transaction));
  return begun;
}

WriteTransaction::WriteTransaction(WriteTransaction&& other) noexcept
    : warehouse_(std::exchange(other.warehouse_, nullptr)), transaction_(std::move(other.transaction_)) {}

WriteTransaction::~WriteTransaction() {
  transaction_.reset();
  if (warehouse_ != nullptr) warehouse_->writer().release();
}

}  // namespace millrace
