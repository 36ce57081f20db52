#include "warehouse/fact_writer.h"

#include <array>

#include <gmock/gmock.h>

#include "base/metrics.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Decimal amount(std::string_view text) {
  return Decimal::parse(text).value();
}

EventItem item(std::string_view id, std::string_view price, std::string_view quantity) {
  return {.item_id = id, .category = "Garden / Tools", .price = amount(price), .quantity = amount(quantity)};
}

using FactWriterTest = WarehouseTest;

TEST_F(FactWriterTest, WritesEveryColumnOfAnEvent) {
  auto event = make_event(EventType::kItemView, 7, kTestDay + 123'456);
  event.user_id = "u1";
  event.page_path = "/rake";
  event.page_url = "https://shop.example/rake";
  event.search_query = "rake";
  event.list_id = "home";
  EventItem one = item("p1", "19.9", "2");
  one.name = "Rake";
  one.currency = "EUR";
  one.position = 3;
  event.items = {&one, 1};
  event.value = 4.5;
  event.device_type = "mobile";
  event.country = "Österreich";
  event.latitude = 48.2;
  event.properties = R"({"theme":"dark"})";
  event.event_index = 2;
  auto out = writer();
  ASSERT_TRUE(write(*out, {&event, 1}));

  EXPECT_THAT(
      rows("SELECT dt, event_time, type, message_id, visitor, user_id, anonymous_id, session_id, page_path, "
           "search_query, list_id, item_count, item_id, item_name, category, category_top, price, quantity, "
           "currency, position, in_cart FROM events"),
      ElementsAre("2025-07-08|2025-07-08 18:40:00.123456|item_view|m7|u1|u1|anna|s1|/rake|rake|home|1|p1|"
                  "Rake|Garden / Tools|Garden|19.9000|2.0000|EUR|3|false"));
  EXPECT_THAT(
      rows("SELECT order_id, value, device_type, country, latitude, longitude, properties->>'$.theme', "
           "log_topic, log_partition, log_offset, event_index FROM events"),
      ElementsAre("NULL|4.5|mobile|Österreich|48.2|NULL|dark|events|0|7|2"));
}

TEST_F(FactWriterTest, SplitsOrdersIntoExactLinesWithRefundsNegative) {
  const std::array lines = {item("p1", "0.1", "3"), item("p2", "99999999.9999", "1000"),
                            item("p3", "2.5", "-1")};
  auto purchase = make_event(EventType::kPurchase, 1, kTestDay);
  purchase.items = lines;
  purchase.order = EventOrder{.order_id = "o1", .currency = "GBP"};
  auto refund = make_event(EventType::kRefund, 2, kTestDay);
  refund.items = {lines.data(), 1};
  refund.order = EventOrder{.order_id = "o1", .currency = "GBP"};
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{purchase, refund}));

  EXPECT_THAT(
      rows("SELECT type, order_id, line, item_id, quantity, amount, currency FROM order_lines "
           "ORDER BY log_offset, line"),
      ElementsAre("purchase|o1|1|p1|3.0000|0.3000|GBP", "purchase|o1|2|p2|1000.0000|99999999999.9000|GBP",
                  "purchase|o1|3|p3|-1.0000|-2.5000|GBP", "refund|o1|1|p1|-3.0000|-0.3000|GBP"));
  EXPECT_EQ(cell("SELECT count(*) FROM event_items"), "0");
  EXPECT_THAT(rows("SELECT item_count, item_id FROM events ORDER BY log_offset"),
              ElementsAre("3|NULL", "1|p1"));
}

