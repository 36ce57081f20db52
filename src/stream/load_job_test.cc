#include "stream/load_job.h"

#include <array>
#include <set>
#include <stop_token>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "stream/stream_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Event view(std::uint64_t number) {
  return make_event(EventType::kPageView, number, kTestDay + static_cast<TimeUs>(number));
}

using LoadJobTest = StreamTest;

TEST_F(LoadJobTest, LoadsAllTopicsWithTheirPlaces) {
  append(view(1), 0);
  append(view(2), 3);
  append(kItemsTopic, 0, R"({"op":"put","id":"p1","attributes":{"name":"Rake"}})", "");
  append(kUsersTopic, 0, R"({"op":"put","id":"u1","attributes":{"country":"DE"}})", "");
  append(kQuarantineTopic, 0, "{nonsense",
         R"({"stage":"collect","code":"invalid","message":"no JSON","where":"batch[0]"})");
  append(kRecommendationsTopic, 0, R"({"recommendation_id":"r1","items":[{"id":"p1"}]})", "");
  append(kDecisionsTopic, 0, R"({"record":"quarantine:0:0","decision":"dropped","note":"a test"})", "");
  append(kDecisionsTopic, 0, R"({"record":"quarantine:0","decision":"dropped"})", "");
  auto job = load_job();
  const auto step = job->step();
  ASSERT_TRUE(step) << step.error().text();
  EXPECT_EQ(step->records, 8u);
  EXPECT_EQ(step->events, 2u);  // the others are no events
  run(*job);
  EXPECT_THAT(rows("SELECT message_id, log_partition, log_offset FROM events ORDER BY ALL"),
              ElementsAre("m1|0|0", "m2|3|0"));
  EXPECT_EQ(cell("SELECT name FROM items"), "Rake");
  EXPECT_EQ(cell("SELECT country FROM users"), "DE");
  EXPECT_THAT(rows("SELECT stage || ' ' || message || ' ' || where_ || ' ' || decode(raw), state, note FROM "
                   "quarantine_desk WHERE log_topic = 'quarantine'"),
              ElementsAre("collect no JSON batch[0] {nonsense|dropped|a test"));
  EXPECT_THAT(cell("SELECT message FROM quarantine WHERE log_topic = 'quarantine_decisions'"),
              HasSubstr("TOPIC:PARTITION:OFFSET"));
  EXPECT_EQ(cell("SELECT item_id FROM recommendations"), "p1");
  EXPECT_EQ(books(*job), "2 2 0 0 0");
  EXPECT_EQ(draw_up_books(*log_, job->position())->received(), 3u);
}

TEST_F(LoadJobTest, TellsTheLogHowFarItIs) {
  append(view(1));
  auto job = load_job();
  EXPECT_EQ(log_->committed("load", events_partition()).value(),
            Offset(0));  // retention waits from the start
  run(*job);
  run(*job);
  EXPECT_EQ(log_->committed("load", events_partition()).value(), Offset(1));
}

TEST_F(LoadJobTest, ACrashBeforeTheGroupCommitRepeatsNothing) {
  for (std::uint64_t i = 0; i < 10; ++i) append(view(i), i % 4);
  auto job = load_job();
  log_->fail_commits = true;
  EXPECT_FALSE(job->step());  // the transaction is done, the log was not told
  job.reset();
  log_->fail_commits = false;
  reopen();
  append(view(10));
  append(view(3), 3);  // a producer's retry, after the restart
  job = load_job();
  run(*job);
  EXPECT_EQ(cell("SELECT count(*) || ' ' || count(DISTINCT message_id) FROM events"), "11 11");
  EXPECT_EQ(books(*job), "12 11 1 0 0");
}

TEST_F(LoadJobTest, BooksAddUpWhileSomeIsPending) {
  auto job = load_job({.transaction_rows_max = 3});
  for (std::uint64_t i = 0; i < 10; ++i) append(view(i % 7), i % 4 == 0 ? 1 : 0);
  EXPECT_EQ(books(*job), "10 0 0 0 10");
  ASSERT_TRUE(job->step());
  EXPECT_EQ(books(*job), "10 3 0 0 7");
  run(*job);
  EXPECT_EQ(books(*job), "10 7 3 0 0");
}

TEST_F(LoadJobTest, BooksDoNotBalanceWhenSomethingIsMissing) {
  append(view(1));
  auto job = load_job();
  run(*job);
  auto position = job->position();
  position.books[events_partition()].applied = 0;  // read to the end, yet not accounted for
  EXPECT_FALSE(draw_up_books(*log_, position)->balanced);
  position.books[events_partition()].applied = 2;  // more than there was
  EXPECT_FALSE(draw_up_books(*log_, position)->balanced);
}

