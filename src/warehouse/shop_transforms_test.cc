#include <algorithm>
#include <cstdlib>
#include <deque>

#include <gmock/gmock.h>

#include "warehouse/transform_docs.h"
#include "warehouse/transforms.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimeUs kFirstDay = 1'767'571'200 * kSecondUs;  // 2026-01-05

/// The transforms that are shipped, over events of a small shop.
class ShopTransforms : public WarehouseTest {
 protected:
  ShopTransforms() {
    auto names = Env::system().list_dir("examples/shop/transforms").value();
    std::ranges::sort(names);
    for (const auto& name : names) {
      const Path path = Path("examples/shop/transforms") / name;
      files_.push_back({path, read_file(Env::system(), path, 1 << 20).value()});
    }
  }

  TransformRunResult run() {
    Transforms transforms(
        *warehouse_, [this]() -> Result<std::optional<std::vector<TransformFile>>> { return files_; }, {});
    auto result = transforms.run({}, {}, {});
    EXPECT_TRUE(result) << result.error().text();
    for (const auto& one : result->transforms)
      EXPECT_EQ(one.state, TransformOutcome::State::kDone) << one.name << ": " << one.error;
    return *std::move(result);
  }

  /// 600 events of 30 people in 40 days, some at midnight, some with two items, in two currencies.
  void fill() {
    constexpr EventType kTypes[] = {EventType::kPageView, EventType::kItemView, EventType::kAddToCart,
                                    EventType::kPurchase, EventType::kRefund};
    for (std::uint64_t i = 0; i < 600; ++i) {
      Event event =
          make_event(kTypes[i % 5], next_++, kFirstDay + static_cast<TimeUs>(i * 7919 % 960) * kHourUs);
      names_.push_back("u" + std::to_string(i % 30));
      event.anonymous_id = names_.back();
      if (i % 3 == 0) event.user_id = names_.back();
      names_.push_back("s" + std::to_string(i % 211));
      event.session_id = names_.back();
      event.page_path = i % 2 == 0 ? "/home" : "/shop";
      event.country = i % 4 == 0 ? "CH" : "DE";
      event.city = i % 120 < 60 ? "Basel" : "Bern";
      if (event.type != EventType::kPageView) add_items(event, i);
      events_.push_back(std::move(event));
    }
    auto writer = this->writer();
    ASSERT_TRUE(write(*writer, events_));
  }

