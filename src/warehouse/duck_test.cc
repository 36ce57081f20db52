#include "warehouse/duck.h"

#include <gtest/gtest.h>

namespace millrace::duck {
namespace {

// The loader answers short memory with smaller transactions, so a commit that fails for it must say so.
TEST(Duck, ACommitThatFindsNoMemoryIsOverloadedAndNotBroken) {
  EXPECT_EQ(error_of(DUCKDB_ERROR_TRANSACTION,
                     "TransactionContext Error: Failed to commit: could not allocate block of size 256.0 KiB")
                .code,
            Code::kOverloaded);
  EXPECT_EQ(error_of(DUCKDB_ERROR_TRANSACTION,
                     "TransactionContext Error: Failed to commit: failed to pin block of size 256.0 KiB")
                .code,
            Code::kOverloaded);
  EXPECT_EQ(error_of(DUCKDB_ERROR_TRANSACTION, "TransactionContext Error: no transaction is active").code,
            Code::kInternal);
}

}  // namespace
}  // namespace millrace::duck
