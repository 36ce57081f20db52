#include "source/binlog_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/binlog_values.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

template <class Read>
std::string text_of(std::string_view hex, const Read& read) {
  const std::string from = bytes(hex);
  BinlogBytes in(from);
  std::string out;
  read(in, out);
  EXPECT_TRUE(in.ok() && in.done()) << hex;
  return out;
}

std::string decimal(std::string_view hex, unsigned precision, unsigned scale) {
  return text_of(hex,
                 [&](BinlogBytes& in, std::string& out) { read_binlog_decimal(in, precision, scale, out); });
}
std::string time(std::string_view hex, unsigned digits) {
  return text_of(hex, [&](BinlogBytes& in, std::string& out) { read_binlog_time(in, digits, out); });
}
std::string datetime(std::string_view hex, unsigned digits) {
  return text_of(hex, [&](BinlogBytes& in, std::string& out) { read_binlog_datetime(in, digits, out); });
}

TEST(BinlogValues, DecimalsKeepEveryDigit) {
  EXPECT_EQ(decimal("810DFB38D204D2", 14, 4), "1234567890.1234");  // the example of MySQL's own documentation
  EXPECT_EQ(decimal("7EF204C72DFB2D", 14, 4), "-1234567890.1234");
  EXPECT_EQ(decimal("80000000000000", 14, 4), "0.0000");
  EXPECT_EQ(decimal("8063", 3, 0), "99");
  EXPECT_EQ(decimal("FF", 2, 2), "0.127");  // none that a server writes, and no harm either
}

TEST(BinlogValues, TimesMayBeNegativeAndFine) {
  EXPECT_EQ(time("800000", 0), "00:00:00");
  EXPECT_EQ(time("B46EFB", 0), "838:59:59");
  EXPECT_EQ(time("4B9105", 0), "-838:59:59");
  EXPECT_EQ(time("7FFFFFE7", 2), "-00:00:00.25");
  EXPECT_EQ(datetime("99B3C2C8B80BB8B8", 6), "2024-07-01 12:34:56.768184");
}

MysqlTable people() {
  MysqlTable table;
  table.name = "people";
  table.columns = {
      {.schema = {"id", "int", "int(10) unsigned", true, 0, 0}, .charset = "", .is_read = true},
      {.schema = {"secret", "varchar", "varchar(9)", false, 0, 0}, .charset = "latin1"},
      {.schema = {"level", "enum", "enum('new','it''s')", false, 0, 0}, .charset = "latin1", .is_read = true},
      {.schema = {"name", "varchar", "varchar(80)", false, 0, 0}, .charset = "latin1", .is_read = true}};
  return table;
}

BinlogTableMap layout() {
  return {
      .table_id = 7, .database = "shop", .table = "people", .columns = {{3, 0}, {15, 9}, {247, 1}, {15, 80}}};
}

std::vector<std::optional<std::string>> cells_of(std::string_view out) {
  auto cells = read_cells(out.substr(1));
  EXPECT_TRUE(cells);
  return cells.value_or(std::vector<std::optional<std::string>>());
}

TEST(BinlogRows, GiveTheColumnsThatAreReadAsAnExtractionDoes) {
  auto reader = BinlogRowReader::make(layout(), people());
  ASSERT_TRUE(reader) << reader.error().text();
  const std::string images = bytes(
      "00"
      "FFFFFFFF"
      "0178"
      "02"
      "044BE47365");
  const std::string present = bytes("0F");
  std::string out;
  const auto rows = reader->read(
      {.op = RowOp::kInsert, .table_id = 7, .columns = 4, .before = present, .after = {}, .images = images},
      out);
  ASSERT_TRUE(rows) << rows.error().text();
  EXPECT_EQ(*rows, 1u);
  EXPECT_THAT(cells_of(out), ElementsAre("4294967295", "it's", "Käse"));
}

TEST(BinlogRows, SayWhichSettingIsMissingWhenColumnsAre) {
  auto reader = BinlogRowReader::make(layout(), people());
  ASSERT_TRUE(reader);
  const std::string images = bytes(
      "00"
      "01000000");
  const std::string present = bytes("01");
  std::string out;
  const auto rows =
      reader->read({.op = RowOp::kDelete, .columns = 4, .before = present, .images = images}, out);
  ASSERT_FALSE(rows);
  EXPECT_THAT(rows.error().message, HasSubstr("level is missing): SET GLOBAL binlog_row_image = FULL"));
}

TEST(BinlogRows, RowsOfBeforeColumnsWereAddedHaveNullThere) {
  MysqlTable table = people();
  table.columns.push_back({.schema = {"note", "text", "text", false, 0, 0},
                           .charset = "utf8mb4",
                           .is_read = true,
                           .is_null_at_first = true});
  EXPECT_TRUE(BinlogRowReader::make(layout(), table));
  table.columns.back().is_null_at_first = false;  // it has a default: older rows have that
  EXPECT_EQ(BinlogRowReader::make(layout(), table).error().code, Code::kInvalid);
  BinlogTableMap retyped = layout();
  retyped.columns[0].type = 8;
  EXPECT_EQ(BinlogRowReader::make(retyped, people()).error().code, Code::kInvalid);
}

TEST(BinlogRows, NamesOfEnumsAreRead) {
  EXPECT_THAT(read_enum_names("enum('a','it''s','back\\\\slash','','x,y)')"),
              ElementsAre("a", "it's", "back\\slash", "", "x,y)"));
  EXPECT_THAT(read_enum_names("int(11)"), IsEmpty());
  EXPECT_THAT(read_enum_names("enum('open"), ElementsAre("open"));
}

TEST(BinlogEvents, WhatIsCutShortIsSaidAnywhere) {
  const std::string map = bytes(
      "070000000000"
      "0100"
      "0473686F7000"
      "0670656F706C6500"
      "04"
      "030FF70F"
      "05"
      "0900"
      "F701"
      "50"
      "00");
  for (std::size_t size = 0; size < map.size(); ++size)
    EXPECT_FALSE(parse_table_map_event(std::string_view(map).substr(0, size)) && size < 24) << size;
  const std::string rows = bytes(
      "070000000000"
      "0100"
      "04"
      "0F"
      "00"
      "01000000");
  const auto parsed = parse_rows_event(BinlogEventType::kWriteRowsV1, rows);
  ASSERT_TRUE(parsed);
  auto reader = BinlogRowReader::make(layout(), people());
  std::string out;
  EXPECT_EQ(reader->read(*parsed, out).error().code, Code::kCorrupt);
  EXPECT_FALSE(parse_binlog_event("short"));
}

}  // namespace
}  // namespace millrace
