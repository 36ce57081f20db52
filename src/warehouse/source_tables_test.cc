#include "warehouse/source_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/source_columns.h"
#include "warehouse/source_values.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Row = std::vector<std::optional<std::string>>;

TableSchema orders() {
  return {.columns = {{"id", "int", "int(11)", false, 10, 0},
                      {"placed", "datetime", "datetime", false, 0, 0},
                      {"status", "varchar", "varchar(10)", false, 0, 0}},
          .key = {"id"},
          .zone = "Europe/Paris"};
}

std::string cells(const Row& row) {
  std::string bytes;
  for (const auto& cell : row) append_cell(cell ? RowCell(*cell) : RowCell(), bytes);
  return bytes;
}

class SourceTablesTest : public WarehouseTest {
 protected:
  SourceTablesTest() { open(); }

  void open() {
    tables_.reset();
    auto opened = SourceTables::open(*warehouse_);
    ASSERT_TRUE(opened) << opened.error().text();
    tables_ = *std::move(opened);
  }

  void begin() { ASSERT_TRUE(tables_->begin()); }
  void commit() {
    tables_->set_next("shop", Offset(offset_));
    const Status done = tables_->commit();
    ASSERT_TRUE(done) << done.error().text();
  }
  void apply(const RowRecord& record) {
    if (!tables_->fits("shop", record)) {
      commit();
      begin();
    }
    const Status done = tables_->apply("shop", Offset(offset_++), record);
    ASSERT_TRUE(done) << done.error().text();
  }

  void start_table(const std::string& run, const TableSchema& schema = orders(),
                   const std::string& table = "orders", const std::string& cursor = "") {
    const std::string text = schema.to_json();
    apply({.kind = RowRecordKind::kBegin,
           .run = run,
           .table = table,
           .schema_id = schema_id(schema),
           .position = "gtid:0-1-7",
           .resume = cursor,
           .payload = text});
  }
  void add(const std::string& run, const std::vector<Row>& rows, const std::string& table = "orders") {
    std::string payload;
    for (const auto& row : rows) payload += cells(row);
    const std::string resume = cells({rows.back().front()});
    apply({.kind = RowRecordKind::kRows,
           .run = run,
           .table = table,
           .resume = resume,
           .count = rows.size(),
           .payload = payload});
  }
  void end_and_publish(const std::string& run, std::uint64_t rows, const std::string& table = "orders") {
    apply({.kind = RowRecordKind::kEnd, .run = run, .table = table, .count = rows});
    const std::string which = cells({run, table});
    apply({.kind = RowRecordKind::kPublish, .payload = which});
  }
  void change(const std::vector<std::pair<RowOp, std::vector<Row>>>& changes,
              const TableSchema& schema = orders()) {
    std::string payload;
    for (const auto& [op, rows] : changes) {
      append_op(op, payload);
      for (const auto& row : rows) payload += cells(row);
    }
    apply({.kind = RowRecordKind::kChanges,
           .table = "orders",
           .schema_id = schema_id(schema),
           .count = changes.size(),
           .payload = payload});
  }
  void load(const std::string& run, const std::vector<Row>& rows) {
    begin();
    start_table(run);
    add(run, rows);
    end_and_publish(run, rows.size());
    commit();
  }
  const SourceTableState& state(const std::string& table = "orders") const {
    return tables_->states().at("shop").at(table);
  }

  std::uint64_t offset_ = 0;
  std::unique_ptr<SourceTables> tables_;
};

TEST_F(SourceTablesTest, ASnapshotIsSeenWhenItIsPublishedAndNotBefore) {
  begin();
  start_table("a");
  add("a", {{"1", "2024-07-01 12:00:00", "new"}, {"2", std::nullopt, ""}});
  commit();
  EXPECT_FALSE(state().published);
  EXPECT_EQ(state().filling->rows, 2u);
  EXPECT_EQ(state().filling->resume, cells({"2"}));
  EXPECT_THAT(
      rows("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'shop' AND table_name = 'orders'"),
      IsEmpty());
  begin();
  add("a", {{"3", "2024-12-01 12:00:00.5", "old"}});
  end_and_publish("a", 3);
  commit();
  EXPECT_THAT(rows("SELECT * FROM shop.orders ORDER BY id"),
              ElementsAre("1|2024-07-01 10:00:00|new", "2|NULL|", "3|2024-12-01 11:00:00.5|old"));
  EXPECT_EQ(state().published->rows, 3u);
  EXPECT_EQ(state().published->position, "gtid:0-1-7");
  EXPECT_FALSE(state().filling);
}

