#include "warehouse/aggregator.h"

#include <deque>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "warehouse/aggregations.h"
#include "warehouse/duck.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimeUs kDay = 1'750'032'000 * kSecondUs;  // 2025-06-16 00:00

/// What a view of an aggregation must say, written by hand over the facts.
struct Batch {
  const char* view;
  const char* facts;
};
const std::vector<Batch> kBatches = {
    {"SELECT window_start, window_end, views, visitors FROM page_views_per_minute",
     "SELECT date_trunc('minute', event_time), date_trunc('minute', event_time) + INTERVAL 1 MINUTE, "
     "count(*), "
     "count(DISTINCT visitor) FROM events WHERE type = 'page_view' GROUP BY ALL"},
    {"SELECT window_start, page, views, visitors FROM page_views_by_page",
     "SELECT date_trunc('hour', event_time), coalesce(page_path, page_url), count(*), count(DISTINCT "
     "visitor) "
     "FROM events WHERE type = 'page_view' GROUP BY ALL"},
    {"SELECT window_start, country, region, category, item_id, currency, item_name, lines, orders, quantity, "
     "revenue "
     "FROM sales_by_hour",
     "SELECT date_trunc('hour', event_time), country, region, category, item_id, currency, max(item_name), "
     "count(*) FILTER (type = 'purchase'), count(DISTINCT order_id), sum(quantity), sum(amount) FROM "
     "order_lines "
     "GROUP BY ALL"},
    {"SELECT window_start, item_id, name, category, views, carts, purchases FROM item_popularity",
     "SELECT date_trunc('hour', event_time), item_id, max(item_name), max(category), "
     "count(*) FILTER (type = 'item_view'), count(*) FILTER (type = 'add_to_cart'), count(*) FILTER (type = "
     "'purchase') FROM item_interactions GROUP BY ALL"},
    {"SELECT visit_id, start_time, end_time, events, page_views, carts, device FROM visit_sums",
     "SELECT visit_id, start_time, end_time, events, page_views, carts, device_type FROM visits"},
    {"SELECT window_start, device, visits FROM visits_by_device",
     "SELECT date_trunc('hour', start_time), coalesce(device_type, 'unknown'), count(*) FROM visits GROUP BY "
     "ALL"},
    {"SELECT window_start, window_end, pages, spent, dearest FROM slides",
     "SELECT w, w + INTERVAL 1 HOUR, count(*) FILTER (type = 'page_view'), sum(price), max(price) FROM "
     "(SELECT *, unnest(generate_series(time_bucket(INTERVAL 20 MINUTE, event_time) - INTERVAL 40 MINUTE, "
     "time_bucket(INTERVAL 20 MINUTE, event_time), INTERVAL 20 MINUTE)) AS w FROM events) GROUP BY ALL"},
    {"SELECT window_start, \"order\", pages, final FROM days",
     "SELECT date_trunc('day', event_time - INTERVAL 5 HOUR) + INTERVAL 5 HOUR AS d, source, "
     "'[' || string_agg(p, ',' ORDER BY n DESC, p) || ']', d + INTERVAL 25 HOUR <= (SELECT max(event_time) "
     "FROM events) "
     "FROM (SELECT date_trunc('day', event_time - INTERVAL 5 HOUR) + INTERVAL 5 HOUR AS event_time, source, "
     "count(*) AS n, '{\"value\":\"' || page_path || '\",\"count\":' || count(*) || ',\"error\":0}' AS p "
     "FROM "
     "(SELECT date_trunc('day', event_time - INTERVAL 5 HOUR) + INTERVAL 5 HOUR AS event_time, source, "
     "page_path "
     "FROM events WHERE page_path IS NOT NULL) GROUP BY event_time, source, page_path) GROUP BY event_time, "
     "source"}};

const std::vector<AggregationFile> kFiles = {
    {"aggregations/slides.yaml",
     "from: events\nwindow: {sliding: 1h, every: 20m}\n"
     "measures: {pages: count(type = 'page_view'), spent: sum(price), dearest: max(price)}\n"},
    {"aggregations/days.yaml",
     "from: events\nfilter: page_path IS NOT NULL  # some\nwindow: {fixed: 1d, offset: 5h}\nlateness: 1h\n"
     "keys:\n  order: source\nmeasures:\n  pages: top(page_path, 20)\n"},
    {"aggregations/visit_sums.yaml",
     "from: events\nwindow: visit\nmeasures: {events: count, page_views: count(type = 'page_view'), "
     "carts: count(type = 'add_to_cart'), landing_page: first(page_path), device: first(device_type)}\n"}};

class AggregatorTest : public WarehouseTest {
 protected:
  void declare(const std::vector<AggregationFile>& files = kFiles) {
    const auto declared = declare_aggregations(*warehouse_, files);
    ASSERT_TRUE(declared) << declared.error().text();
  }

