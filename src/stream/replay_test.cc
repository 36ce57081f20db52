#include "stream/replay.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "stream/replay_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_THAT(error({}), HasSubstr("say where the rows go"));
  EXPECT_THAT(error({.from = Offset(3), .to = Offset(3), .into = "replay_b"}), HasSubstr("after --from"));
  EXPECT_THAT(error({.from = Env::system().now() + kDayUs, .into = "replay_b"}), HasSubstr("in the future"));
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

TEST_F(ReplayTest, AnAggregationThatCannotBeComputedStopsNothing) {
  send(5);
  const AggregationFile bad{
      "p/bad.yaml",
      "from: events\nwindow: 1m\nmeasures: {n: sum(epoch_us(event_time) * 9000000000000000000)}\n"};
  ASSERT_TRUE(declare_aggregations(*warehouse_, std::vector<AggregationFile>{bad}));
  const auto done = replay({.into = "replay_a"});
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(cell("SELECT count(*) FROM replay_a.events"), "5");
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

TEST_F(ReplayTest, BelowTheArchiveTheLogsWordsHold) {
  send(40);
  shortened_->start = Offset(6);
  const auto read = archived_->read({"events", PartitionId(0)}, Offset(0), {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace millrace