TEST_F(LoadJobTest, PutsAsideWhatCannotBeDecoded) {
  append(view(1));
  append(kEventsTopic, 0, "{not an event", envelope_of(view(2)), 5);
  append(kEventsTopic, 0, "{}", "no envelope");
  std::string value = R"({"type":"page_view","message_id":"m9","anonymous_id":"a"})";
  append(kEventsTopic, 0, value, envelope_of(view(9)), 2);  // counted as two
  append(view(3));
  append(kItemsTopic, 0, R"({"op":"drop"})", "");
  auto job = load_job();
  run(*job);
  EXPECT_THAT(rows("SELECT message_id FROM events ORDER BY ALL"), ElementsAre("m1", "m3"));
  EXPECT_THAT(rows("SELECT log_topic, log_offset, stage, events, source FROM quarantine ORDER BY ALL"),
              ElementsAre("events|1|decode|5|web", "events|2|decode|1|NULL", "events|3|decode|2|web",
                          "items|0|decode|1|NULL"));
  EXPECT_EQ(books(*job), "10 2 0 8 0");
}

TEST_F(LoadJobTest, OnePoisonRecordDoesNotStopTheRest) {
  const EventItem huge{.item_id = "p1",
                       .price = Decimal::parse("90000000000000").value(),
                       .quantity = Decimal::parse("1000000").value()};
  for (std::uint64_t i = 0; i < 100; ++i) {
    auto event = view(i);
    if (i == 57) {  // decodes, but its amount fits no DECIMAL(18,4)
      event.type = EventType::kPurchase;
      event.type_name = event_type_name(event.type);
      event.items = {&huge, 1};
    }
    append(event, 1);
  }
  auto job = load_job();
  run(*job);
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "99");
  EXPECT_THAT(rows("SELECT log_offset, stage, code FROM quarantine"), ElementsAre("57|load|out_of_range"));
  EXPECT_EQ(books(*job), "100 99 0 1 0");
}

/// Step until nothing is left, as `run` does, and return how many steps it took.
int steps_of(Job& job) {
  for (int steps = 1;; ++steps) {
    const auto step = job.step();
    EXPECT_TRUE(step) << step.error().text();
    if (!step || !step->more) return steps;
  }
}

// Some fail when they are added, others only when the whole transaction is written.
TEST_F(LoadJobTest, ManyPoisonsInSeveralPartitionsAreFoundInBoundedTimeAlsoThroughRestarts) {
  execute("ALTER TABLE events ALTER COLUMN page_title SET NOT NULL");
  const std::set<std::uint64_t> poisons = {0, 1, 100, 333, 334, 335, 601, 998, 999};
  const EventItem huge{.item_id = "p1",
                       .price = Decimal::parse("90000000000000").value(),
                       .quantity = Decimal::parse("1000000").value()};
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    auto event = view(i);
    event.page_title = "t";
    if (poisons.contains(i) && i % 2 == 0) {
      event.type = EventType::kPurchase;
      event.type_name = event_type_name(event.type);
      event.items = {&huge, 1};
    } else if (poisons.contains(i)) {
      event.page_title = {};
    }
    append(event, static_cast<std::uint32_t>(i % 4));
  }
  for (const int steps_before_the_end : {1, 2, 3, 5, 8, 13}) {  // its state is lost so often
    const auto job = load_job();
    for (int i = 0; i < steps_before_the_end; ++i) ASSERT_TRUE(job->step());
    (void)books(*job);  // balance
  }
  const auto job = load_job();
  EXPECT_LE(steps_of(*job), 2 * 9 * 9 + 10);
  EXPECT_EQ(cell("SELECT count(*) || ' ' || count(DISTINCT message_id) FROM events"), "991 991");
  EXPECT_EQ(cell("SELECT count(*) || ' ' || count(DISTINCT (log_partition, log_offset)) || ' ' || "
                 "min(stage) || ' ' || max(stage) FROM quarantine"),
            "9 9 load load");
  EXPECT_EQ(cell("SELECT string_agg(4 * log_offset + log_partition, ' ' ORDER BY 4 * log_offset + "
                 "log_partition) FROM quarantine"),
            "0 1 100 333 334 335 601 998 999");
  EXPECT_EQ(books(*job), "1000 991 0 9 0");

  auto after = view(1'000);  // and then it goes on in large steps
  after.page_title = "t";
  append(after);
  EXPECT_LE(steps_of(*job), 2);
}

