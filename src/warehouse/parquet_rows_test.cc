#include "warehouse/parquet_rows.h"

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "warehouse/duck.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ParquetRowsTest : public testing::Test {
 protected:
  /// Write what `sql` selects as a Parquet file.
  Path write(const std::string& sql) {
    auto database = duck::Database::open(":memory:", {}).value();
    auto connection = database->connect().value();
    const auto done = connection.execute("COPY (" + sql + ") TO '" + path_.string() + "' (FORMAT parquet)");
    EXPECT_TRUE(done) << done.error().text();
    return path_;
  }
  static std::vector<std::string> all(ParquetRows& rows) {
    std::vector<std::string> texts;
    for (;;) {
      const auto row = rows.next();
      if (!row) texts.push_back("error " + row.error().text());
      if (!row || row->empty()) return texts;
      texts.emplace_back(*row);
    }
  }

  void TearDown() override { std::filesystem::remove(path_); }

  const Path path_ = Path(testing::TempDir()) / fmt::format("millrace-rows-{}.parquet", ::getpid());
};

TEST_F(ParquetRowsTest, RowsAreJsonObjects) {
  const auto rows =
      ParquetRows::open(write("SELECT 1 AS n, 'é\"' AS t, NULL AS z, 2.50::DECIMAL(9,2) AS d, TIMESTAMP "
                              "'2024-07-01 09:00:00.25' AS at, "
                              "{'a': 1, 'b': [1, 2]} AS s, [{'index': 10, 'value': 'x'}] AS dims"));
  ASSERT_TRUE(rows) << rows.error().text();
  EXPECT_EQ((*rows)->rows_total(), 1u);
  EXPECT_THAT(all(**rows), ElementsAre(R"({"n":1,"t":"é\"","z":null,"d":2.5,"at":"2024-07-01 09:00:00.25",)"
                                       R"("s":{"a":1,"b":[1,2]},"dims":[{"index":10,"value":"x"}]})"));
  EXPECT_EQ((*rows)->rows_done(), 1u);
}

TEST_F(ParquetRowsTest, ManyRowsComeInTheirOrder) {
  const auto rows = ParquetRows::open(write("SELECT range AS n FROM range(300000)")).value();
  const auto texts = all(*rows);
  ASSERT_EQ(texts.size(), 300'000u);
  for (std::size_t i = 0; i < texts.size(); i += 9'973)
    EXPECT_EQ(texts[i], "{\"n\":" + std::to_string(i) + "}");
}

TEST_F(ParquetRowsTest, AFileWithoutRowsHasNone) {
  const auto rows = ParquetRows::open(write("SELECT 1 AS n WHERE false")).value();
  EXPECT_THAT(all(*rows), ElementsAre());
}

TEST_F(ParquetRowsTest, AFileCutShortIsRefusedWithWhatToDo) {
  const auto path = write("SELECT range AS n FROM range(1000)");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 9);
  const auto rows = ParquetRows::open(path);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, Code::kCorrupt);
  EXPECT_THAT(rows.error().message, HasSubstr("was not written to its end"));
  EXPECT_THAT(rows.error().message, HasSubstr("write it again"));
}

TEST_F(ParquetRowsTest, ANameThatWouldBeAPatternIsRefused) {
  const auto rows = ParquetRows::open("/tmp/*.parquet");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, Code::kInvalid);
}

}  // namespace
}  // namespace millrace
