#include "stream/replay.h"

#include <array>
#include <deque>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "event/json_writer.h"
#include "lake/local_object_store.h"
#include "stream/archive_job.h"
#include "stream/stream_testing.h"
#include "warehouse/aggregations.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr TimeUs kNine = 1'782'896'400 * kSecondUs;  // 2026-07-01T09:00:00Z

/// A log of which retention has removed the front of the topic `events`.
class ShortenedLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;

  Offset start;  ///< of each partition of `events`

  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override {
    if (partition.topic == kEventsTopic && from < start)
      return fail(Code::kOutOfRange, "retention removed it");
    return StubbornLog::read(partition, from, limits);
  }
  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    auto stats = StubbornLog::stats(partition);
    if (stats && partition.topic == kEventsTopic) stats->start = std::min(start, stats->end);
    return stats;
  }
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    MILLRACE_ASSIGN(const Offset found, StubbornLog::offset_at_time(partition, time));
    return partition.topic == kEventsTopic ? std::max(found, start) : found;
  }
};

/// A log as a faulty decoder reads it: of the events in a range it takes one in four for another and can make
/// nothing of one in four.
class MisreadLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;

  Offset from, to;

  Result<RecordBatch> read(const TopicPartition& partition, Offset at,
                           const ReadLimits& limits) const override {
    MILLRACE_ASSIGN(RecordBatch batch, StubbornLog::read(partition, at, limits));
    for (Record& record : batch.records) {
      if (partition.topic != kEventsTopic || record.offset < from || record.offset >= to) continue;
      if (record.offset.value() % 4 == 1) record.attributes = {};
      if (record.offset.value() % 4 == 2) record.value = another(partition, record);
    }
    return batch;
  }

 private:
  std::string_view another(const TopicPartition& partition, const Record& record) const {
    Event event = make_event(EventType::kSearch, record.offset.value(), record.time + kHourUs);
    event.search_query = "rake";
    const auto id = fmt::format("misread-{}-{}", partition.partition.value(), record.offset.value());
    event.message_id = id;
    auto& value = values_.emplace_back();
    append_native_event(event, value);
    value.append(64, '\0');
    return std::string_view(value).substr(0, value.size() - 64);
  }

  mutable std::deque<std::string> values_;
};

class ReplayTest : public StreamTest {
 protected:
  ReplayTest() {
    env_.now_is = kNine;
    EXPECT_TRUE(declare_aggregations(*warehouse_, std::vector<AggregationFile>{}));
    store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
    manifest_ = Manifest::open(dir_ / "manifest.sqlite").value();
    shortened_ = std::make_unique<ShortenedLog>(*log_);
    archived_ =
        std::make_unique<ArchivedLog>(*shortened_, *manifest_, *store_, std::string(ArchiveJob::kGroup));
    misread_ = std::make_unique<MisreadLog>(*log_);
    replays_ = std::make_unique<Replays>(Replays::Tools{
        .env = env_,
        .log = *archived_,
        .warehouse = *warehouse_,
        .lake = *store_,
        .manifest = *manifest_,
        .staging = dir_ / "lake" / ".tmp" / "rebuild.parquet",
        .message_ids_dir = dir_ / "replay_ids",
        .aggregator = {},
        .run_alone = [](const auto& work, const auto&) { return work(); }});  // nobody else writes here
  }

  /// Send orders, page views, a retry of each tenth and something that is no event; load all of it.
  void send(int events) {
    static const std::vector<EventItem> kItems(2, EventItem{.item_id = "p1"});
    for (int i = 0; i < events; ++i, ++sent_) {
      env_.now_is = *env_.now_is + kSecondUs;
      Event event =
          make_event(sent_ % 3 == 0 ? EventType::kPurchase : EventType::kPageView, sent_, *env_.now_is);
      event.page_path = "/";
      event.session_id = {};
      if (sent_ % 3 == 0) event.items = kItems;
      append(event, sent_ % 4);
      if (sent_ % 10 == 0) append(event, sent_ % 4);
    }
    append(kEventsTopic, 1, "{", envelope_of(make_event(EventType::kPageView, 0, kNine)));
    append(kItemsTopic, 0, R"({"op":"put","id":"p1","attributes":{"name":"Rake"}})", "");
    append(kQuarantineTopic, 0, "bad", "");
    load();
  }

  /// Load what is new, `misread_` where it says so.
  void load() {
    EventFeed feed(*misread_, {});
    const auto job = LoadJob::make(*misread_, feed, *warehouse_);
    ASSERT_TRUE(job->start());
    run(*job);
  }

