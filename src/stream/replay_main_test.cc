#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "event/json_writer.h"
#include "stream/replay_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ReplayIntoMainTest : public ReplayTest {
 protected:
  /// Append row 3 of a file as an ingest would, a minute after what came before.
  void append_row(std::uint32_t partition, bool replaces) {
    env_.now_is = *env_.now_is + kMinuteUs;
    Event event = make_event(EventType::kPageView, 0, *env_.now_is);
    event.message_id = kRow;
    event.page_path = "/";
    std::string value, attributes;
    append_native_event(event, value);
    encode_envelope({.codec = CodecId::kNative,
                     .source = event.source,
                     .received_time = event.received_time,
                     .replaces = replaces},
                    attributes);
    append(kEventsTopic, partition, value, attributes);
  }

  /// Append the same row as one that its mapping refuses.
  void append_refused_row(bool replaces) {
    env_.now_is = *env_.now_is + kMinuteUs;
    append(kQuarantineTopic, 0, "bad",
           fmt::format(R"({{"stage":"decode","source":"web","message_id":"{}","replaces":{}}})", kRow,
                       replaces));
  }

  std::vector<std::string> places_of_row() {
    return rows(
        fmt::format("SELECT log_topic, log_partition, log_offset FROM (SELECT log_topic, log_partition, "
                    "log_offset, message_id FROM events UNION ALL SELECT log_topic, log_partition, "
                    "log_offset, message_id FROM quarantine) WHERE message_id = '{}' ORDER BY ALL",
                    kRow));
  }

  void view(std::uint32_t partition, std::uint64_t id) {
    env_.now_is = *env_.now_is + kSecondUs;
    append(make_event(EventType::kPageView, id, *env_.now_is), partition);
  }

  static constexpr std::string_view kRow = "00112233445566778899aabbccddeeff:3";
};

TEST_F(ReplayIntoMainTest, TheSameProgramChangesNothing) {
  send(60);
  send(30);
  remember("before");
  for (const ReplayRequest& request :
       {ReplayRequest{.from_given = true, .into = "main"}, ReplayRequest{.from = Offset(5), .into = "main"},
        ReplayRequest{.from = Offset(3), .to = Offset(11), .into = "main"},
        ReplayRequest{.from = kNine + 20 * kSecondUs, .to = kNine + 50 * kSecondUs, .into = "main"}}) {
    const auto result = replay(request);
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(result->rows, result->replaced);
    EXPECT_GT(result->rows, 20u);
    expect_equal_tables("before");
  }
  expect_balanced_books();
  EXPECT_TRUE(replays_->list()->empty());
}