TEST_F(SourceTablesTest, ANewSnapshotTakesThePlaceOfTheOldWithWhatVanished) {
  load("a", {{"1", std::nullopt, "x"}, {"2", std::nullopt, "y"}});
  load("b", {{"2", std::nullopt, "z"}});
  EXPECT_THAT(rows("SELECT * FROM shop.orders"), ElementsAre("2|NULL|z"));
  EXPECT_EQ(state().published->run, "b");
}

TEST_F(SourceTablesTest, GoesOnAfterItWasOpenedAgain) {
  begin();
  start_table("a", orders(), "orders", cells({"2024-01-01"}));
  add("a", {{"1", std::nullopt, "x"}});
  commit();
  const auto next = tables_->next_offset("shop");
  tables_.reset();
  reopen();
  open();
  EXPECT_EQ(tables_->next_offset("shop"), next);
  EXPECT_EQ(state().filling->cursor, "2024-01-01");
  EXPECT_EQ(state().filling->schema_id, schema_id(orders()));
  begin();
  add("a", {{"2", std::nullopt, "y"}});
  end_and_publish("a", 2);
  commit();
  EXPECT_THAT(rows("SELECT id FROM shop.orders ORDER BY id"), ElementsAre("1", "2"));
  EXPECT_EQ(state().published->cursor, "2024-01-01");
}

TEST_F(SourceTablesTest, WhatIsRolledBackWasNeverThere) {
  load("a", {{"1", std::nullopt, "x"}});
  begin();
  start_table("b");
  add("b", {{"9", std::nullopt, "x"}});
  end_and_publish("b", 1);
  tables_->rollback();
  EXPECT_THAT(rows("SELECT id FROM shop.orders"), ElementsAre("1"));
  EXPECT_EQ(state().published->run, "a");
}

TEST_F(SourceTablesTest, ASnapshotThatLacksRowsIsNotPublished) {
  load("a", {{"1", std::nullopt, "x"}});
  begin();
  start_table("b");
  add("b", {{"2", std::nullopt, "x"}});
  end_and_publish("b", 2);
  commit();
  EXPECT_THAT(rows("SELECT id FROM shop.orders"), ElementsAre("1"));
  EXPECT_EQ(state().filling->problem, "2 rows were read and 1 came");
}

TEST_F(SourceTablesTest, RowsOfARunThatWasBegunAnewAreLeftOut) {
  begin();
  start_table("a");
  add("a", {{"1", std::nullopt, "x"}});
  start_table("b");
  add("a", {{"2", std::nullopt, "late"}});
  add("b", {{"3", std::nullopt, "y"}});
  end_and_publish("b", 1);
  commit();
  EXPECT_THAT(rows("SELECT id FROM shop.orders"), ElementsAre("3"));
}

TEST_F(SourceTablesTest, SeveralTablesArePublishedTogether) {
  begin();
  start_table("a");
  add("a", {{"1", std::nullopt, "x"}});
  apply({.kind = RowRecordKind::kEnd, .run = "a", .table = "orders", .count = 1});
  commit();
  begin();
  start_table("a", orders(), "other \"orders\"");
  apply({.kind = RowRecordKind::kEnd, .run = "a", .table = "other \"orders\"", .count = 0});
  EXPECT_THAT(tables_->states().at("shop").size(), 1u);
  const std::string which = cells({"a", "orders", "a", "other \"orders\""});
  apply({.kind = RowRecordKind::kPublish, .payload = which});
  commit();
  EXPECT_THAT(rows("SELECT id FROM shop.orders"), ElementsAre("1"));
  EXPECT_THAT(rows("SELECT id FROM shop.\"other \"\"orders\"\"\""), IsEmpty());
}