  /// Keep the tables as they are, to compare others with.
  void remember(const std::string& schema) {
    execute("CREATE SCHEMA " + schema);
    for (const auto* table : kTables)
      execute(fmt::format("CREATE TABLE {0}.{1} AS FROM main.{1}", schema, table));
  }

  void expect_balanced_books() {
    EXPECT_EQ(cell("SELECT count(*) FROM _books b WHERE log_topic = 'events' AND (applied <> (SELECT "
                   "count(*) FROM events e "
                   "WHERE e.log_partition = b.log_partition) OR quarantined <> (SELECT coalesce(sum(events), "
                   "0) FROM quarantine "
                   "q WHERE q.log_partition = b.log_partition AND q.log_topic = 'events'))"),
              "0");
    EXPECT_EQ(books(*load_job()).substr(0, 2), books(*load_job()).substr(0, 2));
  }

  void archive() {
    env_.now_is = *env_.now_is + 10 * kMinuteUs;
    const auto job = ArchiveJob::make(env_, *log_, *store_, *manifest_);
    ASSERT_TRUE(job->start());
    run(*job);
  }

  Result<ReplayResult> replay(const ReplayRequest& request, std::stop_token stop = {}) {
    return replays_->run(request, [&](const ReplayProgress& progress) { last_ = progress; }, stop);
  }

  void expect_equal_tables(const std::string& schema) {
    for (const auto* table : kTables) {
      const auto ours = fmt::format("FROM main.{}", table);
      const auto other = fmt::format("FROM {}.{}", schema, table);
      EXPECT_THAT(rows(fmt::format("({0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL {0})", ours, other)),
                  IsEmpty())
          << table;
    }
  }

  static constexpr std::array kTables = {"events",
                                         "order_lines",
                                         "event_items",
                                         "items",
                                         "users",
                                         "quarantine",
                                         "visits",
                                         "recommendations",
                                         "item_interactions",
                                         "_offsets",
                                         "_books",
                                         "page_views_per_minute",
                                         "page_views_by_page",
                                         "sales_by_hour",
                                         "item_popularity",
                                         "visits_by_device"};

  std::unique_ptr<LocalObjectStore> store_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<ShortenedLog> shortened_;
  std::unique_ptr<ArchivedLog> archived_;
  std::unique_ptr<MisreadLog> misread_;
  std::unique_ptr<Replays> replays_;
  ReplayProgress last_;
  std::uint64_t sent_ = 0;
};

