#include "app/discover.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/discover_report.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class DiscoverFilesTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(dir_); }

  const Path dir_ = [] {
    std::string name = testing::TempDir() + "discover_test_XXXXXX";
    return Path(mkdtemp(name.data()));
  }();
};

TEST_F(DiscoverFilesTest, ParquetIsReadByWhatIsProposed) {
  const Path file = dir_ / "views.parquet";
  const auto database = duck::Database::open(":memory:", {}).value();
  auto connection = database->connect().value();
  ASSERT_TRUE(connection.execute(
      "COPY (SELECT 'u' || n % 7 AS user_id, {'id': n % 5, 'price': 1.50::DECIMAL(9,2)} AS product, "
      "TIMESTAMP '2026-11-01 10:00:00' + to_seconds(n) AS viewed_at FROM range(100) AS r(n)) TO '" +
      file.string() + "' (FORMAT parquet)"));
  const auto found = discover_files(
      Env::system(), {.name = "views", .pattern = "views.parquet", .files = {file}, .bytes = 1}, {});
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->profile.format, RowFormat::kParquet);
  EXPECT_EQ(found->mapping.roles.at("item.item_id"), "product.id");
  EXPECT_EQ(found->mapping.roles.at("time"), "viewed_at");
  EXPECT_THAT(found->mapping.types, ElementsAre("item_view"));
  EXPECT_EQ(found->trial.records, 100u);
  EXPECT_EQ(found->trial.refused, 0u) << found->trial.first_refusal;
  EXPECT_THAT(files_report(*found), HasSubstr("100 of 100 rows become 100 events (item_view)"));
  EXPECT_EQ(ingest_command(*found, "p/mappings/views.yaml"),
            "millrace ingest parquet --map p/mappings/views.yaml " + file.string());
}

TEST_F(DiscoverFilesTest, ProposalsReplaceNothingUnlessAsked) {
  Env& env = Env::system();
  ASSERT_TRUE(write_proposals(env, dir_ / "out", {{"mappings/a.yaml", "1"}}, false));
  const auto refused =
      write_proposals(env, dir_ / "out", {{"contracts/a.yaml", "2"}, {"mappings/a.yaml", "2"}}, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExists);
  EXPECT_FALSE(env.exists(dir_ / "out/contracts/a.yaml")) << "nothing at all is written";
  ASSERT_TRUE(write_proposals(env, dir_ / "out", {{"mappings/a.yaml", "2"}}, true));
  EXPECT_EQ(read_file(env, dir_ / "out/mappings/a.yaml").value(), "2");
  const auto twice = write_proposals(env, dir_ / "new", {{"a.yaml", "1"}, {"a.yaml", "2"}}, true);
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().text(), HasSubstr("new/a.yaml: is proposed twice, and nothing was written"));
  EXPECT_FALSE(env.exists(dir_ / "new/a.yaml"));
}

TEST_F(DiscoverFilesTest, ANameCannotWriteToTheTerminal) {
  const Path file = dir_ / "v\x1B[2J.csv";
  ASSERT_TRUE(write_file_atomically(Env::system(), file,
                                    "user_id,\x1B[1m sku,at\x1B[5m time\nu,A,2026-11-01 10:00:00\nx\n"));
  const auto found =
      discover_files(Env::system(), {.name = "v", .pattern = "v.csv", .files = {file}, .bytes = 1}, {});
  ASSERT_TRUE(found) << found.error().text();
  const auto report = files_report(*found);
  EXPECT_THAT(report, HasSubstr("note: at [5m time does not say its zone"));
  EXPECT_THAT(report, Not(HasSubstr("\x1B")));
  EXPECT_THAT(ingest_command(*found, "m.yaml"), Not(HasSubstr("\x1B")));
}

TEST_F(DiscoverFilesTest, WithoutAContractThatHoldsThereIsAMapping) {
  const Path file = dir_ / "v.csv";
  std::string header = "user_id,sku,at", row = "u,A,2026-11-01 10:00:00";
  for (int i = 0; i < 300; ++i) {
    header += fmt::format(",c{}", i);
    row += ",x";
  }
  ASSERT_TRUE(write_file_atomically(Env::system(), file, header + '\n' + row + '\n'));
  const auto found =
      discover_files(Env::system(), {.name = "v", .pattern = "v.csv", .files = {file}, .bytes = 1}, {});
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->contract, "");
  EXPECT_THAT(found->mapping.notes, Contains(HasSubstr("no contract is proposed: ")));
  EXPECT_EQ(found->trial.records, 1u) << found->trial.first_refusal;
}

TEST(DatabaseReportTest, ANameCannotWriteToTheTerminal) {
  DatabaseProposal proposal;
  proposal.tables.push_back({.name = "a\x1B[1m", .key = {"k\x1B[1m"}, .problem = "no key\x1B[1m"});
  EXPECT_THAT(database_report("shop", proposal), Not(HasSubstr("\x1B")));
}

TEST(ShellTextTest, QuotesWhatTheShellWouldReadOtherwise) {
  EXPECT_EQ(shell_text("p/orders_1.csv"), "p/orders_1.csv");
  EXPECT_EQ(shell_text(""), "''");
  EXPECT_EQ(shell_text("a b;$(c)"), "'a b;$(c)'");
  EXPECT_EQ(shell_text("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_text("a\n*"), "'a *'");
  EXPECT_EQ(shell_text("a_*.csv", true), "a_*.csv");
  EXPECT_EQ(shell_text("a `_*.csv", true), "'a `_'*'.csv'");
}

}  // namespace
}  // namespace millrace