TEST_F(ReplayIntoMainTest, RowsOfAMendedDecoderTakeThePlaceOfTheOldOnes) {
  misread_->from = Offset(4);
  misread_->to = Offset(17);
  send(80);
  EXPECT_NE(cell("SELECT count(*) FROM events WHERE message_id LIKE 'misread%'"), "0");
  EXPECT_NE(cell("SELECT count(*) FROM quarantine WHERE stage = 'decode' AND log_offset < 17"), "0");
  misread_->to = Offset(0);
  send(20);
  ASSERT_TRUE(replay({.into = "replay_right"}));
  const auto result = replay({.from = Offset(4), .to = Offset(17), .into = "main"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_GT(result->rows, result->replaced);
  expect_equal_tables("replay_right");
  expect_balanced_books();
  load();
  send(40);  // the loader goes on with what it then knows
  ASSERT_TRUE(replay({.into = "replay_right"}));
  expect_equal_tables("replay_right");
}

TEST_F(ReplayIntoMainTest, RetriesAreJudgedAgain) {
  const auto order = [&](std::uint64_t id) {
    static const std::vector<EventItem> kItems(1,
                                               EventItem{.item_id = "p1", .price = Decimal::from_integer(3)});
    Event event = make_event(EventType::kPurchase, id, kNine);
    event.items = kItems;
    event.order = EventOrder{.order_id = "o1", .revenue = Decimal::from_integer(3)};
    return event;
  };
  misread_->to = Offset(2);
  append(make_event(EventType::kPageView, 7, kNine), 0);
  append(make_event(EventType::kPageView, 8, kNine), 0);  // cannot be read at first
  append(make_event(EventType::kPageView, 8, kNine), 0);  // its retry counts
  append(order(20), 1);
  append(order(21), 1);  // cannot be read at first
  append(make_event(EventType::kPageView, 30, kNine), 1);
  append(make_event(EventType::kPageView, 9, kNine), 2);
  append(order(40), 2);  // cannot be read at first
  append(order(41), 3);
  load();
  misread_->to = Offset(0);
  EXPECT_EQ(cell("SELECT count(*) FROM events WHERE message_id = 'm8'"), "1");
  const auto result = replay({.from = Offset(0), .to = Offset(2), .into = "main"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(cell("SELECT log_offset FROM events WHERE message_id = 'm8'"), "2");  // outside of the range
  EXPECT_EQ(cell("SELECT count(*) FROM order_lines"), "1");
  EXPECT_EQ(cell("SELECT count(*) FROM quarantine"), "0");
  expect_balanced_books();
  ASSERT_TRUE(replay({.from = Offset(0), .into = "main"}));
  EXPECT_EQ(cell("SELECT log_offset FROM events WHERE message_id = 'm8'"), "1");  // the first counts
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, AWholeOrderThatStandsAfterTheRangeCountsThere) {
  static const std::vector<EventItem> kItems(2,
                                             EventItem{.item_id = "p1", .price = Decimal::from_integer(3)});
  misread_->from = Offset(1);
  misread_->to = Offset(2);
  for (std::uint64_t id = 0; id < 4; ++id) {
    Event event = make_event(EventType::kPurchase, id, kNine);
    event.items = kItems;
    event.order = EventOrder{.order_id = id % 2 == 1 ? "o1" : "o0", .revenue = Decimal::from_integer(6)};
    append(event, 0);
  }
  load();
  misread_->to = Offset(1);
  EXPECT_EQ(cell("SELECT string_agg(message_id, ' ' ORDER BY log_offset) FROM events"), "m0 m3");
  remember("before");
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  EXPECT_EQ(cell("SELECT string_agg(message_id, ' ' ORDER BY log_offset) FROM events"), "m0 m3");
  EXPECT_EQ(cell("SELECT sum(amount) FROM order_lines"), "12.0000");
  EXPECT_EQ(cell("SELECT count(*) FROM quarantine"), "0");
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, StoppedItHasChangedNothing) {
  send(30);
  remember("before");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(replay({.from = Offset(0), .into = "main"}, stop.get_token()).error().code, Code::kCancelled);
  expect_equal_tables("before");
  EXPECT_TRUE(replays_->list()->empty());
  ASSERT_TRUE(make_replay_schema(*warehouse_, "replay_main", "2", WithAggregations::kNo));  // killed
  execute("INSERT INTO replay_main.events BY NAME SELECT * REPLACE ('x' AS message_id) FROM events LIMIT 3");
  ASSERT_TRUE(replay({.from = Offset(0), .into = "main"}));  // of what was left nothing is taken
  expect_equal_tables("before");
}

TEST_F(ReplayIntoMainTest, ARowThatWasRefusedWhenItsFileWasLoadedAgainStaysAway) {
  view(0, 1);
  append_row(0, false);
  load();
  append_refused_row(true);
  load();
  ASSERT_THAT(places_of_row(), ElementsAre("quarantine|0|0"));
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  EXPECT_THAT(places_of_row(), ElementsAre("quarantine|0|0"));
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, ARowThatWasRefusedAtFirstGivesWayToItsMendedOne) {
  misread_->from = Offset(1);
  misread_->to = Offset(2);
  append_refused_row(false);
  view(0, 1);
  append_row(0, true);
  load();
  ASSERT_THAT(places_of_row(), ElementsAre("quarantine|0|0"));
  misread_->to = Offset(0);
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  EXPECT_THAT(places_of_row(), ElementsAre("events|0|1"));
  EXPECT_EQ(cell("SELECT count(*) FROM quarantine"), "0");
  EXPECT_EQ(cell("SELECT applied || ' ' || duplicate FROM _books WHERE log_topic = 'quarantine'"), "0 1");
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, AReplacementThatCouldNotBeLoadedReplacesBeyondTheRangeToo) {
  misread_->from = Offset(1);
  misread_->to = Offset(2);
  append_row(0, false);  // before the range
  view(1, 1);
  append_row(1, true);
  load();
  ASSERT_THAT(places_of_row(), ElementsAre("events|0|0"));
  misread_->to = Offset(0);
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  EXPECT_THAT(places_of_row(), ElementsAre("events|1|1"));
  EXPECT_EQ(cell("SELECT sum(views) FROM page_views_by_page"), "2");
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, OfRowsInDifferentPartitionsTheOneReceivedLastStays) {
  misread_->from = Offset(1);
  misread_->to = Offset(2);
  view(0, 1);
  view(0, 2);
  append_row(0, false);  // behind the range, and yet older than what is in it
  view(1, 3);
  append_row(1, true);
  load();
  ASSERT_THAT(places_of_row(), ElementsAre("events|0|2"));
  misread_->to = Offset(0);
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  EXPECT_THAT(places_of_row(), ElementsAre("events|1|1"));
  expect_balanced_books();
  append_row(2, true);  // much later
  load();
  misread_->to = Offset(2);
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  misread_->to = Offset(0);
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  EXPECT_THAT(places_of_row(), ElementsAre("events|2|0"));
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, WithinTheRangeTheReplacementReceivedLastStays) {
  append_row(0, true);
  load();
  append_row(1, true);  // is read before the other by a loader that finds both
  load();
  ASSERT_THAT(places_of_row(), ElementsAre("events|1|0"));
  remember("before");
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  expect_equal_tables("before");
  ASSERT_TRUE(replay({.into = "replay_a"}));
  expect_equal_tables("replay_a");
}

TEST_F(ReplayIntoMainTest, AMessageIdCountsAgainAfterTheWindow) {
  misread_->from = Offset(1);
  misread_->to = Offset(2);
  view(0, 1);
  view(0, 2);
  env_.now_is = *env_.now_is + 25 * kHourUs;
  view(0, 2);
  load();
  misread_->to = Offset(0);
  ASSERT_TRUE(replay({.from = Offset(1), .to = Offset(2), .into = "main"}));
  EXPECT_THAT(rows("SELECT log_offset FROM events WHERE message_id = 'm2' ORDER BY ALL"),
              ElementsAre("1", "2"));
  expect_balanced_books();
}

TEST_F(ReplayIntoMainTest, BooksThatWouldFallBelowZeroAreLeftAlone) {
  for (std::uint64_t id = 1; id < 4; ++id) view(0, id);
  load();
  execute("DELETE FROM events WHERE message_id = 'm2'");  // now the log gives more than the books know of
  remember("before");
  const auto result = replay({.from_given = true, .into = "main"});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("nothing was changed"));
  expect_equal_tables("before");
  EXPECT_TRUE(replays_->list()->empty());
}

TEST_F(ReplayIntoMainTest, RecordsThatTheLakeHasLostAreNotLostFromTheTables) {
  send(60);  // with retries: as many events are dropped as rows would be lost
  archive();
  const auto before_hole = manifest_->keys().value();
  view(0, 1'000);
  load();
  archive();
  ManifestChange change;
  const auto with_hole = manifest_->keys().value();
  for (const auto& key : with_hole) {
    if (std::ranges::find(before_hole, key) == before_hole.end()) change.forget.push_back(key);
  }
  ASSERT_FALSE(change.forget.empty());
  const auto hole = log_->stats({"events", PartitionId(0)})->end.value() - 1;
  send(10);
  archive();
  ASSERT_TRUE(manifest_->apply(change));
  shortened_->start = Offset(1'000);
  remember("before");
  const auto result = replay({.from_given = true, .into = "main"});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("no longer hold 1 records"));
  expect_equal_tables("before");
  EXPECT_TRUE(replay({.from = Offset(hole + 1), .into = "main"}));
  expect_equal_tables("before");
}

TEST_F(ReplayIntoMainTest, ADecoderThatGivesFewerEventsMayTakeTheOldRowsAway) {
  send(20);
  execute(
      "INSERT INTO events BY NAME SELECT * REPLACE (event_index + 100 AS event_index, message_id || 'x' AS "
      "message_id) FROM events; UPDATE _books SET applied = 2 * applied WHERE log_topic = 'events'");
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "20");
}

TEST_F(ReplayIntoMainTest, ShortMemoryIsWaitedOut) {
  send(20);
  remember("before");
  shortened_->overloaded = 4;  // as many as partitions, so that each begins when it did
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  EXPECT_EQ(shortened_->overloaded, 0);
  expect_equal_tables("before");
}

TEST_F(ReplayIntoMainTest, MoreRowsThanMayGoAtOnceAreRefusedBeforeAnyIsMade) {
  send(40);
  auto few = tools();
  few.exchange_rows_max = 30;
  few.run_alone = [](const auto&, const auto&) -> Status { return fail(Code::kInternal, "came so far"); };
  Replays replays(few);
  const auto result = replays.run({.from_given = true, .into = "main"}, show_, {});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("go in pieces, with --to"));
  EXPECT_EQ(last_.records, 0u);
  EXPECT_EQ(replays.run({.from = Offset(0), .to = Offset(2), .into = "main"}, show_, {}).error().message,
            "came so far");
}

TEST_F(ReplayIntoMainTest, ProgressIsToldAgainWhileTheTablesAreExchanged) {
  send(20);
  int shown = 0;
  while_alone_ = [&] {
    const int before = shown_;
    env_.sleep_for(200 * kMillisecondUs);
    shown = shown_ - before;
  };
  ASSERT_TRUE(replay({.from_given = true, .into = "main"}));
  EXPECT_GT(shown, 2);
}

TEST_F(ReplayIntoMainTest, NoHoursAreWrittenMeanwhile) {
  send(20);
  while_alone_ = [&] { EXPECT_EQ(replay({.job = "curate"}).error().code, Code::kExists); };
  EXPECT_TRUE(replay({.from_given = true, .into = "main"}));
}

}  // namespace
}  // namespace millrace
