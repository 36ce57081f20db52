#include "event/row_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/source_state.h"

namespace millrace {
namespace {

TableSchema orders() {
  return {.columns = {{"id", "bigint", "bigint(20) unsigned", true, 20, 0},
                      {"städte", "varchar", "varchar(50)", false, 0, 0},
                      {"amount", "decimal", "decimal(10,2)", false, 10, 2}},
          .key = {"id"},
          .zone = "Europe/Berlin"};
}

TEST(RowChanges, ARecordReadsBackAsItWasWritten) {
  std::string payload;
  append_cell("7", payload);
  append_cell(std::nullopt, payload);
  append_cell("", payload);
  const std::string bytes_with_zero("a\0b", 3);
  append_cell(bytes_with_zero, payload);
  const std::string long_text(300, 'x');
  append_cell(long_text, payload);
  const RowRecord record{.kind = RowRecordKind::kRows,
                         .run = "run-1",
                         .table = "orders",
                         .schema_id = 0x8000'0000'0000'0001,
                         .position = "gtid:0-1-7",
                         .resume =
                             "\x02"
                             "7",
                         .count = 300,
                         .payload = payload};
  std::string bytes;
  encode_row_record(record, bytes);
  const auto read = decode_row_record(bytes);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->kind, record.kind);
  EXPECT_EQ(read->run, record.run);
  EXPECT_EQ(read->table, record.table);
  EXPECT_EQ(read->schema_id, record.schema_id);
  EXPECT_EQ(read->position, record.position);
  EXPECT_EQ(read->resume, record.resume);
  EXPECT_EQ(read->count, record.count);
  const auto cells = read_cells(read->payload);
  ASSERT_TRUE(cells);
  EXPECT_THAT(*cells, testing::ElementsAre("7", std::nullopt, "", bytes_with_zero, long_text));
}

TEST(RowChanges, RefusesWhatIsCutShortAnywhere) {
  std::string payload;
  append_cell("value", payload);
  std::string bytes;
  encode_row_record({.run = "r", .table = "t", .position = "p", .resume = payload, .count = 1}, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_row_record(std::string_view(bytes).substr(0, size))) << size;
  for (std::size_t size = 1; size < payload.size(); ++size)
    EXPECT_FALSE(read_cells(std::string_view(payload).substr(0, size))) << size;
}

TEST(RowChanges, RefusesANewerVersionAndUnknownKindsAndOps) {
  std::string bytes;
  encode_row_record({.table = "t"}, bytes);
  bytes[0] = 2;
  EXPECT_EQ(decode_row_record(bytes).error().code, Code::kInvalid);
  bytes[0] = 1;
  bytes[1] = 99;
  EXPECT_EQ(decode_row_record(bytes).error().code, Code::kInvalid);
  EXPECT_FALSE(CellReader("\x09").next_op());
  EXPECT_EQ(CellReader("\x04").next_op(), RowOp::kDelete);
}

TEST(RowChanges, RefusesALengthThatNoRecordCouldHave) {
  EXPECT_FALSE(read_cells(std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10)));
  EXPECT_FALSE(read_cells(std::string_view("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12)));
}

TEST(RowChanges, ASchemaReadsBackAndHasANumberOfItsOwn) {
  const TableSchema schema = orders();
  const auto read = TableSchema::from_json(schema.to_json());
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, schema);
  EXPECT_EQ(schema_id(*read), schema_id(schema));
  TableSchema wider = schema;
  wider.columns[2].precision = 12;
  EXPECT_NE(schema_id(wider), schema_id(schema));
  EXPECT_THAT(schema.key_places(), testing::ElementsAre(0));
}

TEST(RowChanges, RefusesASchemaWhoseKeyIsNotThere) {
  TableSchema schema = orders();
  schema.key = {"gone"};
  EXPECT_FALSE(TableSchema::from_json(schema.to_json()));
  EXPECT_FALSE(TableSchema::from_json("{}"));
  EXPECT_FALSE(TableSchema::from_json("nothing"));
}

TEST(SourceNames, RefusesThoseTheWarehouseKeeps) {
  EXPECT_TRUE(check_source_name("classicmodels"));
  for (const char* name : {"main", "analytics", "replay_june", "information_schema", "temp", "warehouse",
                           "Shop", "my-shop", "", "_sources", "9lives"})
    EXPECT_FALSE(check_source_name(name)) << name;
  EXPECT_TRUE(check_source_table_name("orders"));
  EXPECT_FALSE(check_source_table_name("_rejected"));
  EXPECT_FALSE(check_source_table_name("_staging_orders"));
  EXPECT_FALSE(check_source_table_name("_Rejected"));
  EXPECT_FALSE(check_source_table_name("_STAGING_orders"));
}

}  // namespace
}  // namespace millrace