TEST_F(FactWriterTest, AnOrderWithoutItemsIsOneLineOfItsAmount) {
  auto purchase = make_event(EventType::kPurchase, 1, kTestDay);
  purchase.order =
      EventOrder{.order_id = "o1", .total = amount("12"), .revenue = amount("10"), .currency = "EUR"};
  auto refund = make_event(EventType::kRefund, 2, kTestDay);
  refund.order = EventOrder{.order_id = "o1", .total = amount("4"), .currency = "EUR"};
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{purchase, refund}));
  EXPECT_THAT(rows("SELECT type, item_id, quantity, amount FROM order_lines ORDER BY log_offset"),
              ElementsAre("purchase|NULL|NULL|10.0000", "refund|NULL|NULL|-4.0000"));
  EXPECT_EQ(cell("SELECT count(*) FROM item_interactions"), "0");
}

TEST_F(FactWriterTest, InteractionsAreSingleItemsListsAndLinesOnceEach) {
  const std::array two = {item("p1", "1", "1"), item("p2", "2", "1")};
  auto view = make_event(EventType::kItemView, 1, kTestDay);
  view.items = {two.data(), 1};
  auto list = make_event(EventType::kListView, 2, kTestDay + 1);
  list.items = two;
  auto purchase = make_event(EventType::kPurchase, 3, kTestDay + 2);
  purchase.items = {two.data() + 1, 1};
  auto page = make_event(EventType::kPageView, 4, kTestDay + 3);
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{view, list, purchase, page}));
  EXPECT_THAT(rows("SELECT type, item_id FROM item_interactions ORDER BY event_time, item_id"),
              ElementsAre("item_view|p1", "list_view|p1", "list_view|p2", "purchase|p2"));
}

TEST_F(FactWriterTest, KeepsOddTextsAndTimes) {
  auto nul = make_event(EventType::kPageView, 1, kTimeMin);
  nul.page_title = std::string_view("a\0b", 3);
  auto broken = make_event(EventType::kPageView, 2, kTimeMax);
  broken.page_title = "caf\xC3\xA9 \xFF\xC0 end of a long text";
  auto quote = make_event(EventType::kPageView, 3, -1);
  quote.page_title = "'; DROP TABLE events; -- \xF0\x9F\x98\x80";
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{nul, broken, quote}));
  restart(out);
  EXPECT_THAT(rows("SELECT hex(page_title) FROM events WHERE log_offset = 1"), ElementsAre("610062"));
  EXPECT_THAT(rows("SELECT page_title, event_time FROM events WHERE log_offset > 1 ORDER BY log_offset"),
              ElementsAre("café ?? end of a long text|9999-12-31 23:59:59",
                          "'; DROP TABLE events; -- 😀|1969-12-31 23:59:59.999999"));
}

TEST_F(FactWriterTest, DropsDuplicatesAlsoAfterARestart) {
  auto first = make_event(EventType::kPageView, 1, kTestDay);
  auto again = make_event(EventType::kPageView, 2, kTestDay + kHourUs);
  again.message_id = first.message_id;
  auto other_source = make_event(EventType::kPageView, 3, kTestDay);
  other_source.message_id = first.message_id;
  other_source.source = "app";
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{first, again, other_source}));
  EXPECT_THAT(rows("SELECT log_offset FROM events ORDER BY ALL"), ElementsAre("1", "3"));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 2, .duplicate = 1}));

  restart(out);
  out = writer();
  again.log_offset = Offset(4);
  ASSERT_TRUE(write(*out, {&again, 1}));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "2");
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 2, .duplicate = 2}));
  EXPECT_EQ(out->next_offset(events_partition()), Offset(5));
}

TEST_F(FactWriterTest, AMessageIdCountsAgainAfterTheWindow) {
  auto first = make_event(EventType::kPageView, 1, kTestDay);
  auto later = make_event(EventType::kPageView, 2, kTestDay + 3 * kDayUs);
  auto out = writer();
  ASSERT_TRUE(write(*out, std::array{first, later}));
  restart(out);
  auto repeat = make_event(EventType::kPageView, 3, kTestDay + 3 * kDayUs);
  repeat.message_id = first.message_id;
  out = writer();
  ASSERT_TRUE(write(*out, {&repeat, 1}));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "3");
}