TEST_F(LoadJobTest, WaitsOutAFullDisk) {
  append(view(1));
  auto job = load_job();
  env_.free_bytes_are = 1000;
  for (int i = 0; i < 3; ++i) {
    const auto step = job->step();
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Code::kNoSpace);
  }
  env_.free_bytes_are.reset();
  run(*job);
  EXPECT_EQ(books(*job), "1 1 0 0 0");
  EXPECT_EQ(cell("SELECT count(*) FROM quarantine"), "0");
}

TEST_F(LoadJobTest, SmallTransactionsGiveTheSameTables) {
  for (std::uint64_t i = 0; i < 40; ++i) append(view(i % 30), static_cast<std::uint32_t>(i % 4));
  auto job = load_job({.transaction_rows_max = 1});
  run(*job);
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "30");
  EXPECT_EQ(books(*job), "40 30 10 0 0");
}

TEST_F(LoadJobTest, GoesOnWhereARecordOfManyEventsIsLargerThanATransaction) {
  std::string visit = R"({"session_id":"s","user_id":"u","device_type":"mobile","events":[)";
  for (int i = 0; i < 20; ++i) {
    visit += fmt::format(
        R"({}{{"event_type":"page_view","timestamp":"2025-07-08T10:{:02}:00Z","details":{{"page_url":"/p"}}}})",
        i == 0 ? "" : ",", i);
  }
  visit += "]}";
  std::string attributes;
  encode_envelope({.codec = CodecId::kVisit, .source = "web", .received_time = kTestDay}, attributes);
  append(kEventsTopic, 0, visit, attributes, 20);
  append(kEventsTopic, 0, visit, attributes, 20);  // the same visit again
  auto job = load_job({.transaction_rows_max = 5});
  run(*job);
  EXPECT_EQ(books(*job), "40 20 20 0 0");
  EXPECT_THAT(rows("SELECT events, page_views, device_type, duration_s, user_id FROM visits"),
              ElementsAre("20|20|mobile|1140.0|u"));
}

TEST_F(LoadJobTest, LetsOthersChangeItsTablesBetweenTransactions) {
  append(view(1));
  append(view(2));
  const auto job = load_job({.writer = {.message_ids_dir = dir_ / "ids"}});
  run(*job);
  std::jthread worker([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); env_.sleep_for(kMillisecondUs)) EXPECT_TRUE(job->step());
  });
  const auto work = [&] {
    execute(
        "DELETE FROM events WHERE message_id = 'm1'; UPDATE _books SET applied = 1, quarantined = 1 "
        "WHERE applied = 2");
    return Status{};
  };
  EXPECT_TRUE(job->run_alone(work, {}));
  EXPECT_EQ(job->run_alone([] { return Status{fail(Code::kIo, "no")}; }, {}).error().code, Code::kIo);
  worker.request_stop();
  worker.join();
  append(view(1));  // its id is not in the tables any more
  append(view(2));
  run(*job);
  EXPECT_THAT(rows("SELECT message_id, log_offset FROM events ORDER BY ALL"), ElementsAre("m1|2", "m2|1"));
  EXPECT_EQ(books(*job), "4 2 1 1 0");

  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(job->run_alone(work, stop.get_token()).error().code, Code::kCancelled);  // nobody steps
}

TEST_F(LoadJobTest, OpensItsTablesAgainWhenThatFailedAfterTheyWereChanged) {
  JobMetrics metrics("again");
  auto& duplicates = metrics::counter("millrace_job_duplicates_total", "?", {{"job", "again"}});
  append(view(1));
  const auto job = LoadJob::make(*log_, *feed_, *warehouse_);
  job->show_in(metrics);
  ASSERT_TRUE(job->start());
  run(*job);
  std::jthread waiting([&] { EXPECT_TRUE(job->run_alone([] { return Status{}; }, {})); });
  log_->fail_commits = true;
  auto step = job->step();
  for (; step; step = job->step()) env_.sleep_for(kMillisecondUs);  // until the other has its turn
  EXPECT_EQ(step.error().code, Code::kIo);
  waiting.join();
  step = job->step();  // tries to open them, and goes no further
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, Code::kIo);
  log_->fail_commits = false;
  append(view(1));
  append(view(2));
  run(*job);
  EXPECT_EQ(books(*job), "3 2 1 0 0");
  EXPECT_EQ(duplicates.Value(), 1);
}

TEST_F(LoadJobTest, SaysSoWhenTheLogIsNotTheOneItKnew) {
  append(view(1));
  auto job = load_job();
  run(*job);
  execute("UPDATE _offsets SET next_offset = 1000 WHERE log_topic = 'events'");
  job = load_job();
  const auto step = job->step();
  ASSERT_FALSE(step);
  EXPECT_THAT(step.error().message, HasSubstr("events:0:1000"));
}

}  // namespace
}  // namespace millrace
