#include "source/statement.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

StatementEffect effect(std::string_view statement, std::string_view session = "shop") {
  return statement_effect(statement, session, "shop", "orders");
}

TEST(Statement, WhatLeavesValuesAsTheyWereConcernsTheColumnsAlone) {
  for (const char* text :
       {"ALTER TABLE orders ADD COLUMN note TEXT", "alter table `orders` modify status enum('a','b','drop')",
        "/* drop */ ALTER TABLE shop.orders ADD INDEX (note), DROP INDEX status",
        "ALTER TABLE orders DROP FOREIGN KEY a", "ALTER TABLE orders ADD note INT NULL DEFAULT NULL",
        "ALTER TABLE orders MODIFY note INT NOT NULL DEFAULT 7"})
    EXPECT_EQ(effect(text), StatementEffect::kColumns) << text;
}

TEST(Statement, WhatMayChangeValuesConcernsTheContents) {
  for (const char* text :
       {"TRUNCATE orders", "truncate table `shop`.`orders`", "ALTER TABLE orders DROP COLUMN note",
        "ALTER TABLE orders RENAME COLUMN a TO b", "ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4",
        "ALTER TABLE orders TRUNCATE PARTITION p0", "RENAME TABLE old TO orders, orders TO x",
        "DROP TABLE IF EXISTS a, orders", "CREATE OR REPLACE TABLE orders (id INT)", "DELETE FROM orders",
        "UPDATE customers, orders SET a = 1", "/*!40000 ALTER TABLE orders DISABLE KEYS, DROP note */",
        "LOAD DATA INFILE 'x' INTO TABLE `orders`", "SET STATEMENT lock_wait_timeout = 5 FOR TRUNCATE orders",
        "/* a */ set statement a = 'for', b = 2 for /*!40000 alter table orders drop note */"})
    EXPECT_NE(effect(text), StatementEffect::kNone) << text;
  for (const char* text :
       {"TRUNCATE orders", "ALTER TABLE orders ADD note INT DEFAULT 7",
        "ALTER TABLE orders ADD note TEXT DEFAULT 'x'", "ALTER TABLE orders ADD note INT NOT NULL",
        "alter table orders add note int as (id + 1) stored"})
    EXPECT_EQ(effect(text), StatementEffect::kContents) << text;
}

TEST(Statement, OthersConcernNothing) {
  for (const char* text :
       {"TRUNCATE order_lines", "CREATE VIEW orders_now AS SELECT * FROM orders", "ALTER USER orders",
        "GRANT ALL ON shop.orders TO x", "ANALYZE TABLE orders", "CREATE INDEX i ON orders (a)",
        "INSERT INTO log VALUES ('drop table orders')", "", "`orders`", "SET STATEMENT a = 1",
        "SET STATEMENT a = 1 FOR SELECT * FROM orders", "# ALTER TABLE orders DROP x"})
    EXPECT_EQ(effect(text), StatementEffect::kNone) << text;
  EXPECT_EQ(effect("TRUNCATE orders", "other"), StatementEffect::kNone);
  EXPECT_EQ(effect("TRUNCATE shop.orders", "other"), StatementEffect::kContents);
}

TEST(Statement, TablesOfTheDatabaseThatComeAndGoAreSeen) {
  EXPECT_TRUE(alters_tables("CREATE TABLE fresh (id INT)", "shop", "shop"));
  EXPECT_TRUE(alters_tables("create table `shop`.fresh (id INT)", "", "shop"));
  EXPECT_FALSE(alters_tables("CREATE TABLE fresh (id INT)", "other", "shop"));
  EXPECT_FALSE(alters_tables("INSERT INTO orders VALUES (1)", "shop", "shop"));
}

}  // namespace
}  // namespace millrace
