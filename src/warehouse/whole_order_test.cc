#include "warehouse/whole_order.h"

#include <array>
#include <deque>
#include <limits>
#include <string>

#include <gmock/gmock.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;

EventItem item(std::string_view id, std::string_view price, std::string_view quantity) {
  return {
      .item_id = id, .price = Decimal::parse(price).value(), .quantity = Decimal::parse(quantity).value()};
}

/// Events of one order: two lines worth 5.00 together, with what it says of itself and a message id of its
/// own.
class OrdersTest : public WarehouseTest {
 protected:
  Event purchase(std::string_view order_id, std::optional<std::string_view> revenue,
                 std::span<const EventItem> items) {
    auto event = make_event(EventType::kPurchase, next_++, kTestDay);
    event.message_id = ids_.emplace_back("m" + std::to_string(next_));
    event.order = EventOrder{.order_id = order_id};
    if (revenue) event.order->revenue = Decimal::parse(*revenue).value();
    event.items = items;
    return event;
  }
  std::string revenue() { return cell("SELECT coalesce(sum(amount), 0) FROM order_lines"); }

  const std::array<EventItem, 2> lines_ = {item("p1", "1.50", "2"), item("p2", "2", "1")};
  const std::array<EventItem, 2> other_way_ = {item("p2", "2", "1"), item("p1", "1.50", "2")};
  std::uint64_t next_ = 0;
  std::deque<std::string> ids_;
};

TEST_F(OrdersTest, AWholeOrderCountsOnceHoweverOftenItIsSeenAlsoAfterARestart) {
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{purchase("o1", "5", lines_), purchase("o1", "5.00", other_way_)}));
  EXPECT_EQ(revenue(), "5.0000");
  restart(out);
  out = writer();
  auto with_total = purchase("o1", {}, lines_);
  with_total.order->total = Decimal::parse("9.10").value();
  with_total.order->shipping = Decimal::parse("4.60").value();
  with_total.order->discount = Decimal::parse("0.50").value();
  with_total.received_time = kTestDay + 300 * kDayUs;
  ASSERT_TRUE(write(*out, std::array{with_total, purchase("o2", "5", lines_)}));
  auto other_source = purchase("o1", "5", lines_);
  other_source.source = "app";
  ASSERT_TRUE(write(*out, {&other_source, 1}));
  EXPECT_THAT(rows("SELECT source, order_id, count(*) FROM events GROUP BY ALL ORDER BY ALL"),
              ElementsAre("app|o1|1", "web|o1|1", "web|o2|1"));
  EXPECT_EQ(revenue(), "15.0000");
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 3, .duplicate = 2}));
}

TEST_F(OrdersTest, PartsOfOrdersRefundsAndOtherOrdersAreNeverDropped) {
  const std::array<EventItem, 1> first = {lines_[0]};
  const std::array<EventItem, 1> second = {lines_[1]};
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{
                              purchase("o1", {}, first),
                              purchase("o1", {}, first),  // two like lines of one invoice
                              purchase("o2", "5", first),
                              purchase("o2", "5", second),  // each says the order's worth
                              purchase("o3", "3", first),
                              purchase("o3", "2", second),  // each says its own
                              purchase("", "5", lines_),
                              purchase("", "5", lines_),
                          }));
  auto refund = purchase("o4", "5", lines_);
  auto again = purchase("o4", "5", lines_);
  refund.type = again.type = EventType::kRefund;
  refund.type_name = again.type_name = "refund";
  ASSERT_TRUE(write(*out, std::array{refund, again}));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 10}));
  restart(out);
  out = writer();
  ASSERT_TRUE(write(*out, std::array{purchase("o1", {}, first), purchase("o2", "5", second)}));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 12}));
}

TEST_F(OrdersTest, AWholeOrderAfterTheSameFromAFileWithoutAmountsIsARepeat) {
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{purchase("o1", {}, lines_), purchase("o1", "5", lines_)}));
  EXPECT_EQ(revenue(), "5.0000");
}

TEST_F(OrdersTest, ARollbackForgetsTheOrder) {
  auto out = writer();
  const auto event = purchase("o1", "5", lines_);
  ASSERT_TRUE(out->begin());
  ASSERT_TRUE(out->add_events(events_partition(), {&event, 1}));
  out->rollback();
  ASSERT_TRUE(write(*out, {&event, 1}));
  EXPECT_EQ(revenue(), "5.0000");
}

TEST(WholeOrder, AmountsAtTheEndsOfTheirRangeAreNoProof) {
  const auto most = Decimal::parse("99999999999999.9999").value();
  const std::array<EventItem, 2> items = {EventItem{.price = most}, EventItem{.price = most}};
  Event event{.type = EventType::kPurchase, .order = EventOrder{.order_id = "o", .total = most, .tax = most}};
  EXPECT_FALSE(carries_whole_order(event));
  event.items = items;
  EXPECT_FALSE(carries_whole_order(event));
  event.items = std::span(items).first(1);
  EXPECT_TRUE(carries_whole_order(event));
  event.order->total = Decimal::from_units(std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(carries_whole_order(event));
}

}  // namespace
}  // namespace millrace
