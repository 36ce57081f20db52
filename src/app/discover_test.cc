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

using testing::ElementsAre;
using testing::HasSubstr;

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
}

}  // namespace
}  // namespace millrace