/// Write one event of partition events/`partition` with the message id "m<offset>", or `message_id`.
Status write_to(FactWriter& out, std::uint32_t partition, std::uint64_t offset, TimeUs received,
                std::string_view message_id = {}) {
  auto event = make_event(EventType::kPageView, offset, received);
  event.received_time = received;
  if (!message_id.empty()) event.message_id = message_id;
  const TopicPartition to{"events", PartitionId(partition)};
  MILLRACE_TRY(out.begin());
  MILLRACE_TRY(out.add_events(to, {&event, 1}));
  out.set_next(to, Offset(offset + 1));
  return out.commit();
}

TEST_F(FactWriterTest, APartitionThatIsBehindKeepsItsIdsWhileAnotherIsLoadedAlone) {
  constexpr TimeUs kBehind = kTestDay - 3 * kDayUs;
  auto out = writer();
  ASSERT_TRUE(write_to(*out, 1, 0, kBehind, "a"));
  ASSERT_TRUE(write_to(*out, 0, 1, kTestDay));
  ASSERT_TRUE(write_to(*out, 0, 2, kTestDay + kHourUs));
  ASSERT_TRUE(write_to(*out, 1, 1, kBehind + kHourUs, "a"));  // an hour later by its own clock
  EXPECT_EQ(out->books().at({"events", PartitionId(1)}), (BookEntry{.applied = 1, .duplicate = 1}));
}

TEST_F(FactWriterTest, APartitionAtItsEndHoldsNothingBack) {
  constexpr TimeUs kLongAgo = kTestDay - 3 * kDayUs;
  const TopicPartition quiet{"events", PartitionId(1)};
  const auto& ids = metrics::gauge("millrace_duplicate_ids", "", {{"job", "load"}});
  auto out = writer();
  ASSERT_TRUE(write_to(*out, 1, 0, kLongAgo));
  ASSERT_TRUE(write_to(*out, 0, 1, kTestDay));
  EXPECT_EQ(ids.Value(), 2);
  out->set_waiting(quiet, false);
  ASSERT_TRUE(write_to(*out, 0, 2, kTestDay + 1));
  EXPECT_EQ(ids.Value(), 2);  // the quiet one's is gone

  out->set_waiting({"events", PartitionId(2)}, true);  // never loaded: anything may be in it
  ASSERT_TRUE(write_to(*out, 0, 3, kTestDay + 2 * kDayUs));
  EXPECT_EQ(ids.Value(), 3);
}

/// A purchase of two lines with the message id "m7", at `offset`.
Status write_order(FactWriter& out, std::uint64_t offset, std::string_view price, bool replaces) {
  const std::array lines = {item("p1", price, "1"), item("p2", price, "1")};
  auto order = make_event(EventType::kPurchase, offset, kTestDay);
  order.message_id = "m7";
  order.items = lines;
  order.replaces = replaces;
  MILLRACE_TRY(out.begin());
  MILLRACE_TRY(out.add_events(events_partition(), {&order, 1}));
  return out.commit();
}

TEST_F(FactWriterTest, AnEventThatReplacesTakesThePlaceOfAnyEarlierOne) {
  auto out = writer({.message_ids_max = 1});
  ASSERT_TRUE(write_order(*out, 0, "1", false));
  ASSERT_TRUE(write_to(*out, 0, 1, kTestDay));  // now the order's id is forgotten
  ASSERT_TRUE(write_order(*out, 2, "3", true));
  ASSERT_TRUE(write_order(*out, 3, "4", false));  // and now it is known
  restart(out);
  out = writer();
  EXPECT_THAT(rows("SELECT message_id, log_offset FROM events ORDER BY ALL"), ElementsAre("m1|1", "m7|2"));
  EXPECT_THAT(rows("SELECT line, amount, log_offset FROM order_lines ORDER BY ALL"),
              ElementsAre("1|3.0000|2", "2|3.0000|2"));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 2, .duplicate = 2}));
}

