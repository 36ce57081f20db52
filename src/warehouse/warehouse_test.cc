#include "warehouse/warehouse.h"

#include <csignal>
#include <filesystem>
#include <latch>
#include <thread>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warehouse/duck.h"
#include "warehouse/migrations.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

TEST_F(WarehouseTest, MakesItsTablesOnceAndFindsThemAgain) {
  const auto tables = rows("SELECT table_name FROM information_schema.tables");
  EXPECT_THAT(tables, IsSupersetOf({"visits", "events", "order_lines", "event_items", "items", "users",
                                    "recommendations", "quarantine", "item_interactions", "_offsets",
                                    "_books", "_migrations"}));
  const auto applied = rows("FROM _migrations");
  reopen();
  EXPECT_EQ(rows("FROM _migrations"), applied);
  EXPECT_EQ(applied.size(), embedded_migrations().size());
}

TEST_F(WarehouseTest, RefusesTheFilesOfANewerVersion) {
  execute("INSERT INTO _migrations VALUES (999, '999_future', now()::TIMESTAMP)");
  warehouse_.reset();
  const auto opened = Warehouse::open(env_, options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kInvalid);
  EXPECT_THAT(opened.error().message, HasSubstr("newer Millrace"));
}

TEST_F(WarehouseTest, AMigrationThatFailsLeavesNothing) {
  auto connection = warehouse_->connect().value();
  auto steps = embedded_migrations();
  steps.push_back({"900_good", "CREATE TABLE good (a INTEGER)"});
  steps.push_back({"901_bad", "CREATE TABLE half (a INTEGER); CREATE TABLE half (a INTEGER)"});
  const auto done = migrate(connection, steps, 0);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("901_bad"));
  const auto tables = rows("SELECT table_name FROM information_schema.tables");
  EXPECT_THAT(tables, Contains("good"));
  EXPECT_THAT(tables, testing::Not(Contains("half")));
}

/// While it lives no file of this process may grow beyond `bytes`: a full disk that leaves what is there.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) {
    ignored_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, ignored_);
  }

 private:
  rlimit before_{};
  void (*ignored_)(int) = nullptr;
};

TEST_F(WarehouseTest, SaysThatItMustBeOpenedAgainAfterACheckpointThatFailed) {
  EXPECT_TRUE(warehouse_->check());
  execute("CHECKPOINT");
  const auto size = std::filesystem::file_size(options().path);
  execute("CREATE TABLE much AS SELECT md5(i::VARCHAR) AS text FROM range(20000) all_of_it(i)");
  {
    const FileSizeLimit limit(size);
    auto connection = warehouse_->connect().value();
    EXPECT_FALSE(connection.execute("CHECKPOINT"));
    EXPECT_FALSE(connection.execute("SELECT 1"));
  }
  const auto usable = warehouse_->check();
  ASSERT_FALSE(usable);
  EXPECT_THAT(usable.error().message, HasSubstr("restart Millrace"));
  reopen();
  EXPECT_TRUE(warehouse_->check());
  EXPECT_THAT(rows("SELECT count(*) FROM much"), ElementsAre("20000"));
}

TEST_F(WarehouseTest, MigrationNumbersHaveNoGaps) {
  std::size_t number = 0;
  for (const auto& migration : embedded_migrations()) {
    EXPECT_EQ(std::stoul(std::string(migration.name.substr(0, 3))), ++number);
  }
}

TEST_F(WarehouseTest, ReachesNoFilesAndLocksItsSettings) {
  auto connection = warehouse_->connect().value();
  for (const auto* sql :
       {"SELECT * FROM read_text('/etc/passwd')", "COPY events TO '/tmp/x.csv'", "ATTACH 'y.db'",
        "SET enable_external_access = true", "SET threads = 8", "LOAD httpfs"}) {
    EXPECT_FALSE(connection.execute(sql)) << sql;
  }
}

TEST_F(WarehouseTest, SpillsBesideTheFileWhenMemoryIsShort) {
  warehouse_.reset();
  auto small = options();
  small.memory_bytes_max = 64 << 20;
  warehouse_ = Warehouse::open(env_, small).value();
  EXPECT_EQ(
      cell("SELECT count(*) FROM (SELECT range AS a, hash(range) AS b FROM range(6000000) ORDER BY b, a)"),
      "6000000");
}

TEST_F(WarehouseTest, ShortensItsLogWhenItIsLong) {
  const auto log = options().path.string() + ".wal";
  execute("INSERT INTO _books SELECT 'events', range, 0, 0, 0 FROM range(10000)");
  const auto bytes = std::filesystem::file_size(log);
  ASSERT_TRUE(warehouse_->checkpoint_over(bytes + 1));
  EXPECT_EQ(std::filesystem::file_size(log), bytes);
  ASSERT_TRUE(warehouse_->checkpoint_over(bytes));
  EXPECT_FALSE(std::filesystem::exists(log) && std::filesystem::file_size(log) > 1000);
  EXPECT_TRUE(warehouse_->checkpoint_over(0));
  EXPECT_EQ(cell("SELECT count(*) FROM _books"), "10000");
}

TEST_F(WarehouseTest, ACheckpointThatIsDueIsMadeThoughOthersAlwaysWantToWrite) {
  const auto log = options().path.string() + ".wal";
  const auto log_bytes = [&] { return std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0; };
  execute("INSERT INTO _books SELECT 'events', range, 0, 0, 0 FROM range(10000)");
  auto first = std::make_unique<WriterBeside>(*warehouse_);
  ASSERT_TRUE(warehouse_->checkpoint_over(1));
  EXPECT_GT(log_bytes(), 1000u);
  std::uintmax_t seen = 0;
  std::thread second([&] {
    const WriterBeside beside(*warehouse_);
    seen = log_bytes();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(2'200));  // a long statement
  first.reset();
  second.join();
  EXPECT_LT(seen, 1000u) << "the one to come began before it was made";
  EXPECT_LT(log_bytes(), 1000u);
}

TEST_F(WarehouseTest, WhatIsAskedEndsWithTheProcessAndWhatIsWrittenDoesNot) {
  auto job = warehouse_->connect();
  ASSERT_TRUE(job);
  std::latch asked(1);
  std::jthread answer([&] {
    auto connection = warehouse_->connect_for_answer();
    asked.count_down();
    const auto sum = connection->scalar(
        "SELECT CAST(sum(sin(a.i * b.i)) AS BIGINT) FROM range(1000000) a(i), range(1000000) b(i)");
    ASSERT_FALSE(sum);
    EXPECT_EQ(sum.error().code, Code::kCancelled);
  });
  asked.wait();
  warehouse_->end_answers();
  answer.join();
  EXPECT_TRUE(job->execute("CREATE TABLE kept AS SELECT 1"));
  const auto late = warehouse_->connect_for_answer();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kCancelled);
}

TEST_F(WarehouseTest, AnotherProcessIsToldThatTheFileIsTaken) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto opened = Warehouse::open(env_, options());
    ::_exit(!opened && opened.error().code == Code::kExists ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(WarehouseTest, AFileThatIsNoDatabaseIsCorrupt) {
  warehouse_.reset();
  ASSERT_TRUE(write_file_atomically(env_, options().path, std::string(10'000, 'x')));
  std::filesystem::remove(options().path.string() + ".wal");
  const auto opened = Warehouse::open(env_, options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt) << opened.error().message;
}

}  // namespace
}  // namespace millrace
