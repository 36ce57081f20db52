#include "source/order_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/topics.h"
#include "source/ingest_testing.h"
#include "source/order_events.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kMapping = R"(
source: web
only: {orders.status: {is_not: Cancelled}}
type: purchase
time: orders.placed
fields: {user_id: orders.customer, country: customers.country}
order: {order_id: {column: orders.id, prefix: W-}, revenue: sum_of_items}
item: {item_id: lines_.product, quantity: lines_.quantity, price: lines_.price}
)";

OrderTables tables() {
  return {.source = "shop",
          .head = {"orders", "id"},
          .lines = {"lines_", "order_id"},
          .joins = {{.own = {"customers", "id"}, .to = {"orders", "customer"}}},
          .columns = {}};
}

Result<OrderMapping> make(std::string_view text) {
  auto mapping = parse_mapping(text, "orders.yaml");
  if (!mapping) return fail(mapping.error());
  return make_order_mapping(tables(), *std::move(mapping), text);
}

std::string with(std::string_view what, std::string_view instead) {
  std::string text(kMapping);
  return text.replace(text.find(what), what.size(), instead);
}

TEST(OrderMapping, ReadsWhatItNamesAndNothingElse) {
  const auto made = make(kMapping);
  ASSERT_TRUE(made) << made.error().text();
  std::vector<std::string> columns;
  for (const auto& column : made->tables.columns) columns.push_back(column.text());
  EXPECT_THAT(columns, ElementsAre("orders.placed", "orders.customer", "customers.country", "orders.id",
                                   "lines_.product", "lines_.quantity", "lines_.price", "orders.status"));
  EXPECT_NE(made->tables.version, make(with("web", "app"))->tables.version);
}

TEST(OrderMapping, SaysWhatIsWrong) {
  const auto error = [](const std::string& text) { return make(text).error().text(); };
  EXPECT_THAT(error(with("orders.placed", "placed")), HasSubstr("orders.yaml:5: 'placed' is no column"));
  EXPECT_THAT(error(with("order_id: {column: orders.id, prefix: W-}, ", "")),
              HasSubstr("say it under 'order'"));
  EXPECT_THAT(error(with("type: purchase", "type: refund")), HasSubstr("order_returned"));
  EXPECT_THAT(error(with("source: web", "group_by: [orders.id]")), HasSubstr("leave 'group_by' out"));
  EXPECT_THAT(error(with("user_id: orders.customer", "message_id: orders.id")),
              HasSubstr("leave 'message_id' out"));
  EXPECT_THAT(error(with("type: purchase", "type: [{when: {lines_.product: x}, is: a}, {is: b}]")),
              HasSubstr("lines of one order would have different types"));
  EXPECT_TRUE(make(with("type: purchase", "type: [{when: {customers.country: x}, is: a}, {is: purchase}]")));
}

class OrderEventsTest : public testing::Test {
 protected:
  std::uint64_t tell(std::vector<ChangedOrder>& orders) {
    const auto told = OrderEvents(*bench_.log, Env::system(), mapping_, nullptr).tell(orders, {});
    EXPECT_TRUE(told) << told.error().text();
    return told.value_or(0);
  }
  std::vector<std::string> values(std::string_view topic) const {
    std::vector<std::string> all;
    for (auto& [attributes, value] : bench_.records(topic)) all.push_back(value);
    return all;
  }
  static ChangedOrder::Row row(const std::string& status, const std::string& product,
                               const std::string& price) {
    return {"2024-07-01 12:00:00", "c1", "France", "7", product, "2", price, status};
  }

  IngestBench bench_;
  const OrderMapping mapping_ = *make(kMapping);
};

TEST_F(OrderEventsTest, AnOrderIsToldWhenItIsOtherThanBefore) {
  std::vector<ChangedOrder> orders{
      {.key = "7", .rows = {row("new", "a", "1.5"), row("new", "b", "2")}, .told = {}}};
  EXPECT_EQ(tell(orders), 1U);
  ASSERT_TRUE(orders[0].told);
  EXPECT_EQ(orders[0].told->order_id, "W-7");
  EXPECT_THAT(values(kEventsTopic),
              ElementsAre(AllOf(HasSubstr(R"("type":"purchase","message_id":"order:shop:7")"),
                                HasSubstr(R"("order_id":"W-7","revenue":7)"),
                                testing::Not(HasSubstr("properties")))));
  for (auto& line : orders[0].rows) line.back() = "shipped";
  EXPECT_EQ(tell(orders), 0U);
  for (auto& line : orders[0].rows) line.back() = "Cancelled";
  EXPECT_EQ(tell(orders), 1U);
  EXPECT_THAT(values(kEventsTopic),
              testing::Contains(HasSubstr(R"("type":"order_removed","message_id":"order:shop:7")")));
  EXPECT_EQ(tell(orders), 0U);
  orders[0].rows.clear();
  EXPECT_EQ(tell(orders), 1U);
  EXPECT_FALSE(orders[0].told);
  EXPECT_EQ(tell(orders), 0U);
  EXPECT_EQ(values(kEventsTopic).size(), 3U);
}

TEST_F(OrderEventsTest, OneThatDoesNotFitIsPutAsideOnceAndWhole) {
  std::vector<ChangedOrder> orders{
      {.key = "7", .rows = {row("new", "a", "1.5"), row("new", "b", "much")}, .told = {}},
      {.key = "8", .rows = {row("new", "a", "1")}, .told = {}}};
  EXPECT_EQ(tell(orders), 2U);
  EXPECT_EQ(tell(orders), 0U);
  EXPECT_EQ(values(kEventsTopic).size(), 1U);
  EXPECT_THAT(values(kQuarantineTopic), ElementsAre(HasSubstr(R"("lines_.price":"much")")));
}

TEST_F(OrderEventsTest, OneThatIsTooLargeIsPutAsideWithTheBeginningOfItsRows) {
  std::vector<ChangedOrder> orders{{.key = "7", .rows = {}, .told = {}}};
  for (int i = 0; i < 40'000; ++i)
    orders[0].rows.push_back(row("new", "product" + std::string(100, 'x'), "1"));
  EXPECT_EQ(tell(orders), 1U);
  ASSERT_EQ(values(kQuarantineTopic).size(), 1U);
  EXPECT_LE(values(kQuarantineTopic)[0].size(), 64U << 10);
}

}  // namespace
}  // namespace millrace