TEST_F(FactWriterTest, OfSeveralThatReplaceInOneTransactionTheLastStays) {
  auto out = writer();
  std::array<Event, 3> events;
  for (std::uint64_t i = 0; i < events.size(); ++i) {
    events[i] = make_event(EventType::kPageView, i, kTestDay);
    events[i].message_id = "m";
    events[i].replaces = i > 0;
  }
  ASSERT_TRUE(write(*out, events));
  EXPECT_THAT(rows("SELECT log_offset FROM events"), ElementsAre("2"));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 1, .duplicate = 2}));
}

/// Write what a shop's database says of the order o1, or a purchase of it that came as an event.
Status write_owned(FactWriter& out, std::uint64_t offset, std::string_view price, bool owns,
                   EventType type = EventType::kPurchase) {
  const std::array lines = {item("a", price, "1"), item("b", price, "2")};
  auto order = make_event(type, offset, kTestDay);
  const std::string event_id = "m" + std::to_string(offset);
  order.message_id = owns ? std::string_view("order:shop:1") : event_id;
  if (type == EventType::kCustom) order.type_name = "order_removed";
  order.items = lines;
  order.order =
      EventOrder{.order_id = "o1", .revenue = amount(price).times(amount("3")).value(), .currency = "EUR"};
  order.replaces = order.owns_order = owns;
  MILLRACE_TRY(out.begin());
  MILLRACE_TRY(out.add_events(events_partition(), {&order, 1}));
  out.set_next(events_partition(), Offset(offset + 1));
  return out.commit();
}

TEST_F(FactWriterTest, AnOrderOfADatabaseTakesThePlaceOfItsPurchases) {
  const auto lines = [&] { return rows("SELECT amount, log_offset FROM order_lines ORDER BY ALL"); };
  auto out = writer();
  ASSERT_TRUE(write_owned(*out, 0, "1", false));
  ASSERT_TRUE(write_owned(*out, 1, "9", false));  // counts as another part of it
  EXPECT_EQ(lines().size(), 4U);
  ASSERT_TRUE(write_owned(*out, 2, "2", true));
  EXPECT_THAT(lines(), ElementsAre("2.0000|2", "4.0000|2"));
  for (const bool restart : {false, true}) {
    if (restart) out = writer();
    ASSERT_TRUE(write_owned(*out, restart ? 4 : 3, "1", false));
    EXPECT_THAT(lines(), ElementsAre("2.0000|2", "4.0000|2"));
  }
  ASSERT_TRUE(write_owned(*out, 5, "1", true));  // as it was at first, and as an event said
  EXPECT_THAT(lines(), ElementsAre("1.0000|5", "2.0000|5"));
  ASSERT_TRUE(write_owned(*out, 6, "1", true, EventType::kCustom));
  EXPECT_THAT(lines(), IsEmpty());
  out.reset();
  out = writer();
  ASSERT_TRUE(write_owned(*out, 7, "1", false));
  EXPECT_THAT(lines(), IsEmpty());
  EXPECT_THAT(rows("SELECT type, message_id FROM events"), ElementsAre("order_removed|order:shop:1"));
  const auto book = out->books().at(events_partition());
  EXPECT_EQ(book.applied, 1U);
  EXPECT_EQ(book.duplicate, 7U);
}

TEST_F(FactWriterTest, AnEventOfTheSameOrderThatCameFirstStaysUntilTheDatabaseSaysOtherwise) {
  const auto offsets = [&] { return rows("SELECT DISTINCT log_offset FROM order_lines"); };
  auto out = writer();
  ASSERT_TRUE(write_owned(*out, 0, "1", false));
  ASSERT_TRUE(write_owned(*out, 1, "1", true));
  EXPECT_THAT(offsets(), ElementsAre("0"));
  ASSERT_TRUE(write_owned(*out, 2, "3", true));
  EXPECT_THAT(offsets(), ElementsAre("2"));
}

