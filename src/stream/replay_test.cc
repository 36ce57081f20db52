#include "stream/replay.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lake/local_object_store.h"
#include "stream/archive_job.h"
#include "stream/stream_testing.h"

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

class ReplayTest : public StreamTest {
 protected:
  ReplayTest() {
    env_.now_is = kNine;
    store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
    manifest_ = Manifest::open(dir_ / "manifest.sqlite").value();
    shortened_ = std::make_unique<ShortenedLog>(*log_);
    archived_ =
        std::make_unique<ArchivedLog>(*shortened_, *manifest_, *store_, std::string(ArchiveJob::kGroup));
    replays_ = std::make_unique<Replays>(env_, *archived_, *warehouse_);
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
    run(*load_job());
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
    for (const auto* table : {"events", "order_lines", "event_items", "items", "users", "quarantine",
                              "visits", "recommendations", "item_interactions", "_offsets", "_books"}) {
      const auto ours = fmt::format("FROM main.{}", table);
      const auto other = fmt::format("FROM {}.{}", schema, table);
      EXPECT_THAT(rows(fmt::format("({0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL {0})", ours, other)),
                  IsEmpty())
          << table;
    }
  }

  std::unique_ptr<LocalObjectStore> store_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<ShortenedLog> shortened_;
  std::unique_ptr<ArchivedLog> archived_;
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
  EXPECT_THAT(error({.into = "main"}), HasSubstr("replay_june"));
  EXPECT_THAT(error({.into = "replay_a; DROP TABLE events"}), HasSubstr("replay_june"));
  EXPECT_THAT(error({.job = "bake", .into = "replay_a"}), HasSubstr("only load"));
  ASSERT_TRUE(replay({.into = "replay_a"}));
  EXPECT_THAT(error({.from = Offset(2), .into = "replay_a"}), HasSubstr("holds a replay from lake"));
  EXPECT_FALSE(parse_replay_from("yesterday"));
  EXPECT_TRUE(parse_replay_from("2026-07-01"));
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