TEST_F(SourceTablesTest, ChangesTakeEffectByKeyTheLastOneCounts) {
  load("a", {{"1", std::nullopt, "x"}, {"2", std::nullopt, "y"}, {"3", std::nullopt, "z"}});
  begin();
  change({{RowOp::kUpsert, {{"2", std::nullopt, "first"}}},
          {RowOp::kInsert, {{"4", std::nullopt, "new"}}},
          {RowOp::kDelete, {{"1", std::nullopt, "x"}}}});
  change({{RowOp::kUpsert, {{"2", std::nullopt, "second"}}},
          {RowOp::kUpdate, {{"3", std::nullopt, "z"}, {"5", std::nullopt, "moved"}}}});
  commit();
  EXPECT_THAT(rows("SELECT id, status FROM shop.orders ORDER BY id"),
              ElementsAre("2|second", "4|new", "5|moved"));
  EXPECT_EQ(state().published->rows, 3u);
}

TEST_F(SourceTablesTest, ChangesOfOtherColumnsAreLeftOut) {
  load("a", {{"1", std::nullopt, "x"}});
  TableSchema wider = orders();
  wider.columns.push_back({"extra", "int", "int(11)", false, 10, 0});
  begin();
  change({{RowOp::kUpsert, {{"1", std::nullopt, "y", "7"}}}}, wider);
  commit();
  EXPECT_THAT(rows("SELECT status FROM shop.orders"), ElementsAre("x"));
}

TEST_F(SourceTablesTest, AValueThatDoesNotFitIsNullAndKeptAside) {
  load("a", {{"1", "0000-00-00 00:00:00", "x"}, {"2", "2024-02-30 00:00:00", "\xFF"}});
  EXPECT_THAT(rows("SELECT * FROM shop.orders ORDER BY id"), ElementsAre("1|NULL|x", "2|NULL|NULL"));
  EXPECT_THAT(
      rows("SELECT row_key, column_name, value, value_bytes, reason FROM shop._rejected ORDER BY ALL"),
      ElementsAre("[\"1\"]|placed|0000-00-00 00:00:00|NULL|is no date and time of the calendar",
                  "[\"2\"]|placed|2024-02-30 00:00:00|NULL|is no date and time of the calendar",
                  "[\"2\"]|status|NULL|\\xFF|is not valid UTF-8"));
  EXPECT_EQ(state().published->rejected, 3u);
}

TEST_F(SourceTablesTest, WhatWasRejectedGoesWithItsRow) {
  load("a", {{"1", "0000-00-00 00:00:00", "x"}, {"2", "0000-00-00 00:00:00", "x"}});
  begin();
  change({{RowOp::kUpsert, {{"1", "2024-01-01 00:00:00", "mended"}}},
          {RowOp::kUpsert, {{"3", "2024-00-00 00:00:00", "bad"}}}});
  commit();
  EXPECT_THAT(rows("SELECT row_key FROM shop._rejected ORDER BY 1"), ElementsAre("[\"2\"]", "[\"3\"]"));
  begin();
  change({{RowOp::kDelete, {{"2", "0000-00-00 00:00:00", "x"}}}});
  commit();
  EXPECT_EQ(state().published->rejected, 1u);
  load("b", {{"1", std::nullopt, "x"}});
  EXPECT_THAT(rows("SELECT row_key FROM shop._rejected"), IsEmpty());
}

/// Return what a column of that type makes of a value, or the reason why nothing.
std::string type_of(const std::string& data_type, bool is_unsigned = false, std::uint32_t precision = 0,
                    std::uint32_t scale = 0) {
  return SourceColumn::of({"c", data_type, "", is_unsigned, precision, scale}).sql_type();
}