TEST_F(FactWriterTest, ReplacingMovesBetweenEventsAndQuarantine) {
  const TopicPartition refused{"quarantine", PartitionId(0)};
  const auto refuse = [&](FactWriter& out, std::uint64_t offset) -> Status {
    MILLRACE_TRY(out.begin());
    MILLRACE_TRY(out.add_quarantine({refused, Offset(offset), kTestDay}, {.received_time = kTestDay,
                                                                          .source = "web",
                                                                          .events = 3,
                                                                          .message_id = "m7",
                                                                          .replaces = offset > 0}));
    return out.commit();
  };
  const auto counts = [&] {
    return cell("SELECT (SELECT count(*) FROM events) || ' ' || (SELECT count(*) FROM quarantine)");
  };
  auto out = writer();
  ASSERT_TRUE(refuse(*out, 0));
  ASSERT_TRUE(refuse(*out, 1));
  EXPECT_EQ(counts(), "0 1");
  ASSERT_TRUE(write_order(*out, 0, "1", true));
  EXPECT_EQ(counts(), "1 0");
  EXPECT_EQ(out->books().at(refused), (BookEntry{.duplicate = 6}));
  ASSERT_TRUE(refuse(*out, 2));
  EXPECT_EQ(counts(), "0 1");
  EXPECT_EQ(out->books().at(refused), (BookEntry{.applied = 3, .duplicate = 6}));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.duplicate = 1}));
}

TEST_F(FactWriterTest, ReplacingThatIsRolledBackChangesNothing) {
  auto out = writer();
  ASSERT_TRUE(write_order(*out, 0, "1", false));
  auto again = make_event(EventType::kPageView, 7, kTestDay);
  again.replaces = true;
  ASSERT_TRUE(out->begin());
  ASSERT_TRUE(out->add_events(events_partition(), {&again, 1}));
  out->rollback();
  EXPECT_THAT(rows("SELECT type, log_offset FROM events"), ElementsAre("purchase|0"));
  ASSERT_TRUE(write(*out, {&again, 1}));
  EXPECT_THAT(rows("SELECT type, log_offset FROM events"), ElementsAre("page_view|7"));
  EXPECT_EQ(cell("SELECT count(*) FROM order_lines"), "0");
}

TEST_F(FactWriterTest, ReportsHowLongTheWindowIs) {
  const auto& seconds = metrics::gauge("millrace_duplicate_window_seconds", "", {{"job", "load"}});
  const auto& forgotten = metrics::counter("millrace_duplicate_ids_forgotten_total", "", {{"job", "load"}});
  const auto before = forgotten.Value();
  auto out = writer({.message_ids_max = 2});
  ASSERT_TRUE(write_to(*out, 0, 0, kTestDay));
  ASSERT_TRUE(write_to(*out, 0, 1, kTestDay + kMinuteUs));
  EXPECT_EQ(seconds.Value(), 86'400);
  ASSERT_TRUE(write_to(*out, 0, 2, kTestDay + 3 * kMinuteUs));
  EXPECT_EQ(seconds.Value(), 180);
  EXPECT_EQ(forgotten.Value() - before, 1);

  restart(out);
  out = writer({.message_ids_max = 2});  // remembers the newest two of the table
  EXPECT_EQ(seconds.Value(), 180);
  ASSERT_TRUE(write_to(*out, 0, 3, kTestDay + 3 * kMinuteUs, "m1"));
  ASSERT_TRUE(write_to(*out, 0, 4, kTestDay + 3 * kMinuteUs, "m0"));
  EXPECT_EQ(out->books().at(events_partition()), (BookEntry{.applied = 4, .duplicate = 1}));
}

TEST_F(FactWriterTest, IdsOnDiskDropRepeatsAlsoAfterARestartAndDamage) {
  const Path ids = dir_ / "message_ids";
  const FactWriterOptions on_disk{
      .message_ids_max = 6'000, .message_ids_young_max = 100, .message_ids_dir = ids};
  auto out = writer(on_disk);
  for (std::uint64_t i = 0; i < 350; i += 50) {
    std::vector<Event> events;
    for (auto j = i; j < i + 50; ++j) events.push_back(make_event(EventType::kPageView, j, kTestDay));
    ASSERT_TRUE(write(*out, events));
  }
  EXPECT_EQ(env_.list_dir(ids)->size(), 4u);  // three runs, and the directory of orders
  const auto applied = [&](std::uint64_t offset, std::string_view message_id) {
    const auto before = out->books()[events_partition()].applied;
    EXPECT_TRUE(write_to(*out, 0, offset, kTestDay + kHourUs, message_id));
    return out->books()[events_partition()].applied - before;
  };
  EXPECT_EQ(applied(350, "m7"), 0u);
  restart(out);
  out = writer(on_disk);
  EXPECT_EQ(applied(351, "m8"), 0u);
  EXPECT_EQ(applied(352, "m349"), 0u);
  EXPECT_EQ(applied(353, "new"), 1u);

  for (const auto& name : {"000000000001.ids", "000000000002.ids", "000000000003.ids"}) {
    const auto file = env_.open(ids / name, OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->write_at(0, std::as_bytes(std::span("damage"))));
  }
  const auto failed = write_to(*out, 0, 354, kTestDay + kHourUs, "m9");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kIo);  // nobody's fault that an event should go into quarantine
  out->rollback();
  EXPECT_EQ(applied(354, "m9"), 0u);  // gathered anew
  EXPECT_EQ(applied(355, "newer"), 1u);
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "352");
}

