#include "warehouse/duck.h"

#include <atomic>
#include <thread>

#include <fmt/format.h>
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

/// A table of the numbers from 0 on, to which another session adds all the time.
class GrowingTable {
 public:
  GrowingTable() {
    EXPECT_TRUE(writer_.execute("CREATE TABLE growing (n BIGINT)"));
    thread_ = std::jthread([this](const std::stop_token& stop) {
      for (std::int64_t n = 0; n < 100'000 && !stop.stop_requested(); ++n) {
        EXPECT_TRUE(writer_.execute(fmt::format("INSERT INTO growing VALUES ({})", n)));
        added_ = n + 1;
      }
    });
  }

  Connection connect() { return database_->connect().value(); }
  std::int64_t added() const { return added_; }

 private:
  std::unique_ptr<Database> database_ = Database::open(":memory:", {}).value();
  Connection writer_ = connect();
  std::atomic<std::int64_t> added_ = 0;
  std::jthread thread_;
};

constexpr int kTries = 300;

// All there was then met the condition; what came while it was run does not.
TEST(Duck, AQueryHoldsItsConditionOnATableThatGrows) {
  GrowingTable table;
  Connection connection = table.connect();
  for (int i = 0; i < kTries; ++i) {
    const auto below = table.added();
    const auto counted = connection.scalar(fmt::format("SELECT count(*) FROM growing WHERE n < {}", below));
    ASSERT_TRUE(counted) << counted.error().text();
    ASSERT_EQ(*counted, below);
  }
}

TEST(Duck, AStreamHoldsItsConditionOnATableThatGrows) {
  GrowingTable table;
  Connection connection = table.connect();
  for (int i = 0; i < kTries; ++i) {
    const auto below = table.added();
    auto rows = connection.stream(fmt::format("SELECT n FROM growing WHERE n < {}", below)).value();
    std::int64_t counted = 0;
    while (rows.next_chunk().value()) counted += static_cast<std::int64_t>(rows.size());
    ASSERT_EQ(counted, below);
  }
}

TEST(Duck, AStatementHoldsItsConditionOnATableThatGrows) {
  GrowingTable table;
  Connection connection = table.connect();
  for (int i = 0; i < kTries; ++i) {
    const auto below = table.added();
    ASSERT_TRUE(
        connection.execute(fmt::format("CREATE OR REPLACE TABLE taken AS FROM growing WHERE n < {}", below)));
    ASSERT_EQ(connection.scalar("SELECT count(*) FROM taken").value(), below);
  }
}

}  // namespace
}  // namespace millrace::duck