TEST(SourceColumns, EachTypeHasItsOwnInTheWarehouse) {
  EXPECT_EQ(type_of("tinyint"), "TINYINT");
  EXPECT_EQ(type_of("tinyint", true), "UTINYINT");
  EXPECT_EQ(type_of("mediumint", true), "UINTEGER");
  EXPECT_EQ(type_of("bigint", true), "UBIGINT");
  EXPECT_EQ(type_of("bit"), "UBIGINT");
  EXPECT_EQ(type_of("year"), "SMALLINT");
  EXPECT_EQ(type_of("decimal", false, 38, 9), "DECIMAL(38,9)");
  EXPECT_EQ(type_of("decimal", false, 65, 30), "VARCHAR");
  EXPECT_EQ(type_of("float"), "FLOAT");
  EXPECT_EQ(type_of("time"), "INTERVAL");
  EXPECT_EQ(type_of("enum"), "VARCHAR");
  EXPECT_EQ(type_of("json"), "VARCHAR");
  EXPECT_EQ(type_of("point"), "BLOB");
}

TEST_F(SourceTablesTest, ExtremesOfEachTypeAreKeptExactly) {
  const TableSchema schema{.columns = {{"id", "tinyint", "", false, 0, 0},
                                       {"u", "bigint", "", true, 0, 0},
                                       {"s", "bigint", "", false, 0, 0},
                                       {"m", "mediumint", "", true, 0, 0},
                                       {"d4", "decimal", "", false, 4, 2},
                                       {"d9", "decimal", "", false, 9, 9},
                                       {"d18", "decimal", "", false, 18, 0},
                                       {"d38", "decimal", "", false, 38, 10},
                                       {"f", "float", "", false, 0, 0},
                                       {"g", "double", "", false, 0, 0},
                                       {"day", "date", "", false, 0, 0},
                                       {"at", "timestamp", "", false, 0, 0},
                                       {"t", "time", "", false, 0, 0},
                                       {"b", "blob", "", false, 0, 0}},
                           .key = {"id"}};
  begin();
  start_table("a", schema);
  add("a", {{"-128", "18446744073709551615", "-9223372036854775808", "16777215", "-99.99", "0.123456789",
             "999999999999999999", "-9999999999999999999999999999.0123456789", "3.4028234663852886e38",
             "5e-324", "9999-12-31", "2038-01-19 03:14:07.999999", "-838:59:59.000000",
             std::string("\0\xFF long enough to be kept apart", 31)},
            {"127", "256", "300", "4294967296", "100.00", "1.0", "1e3", "", "x", "", "0001-01-01", "24:00",
             "00:60:00", ""}});
  end_and_publish("a", 2);
  commit();
  EXPECT_THAT(rows("SELECT id, u, s, m, d4, d9, d18, d38 FROM shop.orders WHERE id < 0"),
              ElementsAre("-128|18446744073709551615|-9223372036854775808|16777215|-99.99|.123456789|"
                          "999999999999999999|-9999999999999999999999999999.0123456789"));
  EXPECT_THAT(rows("SELECT f::DOUBLE, g, day, \"at\", t, octet_length(b) FROM shop.orders WHERE id < 0"),
              ElementsAre("3.4028234663852886e+38|5e-324|9999-12-31|2038-01-19 03:14:07.999999|"
                          "-838:59:59|31"));
  EXPECT_THAT(rows("SELECT m, d4, d9, d18, d38, f, g, day, \"at\", t FROM shop.orders WHERE id > 0"),
              ElementsAre("NULL|NULL|NULL|NULL|NULL|NULL|NULL|0001-01-01|NULL|NULL"));
  EXPECT_EQ(state().published->rejected, 9u);
}

