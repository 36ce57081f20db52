#include <array>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "warehouse/dashboard_queries.h"
#include "warehouse/interactions.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;

/// A small shop's morning: views, a cart, a purchase of two items and the refund of one.
class ReadersTest : public WarehouseTest {
 protected:
  void SetUp() override {
    env_.now_is = kTestDay + kHourUs;
    auto view = make_event(EventType::kItemView, 1, kTestDay - 10 * kMinuteUs);
    view.items = {&rake_, 1};
    view.device_type = "mobile";
    auto cart = make_event(EventType::kAddToCart, 2, kTestDay - 5 * kMinuteUs);
    cart.items = {&rake_, 1};
    auto purchase = make_event(EventType::kPurchase, 3, kTestDay);
    purchase.items = both_;
    purchase.order = EventOrder{.order_id = "o1", .currency = "EUR"};
    auto refund = make_event(EventType::kRefund, 4, kTestDay - kMinuteUs);
    refund.items = {&pot_, 1};
    refund.order = EventOrder{.order_id = "o1", .currency = "EUR"};
    auto page = make_event(EventType::kPageView, 5, kTestDay - 2 * kMinuteUs);
    page.page_path = "/home";
    auto old_page = make_event(EventType::kPageView, 6, kTestDay - 2 * kDayUs);
    old_page.page_path = "/old";
    old_page.session_id = "s0";
    writer_ = writer();
    ASSERT_TRUE(write(*writer_, std::array{view, cart, purchase, refund, page, old_page}));
    put_item();
  }

  void put_item() {
    const std::string value =
        R"({"op":"put","id":"p1","attributes":{"name":"Best rake","category":"Garden/Tools","price":9}})";
    ASSERT_TRUE(writer_->begin());
    const auto padded = value + std::string(64, ' ');
    ASSERT_TRUE(writer_->add_item_change({{"items", PartitionId(0)}, Offset(0), kTestDay},
                                         std::string_view(padded).substr(0, value.size())));
    writer_->set_next({"items", PartitionId(0)}, Offset(1));
    ASSERT_TRUE(writer_->commit());
  }

  const EventItem rake_{.item_id = "p1",
                        .name = "Rake",
                        .category = "Garden/Tools",
                        .price = Decimal::parse("19.99").value(),
                        .quantity = Decimal::from_integer(3)};
  const EventItem pot_{.item_id = "p2",
                       .name = "Pot",
                       .category = "Kitchen",
                       .price = Decimal::parse("0.1").value(),
                       .quantity = Decimal::from_integer(2)};
  const std::array<EventItem, 2> both_{rake_, pot_};
  std::unique_ptr<FactWriter> writer_;
};

TEST_F(ReadersTest, TheDashboardAddsUp) {
  const auto snapshot = Json::parse(dashboard_snapshot(*warehouse_, "24h").value());
  EXPECT_EQ(snapshot["window"], "24h");
  EXPECT_EQ(snapshot["as_of"], "2025-07-08T18:40:00Z");
  EXPECT_EQ(snapshot["pages"], (Json{{{"path", "/home"}, {"views", 1}}}));
  EXPECT_EQ(
      snapshot["popular_items"],
      Json::parse(
          R"json([{"item_id":"p1","name":"Best rake","category":"Garden/Tools","views":1,"carts":1,"purchases":1},
                                {"item_id":"p2","name":"Pot","category":"Kitchen","views":0,"carts":0,"purchases":1}])json"));
  EXPECT_EQ(
      snapshot["sales_by_category"],
      Json::parse(
          R"json([{"category":"Garden","currency":"EUR","orders":1,"quantity":"3.0000","revenue":"59.9700"},
                                {"category":"Kitchen","currency":"EUR","orders":1,"quantity":"0.0000","revenue":"0.0000"}])json"));
  EXPECT_EQ(snapshot["visits_by_device"], (Json{{{"device", "mobile"}, {"visits", 1}}}));
}

TEST_F(ReadersTest, WindowsBoundTheDashboard) {
  const auto all = Json::parse(dashboard_snapshot(*warehouse_, "all").value());
  EXPECT_EQ(all["pages"].size(), 2u);
  EXPECT_EQ(all["visits_by_device"].size(), 2u);
  for (const auto* window : {"1h", "7d", "30d"})
    EXPECT_TRUE(dashboard_snapshot(*warehouse_, window)) << window;
  EXPECT_EQ(dashboard_snapshot(*warehouse_, "2h").error().code, Code::kInvalid);
}

/// The steps of a window's page views, the views of them all, and their ends.
struct Steps {
  std::int64_t seconds;
  std::size_t count;
  std::int64_t views = 0;
  std::string first, last;
  bool operator==(const Steps&) const = default;
};