TEST_F(ReplayTest, GivesTheTablesOfTheStreamFromTheLake) {
  send(60);
  archive();
  shortened_->start = Offset(12);
  send(20);
  const auto result = replay({.into = "replay_a"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->rows, 80u);
  EXPECT_EQ(last_.offsets_done, last_.offsets_total);
  EXPECT_GT(last_.offsets_total, 80u);
  expect_equal_tables("replay_a");
  EXPECT_EQ(cell("SELECT count(*) FROM replay_a.events"), "80");
}

TEST_F(ReplayTest, RunAgainItAddsWhatCameSinceAndNothingTwice) {
  send(30);
  ASSERT_TRUE(replay({.into = "replay_a"}));
  const auto again = replay({.into = "replay_a"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->records, 0u);
  expect_equal_tables("replay_a");
  send(10);
  ASSERT_TRUE(replay({.into = "replay_a"}));
  expect_equal_tables("replay_a");
}

TEST_F(ReplayTest, GoesOnWhereItWasStopped) {
  send(30);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(replay({.into = "replay_a"}, stop.get_token()).error().code, Code::kCancelled);
  ASSERT_TRUE(replay({.into = "replay_a"}));
  expect_equal_tables("replay_a");
}

TEST_F(ReplayTest, BeginsAtAnOffsetOrATime) {
  send(40);  // ten and a retry or so in each partition
  archive();
  shortened_->start = Offset(6);
  ASSERT_TRUE(replay({.from = Offset(4), .into = "replay_offset"}));
  EXPECT_EQ(cell("SELECT min(log_offset) FROM replay_offset.events"), "4");
  const TimeUs time = kNine + 10 * kSecondUs;
  ASSERT_TRUE(replay({.from = time, .into = "replay_time"}));
  EXPECT_THAT(
      rows("SELECT message_id FROM main.events WHERE received_time >= TIMESTAMP '2026-07-01 09:00:10' "
           "EXCEPT ALL SELECT message_id FROM replay_time.events"),
      IsEmpty());
  EXPECT_EQ(cell("SELECT min(event_time) FROM replay_time.events"), "2026-07-01 09:00:10");
}

TEST_F(ReplayTest, SaysWhatItCannotDo) {
  send(5);
  const auto error = [&](const ReplayRequest& request) { return replay(request).error().message; };
  EXPECT_THAT(error({.into = "events"}), HasSubstr("replay_june"));
  EXPECT_THAT(error({.into = "replay_main"}), HasSubstr("replay_june"));
  EXPECT_THAT(error({.into = "main"}), HasSubstr("say from where on"));
  EXPECT_THAT(error({.into = "replay_a; DROP TABLE events"}), HasSubstr("replay_june"));
  EXPECT_THAT(error({.job = "bake", .into = "replay_a"}), HasSubstr("load and curate are"));
  ASSERT_TRUE(replay({.into = "replay_a"}));
  EXPECT_THAT(error({.from = Offset(2), .into = "replay_a"}), HasSubstr("holds a replay from lake"));
  EXPECT_THAT(error({.job = "archive", .into = "replay_a"}), HasSubstr("bytes as they came"));
  EXPECT_THAT(error({.job = "recommend", .into = "replay_a"}), HasSubstr("rebuilds it"));
  EXPECT_THAT(error({.job = "curate", .into = "replay_a"}), HasSubstr("leave --into out"));
  EXPECT_THAT(error({.job = "curate"}), HasSubstr("no files yet"));
  EXPECT_THAT(error({.job = "curate", .from = Offset(3)}), HasSubstr("goes by hours"));
  ReplayRequest request;
  EXPECT_FALSE(read_replay_from("yesterday", request));
  EXPECT_FALSE(read_replay_to("lake", request));
  EXPECT_TRUE(read_replay_from("2026-07-01", request));
}

TEST_F(ReplayTest, EndsWhereItWasTold) {
  send(40);
  ASSERT_TRUE(replay({.from = Offset(2), .to = Offset(5), .into = "replay_a"}));
  EXPECT_EQ(cell("SELECT min(log_offset) || ' ' || max(log_offset) FROM replay_a.events"), "2 4");
  EXPECT_THAT(replay({.from = Offset(2), .into = "replay_a"}).error().message, HasSubstr("from 2 to 5"));
}

TEST_F(ReplayTest, SchemasAreListedAndDropped) {
  send(20);
  ASSERT_TRUE(replay({.into = "replay_a"}));
  ASSERT_TRUE(replay({.from = Offset(2), .into = "replay_b"}));
  const auto list = replays_->list();
  ASSERT_TRUE(list) << list.error().text();
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].schema.name, "replay_a");
  EXPECT_EQ((*list)[0].schema.origin, "lake");
  EXPECT_EQ((*list)[0].schema.rows, 20u);
  EXPECT_EQ((*list)[1].schema.origin, "2");
  EXPECT_EQ((*list)[1].schema.next.at({"events", PartitionId(0)}),
            log_->stats({"events", PartitionId(0)})->end);
  EXPECT_TRUE(replays_->drop("replay_a"));
  EXPECT_EQ(replays_->list()->size(), 1u);
  EXPECT_EQ(replays_->drop("replay_a").error().code, Code::kNotFound);
  EXPECT_EQ(replays_->drop("main").error().code, Code::kNotFound);
  ASSERT_TRUE(replay({.from = Offset(3), .into = "replay_a"}));  // another origin is fine now
}

TEST_F(ReplayTest, IntoMainTheSameProgramChangesNothing) {
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

TEST_F(ReplayTest, IntoMainRowsOfAMendedDecoderTakeThePlaceOfTheOldOnes) {
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

TEST_F(ReplayTest, IntoMainRetriesAreJudgedAgain) {
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

TEST_F(ReplayTest, IntoMainAWholeOrderThatStandsAfterTheRangeCountsThere) {
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

TEST_F(ReplayTest, IntoMainStoppedItHasChangedNothing) {
  send(30);
  remember("before");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(replay({.from = Offset(0), .into = "main"}, stop.get_token()).error().code, Code::kCancelled);
  expect_equal_tables("before");
  execute("INSERT INTO replay_main.events BY NAME SELECT * REPLACE ('x' AS message_id) FROM events LIMIT 3");
  ASSERT_TRUE(replay({.from = Offset(0), .into = "main"}));  // of what was left nothing is taken
  expect_equal_tables("before");
}

TEST_F(ReplayTest, IntoMainWhatTheLogHasLostIsNotLostFromTheTables) {
  send(30);
  execute("INSERT INTO events BY NAME SELECT * REPLACE (log_offset + 100 AS event_index) FROM events");
  const auto before = cell("SELECT count(*) FROM events");
  const auto result = replay({.from = Offset(0), .into = "main"});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("nothing was changed"));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), before);
}

TEST_F(ReplayTest, BelowTheArchiveTheLogsWordsHold) {
  send(40);
  shortened_->start = Offset(6);
  const auto read = archived_->read({"events", PartitionId(0)}, Offset(0), {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace millrace
