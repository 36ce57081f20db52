#include "warehouse/source_orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "warehouse/source_order_marks.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SourceOrdersTest : public WarehouseTest {
 protected:
  SourceOrdersTest() {
    run("CREATE SCHEMA shop; CREATE TABLE shop.orders (id BIGINT, status VARCHAR);"
        "CREATE TABLE shop.lines_ (order_id INTEGER, product VARCHAR, price DECIMAL(10,2));"
        "INSERT INTO shop.orders VALUES (1, 'new'), (2, NULL), (3, 'empty');"
        "INSERT INTO shop.lines_ VALUES (1, 'pot', 1.5), (1, 'rake', 2), (2, 'rose', NULL)");
    open();
  }

  void run(const std::string& sql) {
    auto connection = warehouse_->connect();
    const Status done = connection->execute(sql);
    ASSERT_TRUE(done) << done.error().text();
  }
  void open() {
    orders_.reset();
    auto opened = SourceOrders::open(*warehouse_, {tables_});
    ASSERT_TRUE(opened) << opened.error().text();
    orders_ = *std::move(opened);
  }
  /// Return what is due, as "key: cells of its rows".
  std::vector<std::string> take(std::size_t orders_max = 100) {
    auto taken = orders_->take(tables_, orders_max);
    EXPECT_TRUE(taken) << taken.error().text();
    taken_ = taken.value_or(std::vector<ChangedOrder>());
    std::vector<std::string> texts;
    for (const ChangedOrder& order : taken_) {
      std::string text = order.key + ":";
      for (const auto& row : order.rows)
        for (const auto& cell : row) text += " " + cell.value_or("NULL");
      texts.push_back(text + (order.told ? " told " + order.told->order_id : ""));
    }
    return texts;
  }
  void tell() {
    for (ChangedOrder& order : taken_) order.told.emplace("W" + order.key, 7);
    ASSERT_TRUE(orders_->told(tables_, taken_));
  }
  /// Change rows of a table as following does.
  void change(const std::string& table, const std::string& sql, const std::string& keys) {
    auto connection = warehouse_->connect();
    const TableSchema schema{
        .columns = {{"id", "bigint", "", false, 0, 0}, {"order_id", "int", "", false, 0, 0}},
        .key = {},
        .zone = "UTC"};
    ASSERT_TRUE(connection->execute("CREATE TEMP TABLE changed AS " + keys + ";" + sql));
    const Status done =
        source_order_marks::mark_changes(*connection, tables_, table, schema, "changed", env_.now());
    ASSERT_TRUE(done) << done.error().text();
  }

  OrderTables tables_{.source = "shop",
                      .head = {"orders", "id"},
                      .lines = {"lines_", "order_id"},
                      .joins = {},
                      .columns = {{"orders", "status"}, {"lines_", "product"}, {"lines_", "price"}},
                      .version = 1,
                      .wait = 0};
  std::unique_ptr<SourceOrders> orders_;
  std::vector<ChangedOrder> taken_;
};

TEST_F(SourceOrdersTest, AllAreDueAtFirstThenThoseThatChange) {
  EXPECT_THAT(take(), ElementsAre("1: new pot 1.50 new rake 2.00", "2: NULL rose NULL", "3:"));
  EXPECT_EQ(take().size(), 3U);  // until they are told
  tell();
  EXPECT_THAT(take(), IsEmpty());
  change("lines_", "UPDATE shop.lines_ SET price = 9 WHERE product = 'pot'", "SELECT 1 AS order_id");
  EXPECT_THAT(take(), ElementsAre("1: new pot 9.00 new rake 2.00 told W1"));
  // What changes meanwhile is due once more.
  change("orders", "DELETE FROM shop.orders WHERE id = 1", "SELECT 1 AS id UNION ALL SELECT 1");
  tell();
  EXPECT_THAT(take(), ElementsAre("1: told W1"));
  taken_.front().told.reset();
  ASSERT_TRUE(orders_->told(tables_, taken_));
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(SourceOrdersTest, AnotherVersionMakesAllDueAndAnOpeningOfTheSameNone) {
  take();
  tell();
  open();
  EXPECT_THAT(take(), IsEmpty());
  tables_.version = 2;
  run("DELETE FROM shop.orders WHERE id = 3");
  open();
  EXPECT_THAT(take(1), ElementsAre("1: new pot 1.50 new rake 2.00 told W1"));
  tell();
  EXPECT_THAT(take(), ElementsAre("2: NULL rose NULL told W2", "3: told W3"));
}

TEST_F(SourceOrdersTest, WaitsAndWantsItsTablesAndColumns) {
  tables_.wait = kMinuteUs;
  EXPECT_THAT(take(), IsEmpty());
  tables_.wait = 0;
  tables_.columns.push_back({"orders", "gone"});
  EXPECT_FALSE(orders_->take(tables_, 10));
  tables_.columns.pop_back();
  tables_.joins.push_back({.own = {"people", "id"}, .to = {"orders", "id"}});
  EXPECT_THAT(take(), IsEmpty());
  run("CREATE TABLE shop.people (id BIGINT)");
  EXPECT_EQ(take().size(), 3U);
}

}  // namespace
}  // namespace millrace