  void add_items(Event& event, std::uint64_t i) {
    auto& items = items_.emplace_back();
    for (std::uint64_t n = 0; n <= i % 2; ++n) {
      names_.push_back("p" + std::to_string((i + n) % 17));
      EventItem item;
      item.item_id = names_.back();
      item.name = names_.back();
      item.price = Decimal::from_units(static_cast<std::int64_t>(10'000 + 137 * i));
      item.currency = i % 10 < 5 ? "EUR" : "GBP";
      items.push_back(item);
    }
    event.items = items;
    names_.push_back("o" + std::to_string(i));
    if (event.type == EventType::kPurchase || event.type == EventType::kRefund)
      event.order = EventOrder{.order_id = names_.back()};
  }

  std::vector<TransformFile> files_;
  std::deque<std::string> names_;  ///< that events point at, as at the items
  std::deque<std::vector<EventItem>> items_;
  std::vector<Event> events_;
  std::uint64_t next_ = 0;
};

TEST_F(ShopTransforms, SayWhatTheFactsSay) {
  fill();
  const auto result = run();
  EXPECT_THAT(result.notes, IsEmpty()) << "the shipped SQL is of the subset that Spark reads alike";
  // Against the warehouse's own tables and views, counted otherwise.
  const auto same = [&](const std::string& ours, const std::string& theirs) {
    EXPECT_THAT(rows("(" + ours + ") EXCEPT ALL (" + theirs + ")"), IsEmpty()) << ours;
    EXPECT_THAT(rows("(" + theirs + ") EXCEPT ALL (" + ours + ")"), IsEmpty()) << theirs;
  };
  same("SELECT visit_id, dt, start_time, end_time, events, page_views, purchases FROM analytics.visits",
       "SELECT visit_id, dt, start_time, end_time, events, page_views, purchases FROM visits");
  same("SELECT view_time, page FROM analytics.page_views",
       "SELECT event_time, page_path FROM events WHERE type = 'page_view'");
  EXPECT_EQ(cell("SELECT count(*) > 0 FROM analytics.cart_adds"), "true");
  same("SELECT add_time, item_id FROM analytics.cart_adds",
       "SELECT event_time, item_id FROM item_interactions WHERE type = 'add_to_cart'");
  same("SELECT order_id, kind, amount, lines FROM analytics.purchases",
       "SELECT order_id, type, sum(amount), count(*) FROM order_lines GROUP BY order_id, type");
  same("SELECT dt, currency, sum(amount) FROM analytics.sales_by_day GROUP BY ALL",
       "SELECT dt, currency, sum(amount) FROM order_lines GROUP BY ALL");
  same("SELECT item_id, sum(quantity) FROM analytics.sales_by_item GROUP BY ALL",
       "SELECT item_id, sum(quantity) FROM order_lines GROUP BY ALL");
  same("SELECT item_id, first_seen FROM analytics.items",
       "SELECT item_id, min(event_time) FROM item_interactions GROUP BY ALL");
  EXPECT_EQ(cell("SELECT count(*) = 1 + max(dt) - min(dt) FROM analytics.dates"), "true");
  EXPECT_THAT(rows("SELECT dt FROM analytics.dates WHERE weekday <> isodow(dt) OR month_start <> "
                   "date_trunc('month', dt)"),
              IsEmpty());
}

TEST_F(ShopTransforms, ConvertAtTheRateOfTheDay) {
  fill();
  for (auto& file : files_)
    if (file.path.stem() == "fx_rates")
      file.text =
          "SELECT currency, valid_from, lead(valid_from) OVER (PARTITION BY currency ORDER BY valid_from "
          "NULLS LAST) AS "
          "valid_until, eur_rate FROM (SELECT 'GBP' AS currency, DATE '2026-01-10' AS valid_from, CAST(1.1 "
          "AS "
          "DECIMAL(12, 6)) AS eur_rate UNION ALL SELECT 'GBP', DATE '2026-01-20', CAST(1.2 AS DECIMAL(12, "
          "6)) UNION ALL "
          "SELECT 'EUR', DATE '2000-01-01', CAST(1 AS DECIMAL(12, 6))) AS r";
  run();
  EXPECT_THAT(
      rows("SELECT DISTINCT currency, round(amount_eur / amount, 2) AS rate FROM analytics.purchase_items "
           "WHERE dt < DATE '2026-01-10' ORDER BY ALL"),
      ElementsAre("EUR|1.0", "GBP|NULL"));
  EXPECT_THAT(
      rows("SELECT DISTINCT currency, round(amount_eur / amount, 2) AS rate FROM analytics.purchase_items "
           "WHERE dt BETWEEN DATE '2026-01-10' AND DATE '2026-01-19' ORDER BY ALL"),
      ElementsAre("EUR|1.0", "GBP|1.1"));
  EXPECT_THAT(
      rows("SELECT DISTINCT currency, round(amount_eur / amount, 2) AS rate FROM analytics.purchase_items "
           "WHERE dt >= DATE '2026-01-20' ORDER BY ALL"),
      ElementsAre("EUR|1.0", "GBP|1.2"));
  EXPECT_EQ(
      cell(
          "SELECT count(*) FROM analytics.sales_by_day WHERE currency = 'GBP' AND dt < DATE '2026-01-10' AND "
          "amount_eur IS NOT NULL"),
      "0");
}

TEST_F(ShopTransforms, CustomersHaveAHistoryWithoutGapsOrOverlaps) {
  fill();
  run();
  EXPECT_EQ(cell("SELECT count(*) > count(DISTINCT customer_id) FROM analytics.customers"), "true");
  EXPECT_THAT(rows("SELECT customer_id FROM analytics.customers GROUP BY customer_id HAVING count(*) FILTER "
                   "(is_current) "
                   "<> 1"),
              IsEmpty());
  // Each event of a known person is in one row, which says what the event said.
  EXPECT_EQ(cell("SELECT count(*) FROM events WHERE user_id IS NOT NULL"),
            cell("SELECT count(*) FROM events e JOIN analytics.customers c ON c.customer_id = e.user_id AND "
                 "e.event_time >= "
                 "c.valid_from AND (e.event_time < c.valid_until OR c.valid_until IS NULL) AND c.country = "
                 "e.country AND "
                 "c.city = e.city"));
}

TEST_F(ShopTransforms, ThePageIsWhatTheGeneratorMakes) {
  auto connection = warehouse_->connect().value();
  const auto set = TransformSet::load(connection, files_);
  ASSERT_TRUE(set) << set.error().text();
  const auto page = transform_page(connection, *set);
  ASSERT_TRUE(page) << page.error().text();
  constexpr const char* kPage = "docs/analyst-schema.md";
  // MILLRACE_WRITE_PAGE=1 writes it, as `millrace run docs --project examples/shop` would.
  if (std::getenv("MILLRACE_WRITE_PAGE") != nullptr) {
    ASSERT_TRUE(write_file_atomically(Env::system(), kPage, *page));
  }
  EXPECT_EQ(read_file(Env::system(), kPage, 1 << 20).value_or(""), *page)
      << "write it anew: millrace run docs --project examples/shop > " << kPage;
}

}  // namespace
}  // namespace millrace