TEST(SourceValues, ReadsWhatMySqlPrintsAndNothingElse) {
  EXPECT_EQ(read_mysql_time("01:02:03.5"), kHourUs + 2 * kMinuteUs + 3 * kSecondUs + 500'000);
  EXPECT_EQ(read_mysql_time("-00:00:00.000001"), -1);
  EXPECT_FALSE(read_mysql_time("1:02:03"));
  EXPECT_FALSE(read_mysql_time("01:02"));
  EXPECT_FALSE(read_mysql_date("2023-02-29"));
  EXPECT_TRUE(read_mysql_date("2024-02-29"));
  EXPECT_FALSE(read_mysql_date("2024-2-29"));
  EXPECT_EQ(read_mysql_datetime("1970-01-02 00:00:01"), kDayUs + kSecondUs);
  EXPECT_FALSE(read_mysql_datetime("1970-01-02T00:00:01"));
  EXPECT_FALSE(read_mysql_datetime("1970-01-02 00:00:01."));
  EXPECT_TRUE(read_mysql_decimal("0012.50", 4, 2) == 1250);
  EXPECT_TRUE(read_mysql_decimal("-.5", 4, 2) == -50);
  EXPECT_FALSE(read_mysql_decimal("1.234", 6, 2));
  EXPECT_FALSE(read_mysql_decimal("", 6, 2));
  EXPECT_FALSE(read_mysql_decimal("-", 6, 2));
}

/// Changes as following writes them: those of one moment, then their commit.
class FollowedTablesTest : public SourceTablesTest {
 protected:
  void follow(TimeUs moment, const std::vector<std::pair<RowOp, std::vector<Row>>>& changes,
              const TableSchema& schema = orders()) {
    std::string payload;
    append_op(RowOp::kMoment, payload);
    append_cell(std::to_string(moment), payload);
    for (const auto& [op, rows] : changes) {
      append_op(op, payload);
      for (const auto& row : rows) payload += cells(row);
    }
    apply({.kind = RowRecordKind::kChanges,
           .table = "orders",
           .schema_id = schema_id(schema),
           .count = changes.size(),
           .payload = payload});
    EXPECT_TRUE(tables_->in_changes("shop"));
    const std::string position = "gtid:0-1-" + std::to_string(offset_);
    const std::string time = cells({std::to_string(moment)});
    apply({.kind = RowRecordKind::kCommit, .position = position, .resume = time});
    EXPECT_FALSE(tables_->in_changes("shop"));
  }
  std::vector<std::string> history() {
    return rows(
        "SELECT id, status, epoch(valid_from)::BIGINT, epoch(valid_to)::BIGINT FROM shop_history.orders "
        "ORDER BY id, valid_from NULLS FIRST, valid_to NULLS LAST");
  }
};

TEST_F(FollowedTablesTest, TheHistoryHasAllVersionsAndWhenEachHeld) {
  load("a", {{"1", std::nullopt, "new"}, {"2", std::nullopt, "stays"}});
  begin();
  follow(10 * kSecondUs, {{RowOp::kUpdate, {{"1", std::nullopt, "new"}, {"1", std::nullopt, "paid"}}},
                          {RowOp::kInsert, {{"3", std::nullopt, "born"}}}});
  follow(20 * kSecondUs, {{RowOp::kDelete, {{"1", std::nullopt, "paid"}}},
                          {RowOp::kUpdate, {{"3", std::nullopt, "born"}, {"4", std::nullopt, "moved"}}}});
  commit();
  begin();
  follow(30 * kSecondUs, {{RowOp::kInsert, {{"1", std::nullopt, "again"}}}});
  commit();
  EXPECT_THAT(history(), ElementsAre("1|new|NULL|10", "1|paid|10|20", "1|again|30|NULL", "2|stays|NULL|NULL",
                                     "3|born|10|20", "4|moved|20|NULL"));
  EXPECT_THAT(rows("SELECT id, status FROM shop.orders ORDER BY id"),
              ElementsAre("1|again", "2|stays", "4|moved"));
  EXPECT_EQ(tables_->streams().at("shop").commit_time, 30 * kSecondUs);
  open();
  EXPECT_EQ(tables_->streams().at("shop").position, "gtid:0-1-" + std::to_string(offset_ - 1));
}

TEST_F(FollowedTablesTest, ASnapshotInThePlaceOfAFollowedTableAddsWhatDiffers) {
  load("a", {{"1", std::nullopt, "x"}, {"2", std::nullopt, "y"}, {"3", std::nullopt, "z"}});
  begin();
  follow(10 * kSecondUs, {{RowOp::kUpdate, {{"1", std::nullopt, "x"}, {"1", std::nullopt, "X"}}}});
  commit();
  load("b", {{"1", std::nullopt, "X"}, {"2", std::nullopt, "Y"}, {"4", std::nullopt, "new"}});
  EXPECT_THAT(
      rows("SELECT id, status, valid_from IS NULL, valid_to IS NULL FROM shop_history.orders ORDER BY id, "
           "valid_to NULLS LAST"),
      ElementsAre("1|x|true|false", "1|X|false|true", "2|y|true|false", "2|Y|false|true", "3|z|true|false",
                  "4|new|false|true"));
}

TEST_F(FollowedTablesTest, ColumnsThatComeGoAndChangeTheirTypeStayInTheHistory) {
  load("a", {{"1", std::nullopt, "7"}});
  TableSchema wider = orders();
  wider.columns.push_back({"note", "text", "text", false, 0, 0});
  begin();
  const std::string text = wider.to_json();
  apply({.kind = RowRecordKind::kAlter, .table = "orders", .schema_id = schema_id(wider), .payload = text});
  EXPECT_TRUE(tables_->in_changes("shop"));
  follow(10 * kSecondUs,
         {{RowOp::kUpdate, {{"1", std::nullopt, "7", std::nullopt}, {"1", std::nullopt, "8", "why"}}}},
         wider);
  commit();
  EXPECT_THAT(rows("SELECT * FROM shop.orders"), ElementsAre("1|NULL|8|why"));
  TableSchema other = orders();  // no note any more, and the status is a number
  other.columns[2] = {"status", "int", "int(11)", false, 10, 0};
  begin();
  start_table("b", other);
  add("b", {{"1", std::nullopt, "9"}});
  end_and_publish("b", 1);
  commit();
  EXPECT_THAT(rows("SELECT id, status, note, valid_to IS NULL FROM shop_history.orders ORDER BY status"),
              ElementsAre("1|7|NULL|false", "1|8|why|false", "1|9|NULL|true"));
}

TEST_F(FollowedTablesTest, TheHistoryCanBeReadWhateverWasAlteredLast) {
  load("a", {{"1", std::nullopt, "7"}});
  begin();
  follow(10 * kSecondUs, {{RowOp::kUpdate, {{"1", std::nullopt, "7"}, {"1", std::nullopt, "8"}}}});
  commit();
  TableSchema wider = orders();
  wider.columns.push_back({"note", "text", "text", false, 0, 0});
  const std::string json = wider.to_json();
  begin();
  apply({.kind = RowRecordKind::kAlter, .table = "orders", .schema_id = schema_id(wider), .payload = json});
  apply({.kind = RowRecordKind::kCommit, .position = "gtid:0-1-2"});
  commit();
  EXPECT_THAT(rows("SELECT id, status, note FROM shop_history.orders ORDER BY valid_to NULLS LAST"),
              ElementsAre("1|7|NULL", "1|8|NULL"));
  // Another key, over a column that is new; and a name in other letters.
  TableSchema other = orders();
  other.columns = {{"uid", "bigint", "bigint(20)", false, 19, 0},
                   {"Status", "varchar", "varchar(10)", false, 0, 0}};
  other.key = {"uid"};
  begin();
  start_table("b", other);
  add("b", {{"77", "9"}});
  end_and_publish("b", 1);
  commit();
  begin();
  follow(20 * kSecondUs, {{RowOp::kUpdate, {{"77", "9"}, {"77", "10"}}}}, other);
  commit();
  EXPECT_THAT(
      rows("SELECT uid, status FROM shop_history.orders WHERE uid IS NOT NULL ORDER BY valid_to NULLS LAST"),
      ElementsAre("77|9", "77|10"));
}

TEST_F(FollowedTablesTest, ChangesBeforeAndBehindAnAlterGoIntoOneTransaction) {
  load("a", {{"1", std::nullopt, "a"}, {"2", std::nullopt, "b"}, {"3", std::nullopt, "c"}});
  TableSchema wider = orders();
  wider.columns.push_back({"note", "text", "text", false, 0, 0});
  TableSchema widest = wider;
  widest.columns.push_back({"more", "int", "int(11)", false, 10, 0});
  const std::string one = wider.to_json();
  const std::string two = widest.to_json();
  begin();
  follow(10 * kSecondUs,
         {{RowOp::kDelete, {{"1", std::nullopt, "a"}}}, {RowOp::kInsert, {{"4", std::nullopt, "d"}}}});
  apply({.kind = RowRecordKind::kAlter, .table = "orders", .schema_id = schema_id(wider), .payload = one});
  follow(11 * kSecondUs,
         {{RowOp::kUpdate, {{"2", std::nullopt, "b", std::nullopt}, {"2", std::nullopt, "B", "x"}}},
          {RowOp::kDelete, {{"4", std::nullopt, "d", std::nullopt}}}},
         wider);
  apply({.kind = RowRecordKind::kAlter, .table = "orders", .schema_id = schema_id(widest), .payload = two});
  follow(12 * kSecondUs,
         {{RowOp::kUpdate,
           {{"3", std::nullopt, "c", std::nullopt, std::nullopt}, {"3", std::nullopt, "C", "y", "5"}}}},
         widest);
  commit();
  EXPECT_THAT(rows("SELECT * FROM shop.orders ORDER BY id"), ElementsAre("2|NULL|B|x|NULL", "3|NULL|C|y|5"));
  EXPECT_EQ(rows("SELECT * FROM shop_history.orders").size(), 6U);
}

TEST_F(FollowedTablesTest, ASnapshotBehindChangesGoesIntoAnotherTransaction) {
  load("a", {{"1", std::nullopt, "a"}});
  TableSchema wider = orders();
  wider.columns.push_back({"note", "text", "text", false, 0, 0});
  begin();
  follow(10 * kSecondUs, {{RowOp::kInsert, {{"2", std::nullopt, "b"}}}});
  for (const std::string run : {"b", "c"}) {
    start_table(run, wider);
    add(run, {{"1", std::nullopt, "a", run}, {"2", std::nullopt, "b", run}});
    end_and_publish(run, 2);
  }
  follow(20 * kSecondUs, {{RowOp::kDelete, {{"2", std::nullopt, "b", "c"}}}}, wider);
  commit();
  EXPECT_THAT(rows("SELECT * FROM shop.orders"), ElementsAre("1|NULL|a|c"));
}

TEST_F(FollowedTablesTest, ColumnsMayBeCalledAsThoseOfTheHistory) {
  TableSchema odd = orders();
  odd.columns.push_back({"Valid_From", "int", "int(11)", false, 10, 0});
  odd.columns.push_back({"_time", "int", "int(11)", false, 10, 0});
  odd.columns.push_back({"_sequence", "int", "int(11)", false, 10, 0});
  begin();
  start_table("a", odd);
  add("a", {{"1", std::nullopt, "x", "5", "6", "7"}});
  end_and_publish("a", 1);
  follow(
      10 * kSecondUs,
      {{RowOp::kUpdate, {{"1", std::nullopt, "x", "5", "6", "7"}, {"1", std::nullopt, "y", "8", "9", "10"}}}},
      odd);
  commit();
  EXPECT_THAT(
      rows("SELECT status, valid_from, _time, _sequence, epoch(valid_from_)::BIGINT, epoch(valid_to)::BIGINT "
           "FROM shop_history.orders ORDER BY status"),
      ElementsAre("x|5|6|7|NULL|10", "y|8|9|10|10|NULL"));
}

TEST_F(FollowedTablesTest, WhatIsNotFollowedHasNoHistory) {
  load("a", {{"1", std::nullopt, "x"}});
  load("b", {{"1", std::nullopt, "y"}});
  EXPECT_THAT(rows("SELECT schema_name FROM duckdb_schemas() WHERE schema_name = 'shop_history'"), IsEmpty());
}

}  // namespace
}  // namespace millrace
