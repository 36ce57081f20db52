#include "source/follow_tables.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

MysqlTable table() {
  MysqlTable made;
  made.schema = {.columns = {{"id", "int", "int(11)", false, 10, 0},
                             {"level", "enum", "enum('a','b')", false, 0, 0},
                             {"name", "varchar", "varchar(10)", false, 0, 0}},
                 .key = {"id"},
                 .zone = "UTC"};
  for (const ColumnSchema& column : made.schema.columns)
    made.columns.push_back({.schema = column, .charset = "", .bytes = {}, .is_read = true});
  made.key.push_back({.name = "id", .charset = "", .collation = ""});
  return made;
}

TEST(FollowTables, WhatOnlyGrewNeedsNoSnapshot) {
  const TableSchema before = table().schema;
  EXPECT_TRUE(only_grew(before, table()));
  MysqlTable longer = table();
  longer.schema.columns[1].column_type = "enum('a','b','c')";
  longer.schema.columns[2].column_type = "varchar(20)";
  EXPECT_TRUE(only_grew(before, longer));
  EXPECT_FALSE(only_grew(longer.schema, table()));
  MysqlTable wider = table();
  const ColumnSchema note{"note", "text", "text", false, 0, 0};
  wider.schema.columns.push_back(note);
  wider.columns.push_back(
      {.schema = note, .charset = "", .bytes = {}, .is_read = true, .is_null_at_first = true});
  EXPECT_TRUE(only_grew(before, wider));
  wider.columns.back().is_null_at_first = false;
  EXPECT_FALSE(only_grew(before, wider));
}

TEST(FollowTables, WhatStandsInTheWayIsSaid) {
  EXPECT_FALSE(follow_obstacle(table()));
  MysqlTable versioned = table();
  versioned.is_versioned = true;
  EXPECT_NE(follow_obstacle(versioned)->find("SYSTEM VERSIONING"), std::string::npos);
  MysqlTable keyless = table();
  keyless.key.clear();
  EXPECT_NE(follow_obstacle(keyless)->find("has no key"), std::string::npos);
}

TEST(FollowTables, TheLargestColumnIsThatOfEitherRowOfAnUpdate) {
  std::string payload;
  const auto add = [&](RowOp op, std::initializer_list<std::string_view> cells) {
    append_op(op, payload);
    for (const auto cell : cells) append_cell(cell, payload);
  };
  add(RowOp::kInsert, {"1", "a", "abc"});
  EXPECT_EQ(largest_column(table().schema, payload), "name");
  add(RowOp::kUpdate, {"2", "a", "b", "2", "much longer", "c"});
  EXPECT_EQ(largest_column(table().schema, payload), "level");
  EXPECT_EQ(largest_column(table().schema, ""), "its large column");
}

}  // namespace
}  // namespace millrace