  /// Compare each view with its batch query.
  void expect_equal(const std::string& when) {
    for (const auto& [view, facts] : kBatches) {
      EXPECT_THAT(
          rows(fmt::format("(({0}) EXCEPT ALL ({1})) UNION ALL (({1}) EXCEPT ALL ({0}))", view, facts)),
          IsEmpty())
          << when << ": " << view;
    }
  }

  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  Event random_event(std::uint64_t offset);

  std::mt19937 random_{7};
  std::deque<std::string> texts_;
  std::deque<std::vector<EventItem>> items_;
};

Event AggregatorTest::random_event(std::uint64_t offset) {
  constexpr std::array kTypes = {EventType::kPageView, EventType::kItemView, EventType::kAddToCart,
                                 EventType::kPurchase, EventType::kRefund};
  const auto pick = [&](std::size_t n) { return random_() % n; };
  Event event = make_event(kTypes[pick(kTypes.size())], offset, 0);
  // Mostly of these minutes, some late by days; no two of a visit at the same time, which `visits` leaves
  // open.
  event.event_time = kDay + static_cast<TimeUs>(offset) * 7 * kSecondUs + static_cast<TimeUs>(offset);
  if (pick(10) == 0) event.event_time -= static_cast<TimeUs>(pick(50)) * kHourUs;
  event.received_time = kDay + static_cast<TimeUs>(offset) * kSecondUs;
  event.session_id = keep(fmt::format("s{}", pick(20)));
  event.anonymous_id = keep(fmt::format("a{}", pick(5)));
  if (pick(3) > 0) event.device_type = pick(2) == 0 ? "mobile" : "desktop";
  event.country = pick(2) == 0 ? "Germany" : "";
  if (pick(4) > 0) event.page_path = keep(fmt::format("/p{}", pick(8)));
  const bool order = event.type == EventType::kPurchase || event.type == EventType::kRefund;
  auto& items = items_.emplace_back();
  for (std::size_t i = 0; i < (order ? 3 : pick(3)); ++i) {
    items.push_back({.item_id = keep(fmt::format("i{}", pick(6))),
                     .name = keep(fmt::format("n{}", pick(3))),
                     .category = "Garden/Tools",
                     .price = Decimal::from_units(static_cast<std::int64_t>(pick(100'000))),
                     .currency = pick(2) == 0 ? "EUR" : "GBP"});
  }
  event.items = items;
  if (order) event.order = EventOrder{.order_id = keep(fmt::format("o{}", pick(30)))};
  if (pick(8) == 0) event.message_id = keep(fmt::format("m{}", pick(offset + 1)));  // again
  if (pick(15) == 0) {
    event.message_id = keep(fmt::format("m{}", pick(offset + 1)));
    event.replaces = true;
  }
  return event;
}

TEST_F(AggregatorTest, EqualsABatchQueryWhateverHappens) {
  declare();
  FactWriterOptions options;
  options.aggregator = {.fresh_rows_max = 40, .middle_rows_max = 100};
  auto writer = this->writer(options);
  std::uint64_t offset = 0;
  for (int step = 0; step < 40; ++step) {
    std::vector<Event> events;
    const auto first = offset;
    for (auto n = 1 + random_() % 40; n > 0; --n) events.push_back(random_event(offset++));
    if (random_() % 6 == 0) {  // fails before its commit, and comes once more
      ASSERT_TRUE(writer->begin());
      ASSERT_TRUE(writer->add_events(events_partition(), events));
      writer->rollback();
    }
    const auto written = write(*writer, events);
    ASSERT_TRUE(written) << written.error().text();
    if (random_() % 10 == 0) {
      restart(writer);
      writer = this->writer(options);
    }
    if (step % 8 == 7) expect_equal(fmt::format("step {}, offsets {} to {}", step, first, offset));
    if (HasFailure()) return;
  }
  EXPECT_EQ(cell("SELECT count(*) > 0 FROM _agg_visit_sums WHERE tier = 2"),
            "true");  // both compactions ran
}

TEST_F(AggregatorTest, ACommitThatFailsLeavesNothing) {
  declare();
  auto writer = this->writer();
  std::vector<Event> events{make_event(EventType::kPageView, 1, kDay)};
  ASSERT_TRUE(write(*writer, events));
  ASSERT_TRUE(writer->begin());
  events[0] = make_event(EventType::kPageView, 2, kDay);
  ASSERT_TRUE(writer->add_events(events_partition(), events));
  ASSERT_FALSE(writer->add_item_change({events_partition(), Offset(2)}, "no JSON"));
  writer->rollback();
  EXPECT_EQ(cell("SELECT sum(views) FROM page_views_per_minute"), "1");
  ASSERT_TRUE(write(*writer, events));
  EXPECT_EQ(cell("SELECT sum(views) FROM page_views_per_minute"), "2");
}

TEST_F(AggregatorTest, FillsWhatIsNewAndDropsWhatIsGone) {
  auto writer = this->writer();
  std::vector<Event> events;
  for (std::uint64_t i = 0; i < 300; ++i) events.push_back(random_event(i));
  ASSERT_TRUE(write(*writer, events));
  writer.reset();
  declare();
  EXPECT_EQ(cell("SELECT count(*) FROM page_views_per_minute"), "0");
  writer = this->writer();
  expect_equal("after filling");
  writer.reset();

  // Without a project what it declared goes on; with one, what it does not name goes away.
  ASSERT_TRUE(declare_aggregations(*warehouse_, std::nullopt));
  EXPECT_EQ(cell("SELECT bool_and(built) FROM _aggregations"), "true");
  expect_equal("without a project");
  declare({kFiles[0]});
  EXPECT_THAT(
      rows("SELECT table_name FROM information_schema.tables WHERE table_name IN ('days', '_agg_days')"),
      IsEmpty());
}

TEST_F(AggregatorTest, ComputesAgainWhatIsChangedAlone) {
  declare();
  auto writer = this->writer();
  std::vector<Event> events{make_event(EventType::kPageView, 1, kDay)};
  ASSERT_TRUE(write(*writer, events));
  writer.reset();
  auto files = kFiles;
  files[0].text = "# A remark changes nothing.\n" + files[0].text;
  declare(files);
  EXPECT_EQ(cell("SELECT bool_and(built) FROM _aggregations"), "true");
  files[0].text = "from: events\nwindow: 1h\nmeasures: {all: count}\n";
  declare(files);
  EXPECT_THAT(rows("SELECT name FROM _aggregations WHERE NOT built"), ElementsAre("slides"));
  writer = this->writer();
  EXPECT_EQ(cell("SELECT \"all\" FROM slides"), "1");
  ASSERT_TRUE(write(*writer, std::vector<Event>{make_event(EventType::kPageView, 2, kDay)}));
  EXPECT_EQ(cell("SELECT \"all\" FROM slides"), "2");
}

/// Facts do not wait for an aggregation that cannot be kept up.
TEST_F(AggregatorTest, GoesOnWithoutOneThatFails) {
  declare();
  auto writer = this->writer();
  ASSERT_TRUE(write(*writer, std::vector<Event>{make_event(EventType::kPageView, 1, kDay)}));
  execute("UPDATE _agg_page_views_per_minute SET visitors = 'no sketch'::BLOB, tier = 0");
  FactWriterOptions options;
  options.aggregator.fresh_rows_max = 0;
  writer.reset();
  writer = this->writer(options);
  Status written;
  for (std::uint64_t i = 2; i < 20; ++i) {  // until it is that one's turn to be added up
    written = write(*writer, std::vector<Event>{make_event(EventType::kPageView, i, kDay)});
    if (!written) break;
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kInternal);
  EXPECT_THAT(written.error().message, HasSubstr("page_views_per_minute"));
  ASSERT_TRUE(write(*writer, std::vector<Event>{make_event(EventType::kPageView, 20, kDay)}));
  EXPECT_EQ(cell("SELECT count(*) FROM page_views_per_minute"), "0");
  writer.reset();
  writer = this->writer();
  expect_equal("after the next start");
}

/// The select of added rows must see those and no others; it rests on how DuckDB numbers them.
TEST_F(AggregatorTest, AddedRowsAreThoseOfTheTransaction) {
  std::vector<Event> events;
  for (std::uint64_t i = 0; i < 100; ++i) events.push_back(random_event(i));
  {
    auto writer = this->writer();
    ASSERT_TRUE(write(*writer, events));
  }
  auto connection = warehouse_->connect().value();
  auto transaction = duck::Transaction::begin(connection).value();
  for (const auto* table : {"events", "order_lines", "event_items", "item_interactions"}) {
    const auto input = fact_input(table);
    EXPECT_EQ(connection.scalar("SELECT count(*) FROM " + input.added).value(), 0) << table;
  }
  for (const auto* table : {"events", "order_lines", "event_items"}) {
    ASSERT_TRUE(
        connection.execute(fmt::format("CREATE TEMP TABLE old_{0} AS FROM {0}; DELETE FROM {0}; "
                                       "INSERT INTO {0} FROM old_{0}",
                                       table)));
  }
  for (const auto* table : {"events", "order_lines", "event_items", "item_interactions"}) {
    const auto input = fact_input(table);
    EXPECT_GT(connection.scalar("SELECT count(*) FROM " + input.added).value(), 10) << table;
    EXPECT_EQ(connection.scalar(
                  fmt::format("SELECT count(*) FROM ((SELECT * FROM {0}) EXCEPT ALL (SELECT * FROM {1}))",
                              input.all, input.added)),
              0)
        << table;
  }
}

}  // namespace
}  // namespace millrace