Steps steps_of(Warehouse& warehouse, const char* window) {
  const auto snapshot = Json::parse(dashboard_snapshot(warehouse, window).value());
  const auto& list = snapshot["page_views_per_minute"];
  Steps steps{snapshot["page_views_step_s"], list.size(), 0, list.front()["minute"], list.back()["minute"]};
  for (const auto& step : list) steps.views += step["views"].get<std::int64_t>();
  return steps;
}

TEST_F(ReadersTest, PageViewsFollowTheWindowInStepsThatSuitIt) {
  const auto hour = Json::parse(dashboard_snapshot(*warehouse_, "1h").value())["page_views_per_minute"];
  EXPECT_EQ(hour[57], (Json{{"minute", "2025-07-08T18:38:00Z"}, {"views", 1}}));
  EXPECT_EQ(hour[59], (Json{{"minute", "2025-07-08T18:40:00Z"}, {"views", 0}}));
  const auto steps = [&](const char* window) { return steps_of(*warehouse_, window); };
  EXPECT_EQ(steps("1h"), (Steps{60, 60, 1, "2025-07-08T17:41:00Z", "2025-07-08T18:40:00Z"}));
  EXPECT_EQ(steps("24h"), (Steps{600, 144, 1, "2025-07-07T18:50:00Z", "2025-07-08T18:40:00Z"}));
  EXPECT_EQ(steps("7d"), (Steps{3600, 168, 2, "2025-07-01T19:00:00Z", "2025-07-08T18:00:00Z"}));
  EXPECT_EQ(steps("30d"), (Steps{14400, 180, 2, "2025-06-08T20:00:00Z", "2025-07-08T16:00:00Z"}));
  EXPECT_EQ(steps("all"), (Steps{3600, 49, 2, "2025-07-06T18:00:00Z", "2025-07-08T18:00:00Z"}));
}

TEST_F(ReadersTest, PageViewsOfDecadesStayFew) {
  auto ancient = make_event(EventType::kPageView, 7, kDayUs);  // 1970
  ASSERT_TRUE(write(*writer_, {&ancient, 1}));
  const auto steps = steps_of(*warehouse_, "all");
  EXPECT_EQ(steps.views, 3);
  EXPECT_EQ(steps.seconds % (7 * 86'400), 0);
  EXPECT_GT(steps.count, 150u);
  EXPECT_LE(steps.count, 201u);
}

TEST_F(ReadersTest, NowIsTheNewestEventButNeverTheFuture) {
  auto future = make_event(EventType::kPageView, 7, 4'102'444'800 * kSecondUs);  // 2100
  ASSERT_TRUE(write(*writer_, {&future, 1}));
  const auto snapshot = Json::parse(dashboard_snapshot(*warehouse_, "1h").value());
  EXPECT_EQ(snapshot["as_of"], format_time(*env_.now_is));
}

TEST_F(ReadersTest, TheDashboardOfAnEmptyShopIsEmpty) {
  writer_.reset();
  for (const auto* table : {"events", "order_lines", "items"}) execute(std::string("DELETE FROM ") + table);
  const auto snapshot = Json::parse(dashboard_snapshot(*warehouse_, "all").value());
  EXPECT_EQ(snapshot["pages"], Json::array());
  EXPECT_EQ(snapshot["page_views_per_minute"].size(), 1u);
}

TEST_F(ReadersTest, TheScanGivesInteractionsInTimeOrderWithTheirOffsets) {
  std::vector<std::string> seen;
  std::vector<std::string> items;
  InteractionScan scan;
  scan.on_items = [&](std::span<const CatalogueItem> block) {
    EXPECT_TRUE(seen.empty());
    for (const auto& item : block) {
      items.push_back(std::string(item.item_id) + " " + std::string(item.name) + " " +
                      item.price.value().text());
    }
  };
  scan.on_interactions = [&](std::span<const Interaction> block) {
    for (const auto& one : block) {
      EXPECT_NE(one.visit_id, 0u);
      EXPECT_EQ(one.visitor(), "anna");
      seen.push_back(std::string(event_type_name(one.type)) + " " + std::string(one.item_id) + " " +
                     one.quantity.value().text() + " " + std::string(one.order_id));
    }
  };
  const auto offsets = scan_interactions(*warehouse_, scan);
  ASSERT_TRUE(offsets) << offsets.error().text();
  EXPECT_EQ(offsets->at(events_partition()), Offset(7));
  EXPECT_EQ(offsets->at({"items", PartitionId(0)}), Offset(1));
  EXPECT_THAT(items, ElementsAre("p1 Best rake 9"));
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_THAT(std::vector(seen.begin(), seen.begin() + 3),
              ElementsAre("item_view p1 3 ", "add_to_cart p1 3 ", "refund p2 -2 o1"));
  EXPECT_THAT(std::vector(seen.begin() + 3, seen.end()),
              testing::UnorderedElementsAre("purchase p1 3 o1", "purchase p2 2 o1"));

  seen.clear();
  scan.on_items = nullptr;
  scan.since = kTestDay;
  ASSERT_TRUE(scan_interactions(*warehouse_, scan));
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace millrace