TEST_F(FactWriterTest, ARollbackLeavesNothingInTablesOrMemory) {
  auto event = make_event(EventType::kPageView, 1, kTestDay);
  auto out = writer();
  ASSERT_TRUE(out->begin());
  ASSERT_TRUE(out->add_events(events_partition(), {&event, 1}));
  ASSERT_TRUE(out->add_item_change({{"items", PartitionId(0)}, Offset(0), kTestDay},
                                   R"({"op":"put","id":"p1","attributes":{}})"));
  EXPECT_EQ(out->rows(), 2u);
  out->rollback();
  EXPECT_EQ(cell("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM items) + "
                 "(SELECT count(*) FROM _offsets)"),
            "0");
  EXPECT_THAT(out->books(), IsEmpty());

  ASSERT_TRUE(write(*out, {&event, 1}));  // not a duplicate: it never got in
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "1");
}

TEST_F(FactWriterTest, ATransactionThatFailsAtCommitLeavesNothing) {
  auto event = make_event(EventType::kPageView, 1, kTestDay);
  auto bad = make_event(EventType::kPageView, 2, kTestDay);
  bad.message_id = {};  // NOT NULL in the table
  auto out = writer();
  const auto failed = write(*out, std::array{event, bad});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInvalid);
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "0");
  ASSERT_TRUE(write(*out, {&event, 1}));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "1");
}

TEST_F(FactWriterTest, AFullDiskIsToldBeforeAnythingIsTouched) {
  auto event = make_event(EventType::kPageView, 1, kTestDay);
  auto out = writer();
  env_.free_bytes_are = 1 << 20;
  const auto refused = out->begin();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kNoSpace);
  env_.free_bytes_are.reset();
  EXPECT_TRUE(write(*out, {&event, 1}));
}

TEST_F(FactWriterTest, ManyChunksInOneTransaction) {
  std::vector<Event> events;
  for (std::uint64_t i = 0; i < 5000; ++i) events.push_back(make_event(EventType::kPageView, i, kTestDay));
  auto out = writer();
  ASSERT_TRUE(write(*out, events));
  EXPECT_EQ(cell("SELECT count(DISTINCT log_offset) || ' ' || sum(log_offset) FROM events"), "5000 12497500");
}

}  // namespace
}  // namespace millrace
