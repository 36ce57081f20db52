#include "warehouse/transforms.h"

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <thread>

#include <gmock/gmock.h>

#include "warehouse/query_service.h"
#include "warehouse/transform_set.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr TimeUs kMonday = 1'767'571'200 * kSecondUs;  // 2026-01-05

class TransformsTest : public WarehouseTest {
 protected:
  void add(const std::string& name, const std::string& text) {
    std::erase_if(files_, [&](const auto& file) { return file.path.stem() == name; });
    files_.push_back({"transforms/" + name + ".sql", text});
  }

  Result<TransformRunResult> try_run(const TransformRunRequest& request = {}) {
    return transforms().run(request, {}, {});
  }

  /// Run and return each transform with what came of it: "visits done 2".
  std::vector<std::string> run(const TransformRunRequest& request = {}) {
    std::vector<std::string> out;
    const auto result = try_run(request);
    EXPECT_TRUE(result) << result.error().text();
    if (!result) return out;
    for (const auto& one : result->transforms) {
      const char* states[] = {"done", "failed", "skipped"};
      errors_[one.name] = one.error;
      out.push_back(one.name + " " + states[static_cast<int>(one.state)] + " " +
                    std::to_string(one.intervals));
    }
    std::ranges::sort(out);
    return out;
  }

  std::string refusal() {
    const auto result = try_run();
    EXPECT_FALSE(result);
    return result ? "" : result.error().text();
  }

  Transforms& transforms() {
    made_ = std::make_unique<Transforms>(
        *warehouse_, [this]() -> Result<std::optional<std::vector<TransformFile>>> { return files_; },
        Transforms::Options{});
    return *made_;
  }

  /// Write page views at these times, at the next offsets.
  void views(std::initializer_list<TimeUs> times) {
    if (!writer_) writer_ = writer();
    std::vector<Event> events;
    for (const auto time : times) events.push_back(make_event(EventType::kPageView, next_++, time));
    ASSERT_TRUE(write(*writer_, events));
  }

  std::vector<TransformFile> files_;
  std::map<std::string, std::string> errors_;
  std::unique_ptr<FactWriter> writer_;
  std::uint64_t next_ = 0;
  std::unique_ptr<Transforms> made_;
};

constexpr const char* kByDay = R"(/*
description: Page views by the day.
interval: 1d
time: day
columns: {day: the day, n: how many}
*/
SELECT CAST(date_trunc('day', event_time) AS TIMESTAMP) AS day, count(*) AS n
FROM source('events')
WHERE event_time >= @start AND event_time < @end
GROUP BY 1
)";

TEST_F(TransformsTest, FillsIntervalsOnceAndReplacesThem) {
  views({kMonday, kMonday + kHourUs, kMonday + 2 * kDayUs});
  add("by_day", kByDay);
  EXPECT_THAT(run(), ElementsAre("by_day done 2"));
  const auto counted = "SELECT * FROM analytics.by_day ORDER BY day";
  EXPECT_THAT(rows(counted), ElementsAre("2026-01-05 00:00:00|2", "2026-01-07 00:00:00|1"));
  EXPECT_THAT(run(), ElementsAre("by_day done 0"));
  // A late fact of the first day, however old its time is, and one of a new day.
  views({kMonday + 5 * kHourUs, kMonday + 4 * kDayUs});
  EXPECT_THAT(run(), ElementsAre("by_day done 2"));
  EXPECT_THAT(rows(counted),
              ElementsAre("2026-01-05 00:00:00|3", "2026-01-07 00:00:00|1", "2026-01-09 00:00:00|1"));
  // Twice the same, on purpose: replaced, not added.
  EXPECT_THAT(run({.range = {kMonday, kMonday + kDayUs}}), ElementsAre("by_day done 1"));
  EXPECT_THAT(run({.full = true}), ElementsAre("by_day done 3"));
  EXPECT_THAT(rows(counted),
              ElementsAre("2026-01-05 00:00:00|3", "2026-01-07 00:00:00|1", "2026-01-09 00:00:00|1"));
  EXPECT_THAT(
      rows("SELECT interval_start, interval_end, row_count, stale FROM _transform_intervals ORDER BY 1"),
      ElementsAre("2026-01-05 00:00:00|2026-01-06 00:00:00|1|false",
                  "2026-01-07 00:00:00|2026-01-08 00:00:00|1|false",
                  "2026-01-09 00:00:00|2026-01-10 00:00:00|1|false"));
}

TEST_F(TransformsTest, IntervalsAreHalfOpenInUtcBoundsIncluded) {
  views({kMonday - 1, kMonday, kMonday + kDayUs - 1, kMonday + kDayUs});
  add("by_day", kByDay);
  run();
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day ORDER BY day"), ElementsAre("1", "2", "1"));
}

TEST_F(TransformsTest, ManyIntervalsTogetherGiveWhatEachAloneGives) {
  for (int day = 0; day < 40; ++day)
    views({kMonday + day * kDayUs, kMonday + day * kDayUs + day * kMinuteUs});
  std::string alone = kByDay;
  alone.insert(alone.find("interval"), "batch: 1\n");
  add("alone", alone);
  add("together", kByDay);
  EXPECT_THAT(run(), ElementsAre("alone done 40", "together done 40"));
  EXPECT_THAT(rows("FROM analytics.alone EXCEPT ALL FROM analytics.together"), IsEmpty());
  EXPECT_EQ(cell("SELECT count(*) FROM analytics.alone"), "40");
}

TEST_F(TransformsTest, LookbackRunsIntervalsBeforeAgain) {
  std::string text = kByDay;
  text.insert(text.find("interval"), "lookback: 1\n");
  add("by_day", text);
  views({kMonday, kMonday + kDayUs, kMonday + 2 * kDayUs});
  EXPECT_THAT(run(), ElementsAre("by_day done 4"));
  views({kMonday + 2 * kDayUs + 1});
  EXPECT_THAT(run(), ElementsAre("by_day done 2"));
}

TEST_F(TransformsTest, BeginLeavesOutWhatIsBefore) {
  std::string text = kByDay;
  text.insert(text.find("interval"), "begin: 2026-01-06\n");
  add("by_day", text);
  views({kMonday, kMonday + kDayUs});
  EXPECT_THAT(run(), ElementsAre("by_day done 1"));
}

TEST_F(TransformsTest, AChangeMakesItAndWhatReadsItAnew) {
  views({kMonday, kMonday + kDayUs});
  add("by_day", kByDay);
  add("doubled", R"(/*
interval: 1d
time: day
*/
SELECT day, CAST(2 * n AS BIGINT) AS n FROM ref('by_day') WHERE day >= @start AND day < @end)");
  add("apart", "SELECT count(*) AS n FROM source('events')");
  EXPECT_THAT(run(), ElementsAre("apart done 0", "by_day done 2", "doubled done 2"));
  EXPECT_THAT(run(), ElementsAre("apart done 0", "by_day done 0", "doubled done 0"));
  // Comments and layout are no change.
  add("by_day", std::string(kByDay) + "\n-- a comment\n;");
  EXPECT_THAT(run(), ElementsAre("apart done 0", "by_day done 0", "doubled done 0"));
  std::string changed = kByDay;
  changed.replace(changed.find("count(*)"), 8, "10 * count(*)");
  add("by_day", changed);
  const auto states = transforms().list();
  ASSERT_TRUE(states) << states.error().text();
  for (const auto& state : *states) EXPECT_EQ(state.changed, state.name != "apart") << state.name;
  EXPECT_THAT(run(), ElementsAre("apart done 0", "by_day done 2", "doubled done 2"));
  EXPECT_THAT(rows("SELECT n FROM analytics.doubled"), ElementsAre("20", "20"));
  // New facts reach what reads it, and only their intervals.
  views({kMonday});
  EXPECT_THAT(run({.select = {"by_day"}}), ElementsAre("by_day done 1"));
  EXPECT_THAT(run({.select = {"doubled"}}), ElementsAre("doubled done 1"));
  EXPECT_THAT(rows("SELECT n FROM analytics.doubled ORDER BY day"), ElementsAre("40", "20"));
}

TEST_F(TransformsTest, WhatFailsHalfWayStaysAsItWasAndGoesOn) {
  views({kMonday, kMonday + kDayUs});
  std::string text = kByDay;
  text.insert(text.find("interval"), "batch: 1\n");
  add("by_day", text);
  run();
  // Fails on the second day, in the statement itself, after the old rows were deleted.
  text.replace(
      text.find("count(*) AS n"), 13,
      "CASE WHEN min(event_time) > TIMESTAMP '2026-01-05 12:00:00' THEN CAST(min(type) AS BIGINT) ELSE 7 "
      "END AS n");
  add("by_day", text);
  add("after", "SELECT n FROM ref('by_day')");
  EXPECT_THAT(run(), ElementsAre("after skipped 0", "by_day failed 0"));
  EXPECT_THAT(errors_["by_day"], AllOf(HasSubstr("transforms/by_day.sql"), HasSubstr("'page_view'")));
  EXPECT_THAT(errors_["after"], HasSubstr("waits for by_day"));
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day"), ElementsAre("7"));
  const auto states = transforms().list();
  ASSERT_TRUE(states);
  EXPECT_THAT(states->front().record->error, HasSubstr("'page_view'"));
  EXPECT_EQ(states->front().record->stale, 1u);
  add("by_day", kByDay);
  run();
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day"), ElementsAre("1", "1"));
}

TEST_F(TransformsTest, ADeleteAndItsInsertAreOneWithTheLedger) {
  views({kMonday});
  add("by_day", kByDay);
  run();
  views({kMonday + 1});
  // A check that fails comes after both; nothing of them may be left, and the interval is still to be made.
  std::string strict = kByDay;
  strict.insert(strict.find("interval"), "accepted: {n: ['1']}\n");
  add("by_day", strict);
  EXPECT_THAT(run(), ElementsAre("by_day failed 0"));
  EXPECT_THAT(errors_["by_day"], HasSubstr("1 rows fail the check accepted: n is 1: nothing was changed"));
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day"), ElementsAre("1"));
  writer_.reset();
  reopen();
  add("by_day", kByDay);
  EXPECT_THAT(run(), ElementsAre("by_day done 1"));
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day"), ElementsAre("2"));
}

TEST_F(TransformsTest, ChecksUniqueAndNotNull) {
  views({kMonday, kMonday});
  add("u", "/*\nunique: [[visitor, type]]\n*/ SELECT visitor, type FROM source('events')");
  add("n", "/*\nnot_null: [item_id]\n*/ SELECT item_id FROM source('events')");
  add("t",
      "/*\ninterval: 1h\ntime: at\n*/ SELECT CAST(NULL AS TIMESTAMP) AS at FROM source('events') WHERE "
      "event_time "
      ">= @start AND event_time < @end");
  EXPECT_THAT(run(), ElementsAre("n failed 0", "t failed 0", "u failed 0"));
  EXPECT_THAT(errors_["u"], HasSubstr("2 rows fail the check unique: visitor, type"));
  EXPECT_THAT(errors_["n"], HasSubstr("2 rows fail the check not_null: item_id"));
  EXPECT_THAT(errors_["t"], HasSubstr("2 rows have no at"));
}

TEST_F(TransformsTest, FactsTakenAwayOrPutInPlaceMakeTheirIntervalsAnew) {
  views({kMonday, kMonday + kDayUs});
  add("by_day", kByDay);
  run();
  execute("INSERT INTO _fact_changes VALUES (1, TIMESTAMP '2026-01-05 00:00:00')");
  execute("DELETE FROM events WHERE event_time < TIMESTAMP '2026-01-06 00:00:00'");
  EXPECT_THAT(run(), ElementsAre("by_day done 1"));
  EXPECT_THAT(rows("SELECT day FROM analytics.by_day"), ElementsAre("2026-01-06 00:00:00"));
  EXPECT_THAT(run(), ElementsAre("by_day done 0"));
}

TEST_F(TransformsTest, RefusesACircleWithAllItsMembers) {
  add("a", "SELECT * FROM ref('c')");
  add("b", "SELECT * FROM ref('a')");
  add("c", "SELECT * FROM ref('b')");
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("transforms/a.sql: leads in a circle: a → c → b → a"), HasSubstr("take one")));
  files_.clear();
  add("self", "SELECT * FROM ref('self')");
  EXPECT_THAT(refusal(), HasSubstr("a circle: self → self"));
}

TEST_F(TransformsTest, RefusesWithFileAndLine) {
  const auto refusal_of = [&](const std::string& text) {
    files_.clear();
    add("by_day", kByDay);
    add("bad", text);
    return refusal();
  };
  EXPECT_THAT(refusal_of("SELECT *\nFROM ref('by_dya')"), HasSubstr("did you mean by_day?"));
  EXPECT_THAT(refusal_of("SELECT *\nFROM source('evnts')"), HasSubstr("did you mean events?"));
  EXPECT_THAT(refusal_of("SELECT *\nFROM read_csv('/etc/passwd')"),
              HasSubstr("bad.sql:2: read_csv() is not allowed"));
  EXPECT_THAT(refusal_of("SELECT\n*\nFROM '/etc/passwd'"), HasSubstr("there is no table '/etc/passwd'"));
  EXPECT_THAT(refusal_of("SELECT 1;\nSELECT 2"), HasSubstr("several statements"));
  EXPECT_THAT(refusal_of("DELETE FROM events"), HasSubstr("must be one SELECT"));
  EXPECT_THAT(refusal_of("SELECT\n\nnow() AS n"), AllOf(HasSubstr("bad.sql:3: now()"), HasSubstr("@start")));
  EXPECT_THAT(refusal_of("SELECT\ncurrent_date AS n"), HasSubstr("bad.sql:2: current_date"));
  EXPECT_THAT(refusal_of("SELECT random() AS n"), HasSubstr("random()"));
  EXPECT_THAT(refusal_of("SELECT getenv('HOME') AS n"), HasSubstr("getenv() is not allowed"));
  EXPECT_THAT(refusal_of("SELECT *\nFRM x"), HasSubstr("bad.sql:2: syntax error"));
  EXPECT_THAT(refusal_of("SELECT *\nFROM ref(by_day)"), HasSubstr("bad.sql:2: ref() takes the name"));
  EXPECT_THAT(refusal_of("SELECT * FROM other.events"), HasSubstr("other.events is not a table"));
  EXPECT_THAT(refusal_of("SELECT * FROM source('_offsets')"), HasSubstr("no table '_offsets'"));
  EXPECT_THAT(refusal_of("WITH _offsets AS (SELECT * FROM _offsets) SELECT * FROM _offsets"),
              HasSubstr("no table '_offsets'"));
  EXPECT_THAT(refusal_of("WITH \"raw/x.parquet\" AS (SELECT * FROM \"raw/x.parquet\") SELECT * FROM "
                         "\"raw/x.parquet\""),
              HasSubstr("no table 'raw/x.parquet'"));
  EXPECT_THAT(refusal_of("SELECT * FROM _offsets, (WITH _offsets AS (SELECT 1) SELECT * FROM _offsets) AS x"),
              HasSubstr("no table '_offsets'"));
  EXPECT_THAT(refusal_of("SELECT *\nFROM source('events') USING SAMPLE 10%"), HasSubstr("a sample"));
  EXPECT_THAT(refusal_of("SELECT *\nFROM source('events') TABLESAMPLE 10%"), HasSubstr("a sample"));
  EXPECT_THAT(refusal_of("/* x: */\n\nSELECT typ\nFROM source('events')"), HasSubstr("'x'"));
  EXPECT_THAT(refusal_of("-- a comment\nSELECT 1 AS i,\ntyp\nFROM source('events')"),
              AllOf(HasSubstr("bad.sql:3"), HasSubstr("typ")));
  EXPECT_THAT(refusal_of("/*\ndescription: d\nintervall: 1d\n*/ SELECT 1 AS i"),
              AllOf(HasSubstr("bad.sql:3"), HasSubstr("interval")));
  EXPECT_THAT(refusal_of("/*\ninterval: 7h\ntime: t\n*/ SELECT 1 AS t"), HasSubstr("bad.sql:2"));
  EXPECT_THAT(refusal_of("SELECT * FROM source('events') WHERE event_time < @end"),
              HasSubstr("says @start or @end"));
  EXPECT_THAT(refusal_of("/*\ninterval: 1d\ntime: dt\n*/ SELECT dt FROM source('events')"),
              HasSubstr("WHERE event_time >= @start"));
  EXPECT_THAT(
      refusal_of(
          "/*\ninterval: 1d\ntime: tim\n*/ SELECT dt AS time FROM source('events') WHERE event_time < @end"),
      HasSubstr("time: there is no column 'tim'; did you mean time?"));
  EXPECT_THAT(
      refusal_of(
          "/*\ninterval: 1d\ntime: t\n*/ SELECT updated_time AS t FROM source('items') WHERE updated_time < "
          "@end"),
      HasSubstr("reads nothing whose rows have a time"));
}

TEST_F(TransformsTest, LeavesStringsAndCommentsAlone) {
  views({kMonday});
  add("texts",
      "SELECT 'ref(''x'') @start; --' AS a, $$source('y')$$ AS b /* ref('z') @end */ -- ref('u');\nFROM "
      "SOURCE ( 'events' ) AS \"ref\"\n; -- the end");
  run();
  EXPECT_EQ(cell("SELECT a || b FROM analytics.texts"), "ref('x') @start; --source('y')");
}

TEST_F(TransformsTest, ReadsOtherTransformsByAnyNameDuckDbUnderstands) {
  views({kMonday});
  add("z_first", "SELECT count(*) AS n FROM source('events')");
  add("a_second", "WITH x AS (SELECT n FROM analytics.z_first) SELECT (SELECT max(n) FROM x) AS n");
  EXPECT_THAT(run(), ElementsAre("a_second done 0", "z_first done 0"));
  EXPECT_EQ(cell("SELECT n FROM analytics.a_second"), "1");
}

TEST_F(TransformsTest, AWithThatIsCalledLikeATableReadsIt) {
  views({kMonday, kMonday + 1});
  std::string text = kByDay;
  const std::string from = "FROM source('events')";
  text.replace(text.find(from), from.size(), "FROM events");
  text.insert(text.find("SELECT"), "WITH events AS (SELECT * FROM events WHERE page_path IS NULL)\n");
  add("by_day", text);
  EXPECT_THAT(run(), ElementsAre("by_day done 1"));
  views({kMonday + 2});
  EXPECT_THAT(run(), ElementsAre("by_day done 1")) << "new events touch their interval";
  EXPECT_THAT(rows("SELECT n FROM analytics.by_day"), ElementsAre("3"));
  add("by_day",
      "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3), m AS MATERIALIZED "
      "(SELECT "
      "max(i) AS i FROM n), events AS (SELECT event_time FROM source('events')) SELECT m.i, count(*) AS n "
      "FROM m, "
      "events GROUP BY ALL");
  EXPECT_THAT(run(), ElementsAre("by_day done 0"));
  EXPECT_THAT(rows("SELECT i, n FROM analytics.by_day"), ElementsAre("3|3"));
}

TEST_F(TransformsTest, SelectsByNameAndByWhatNeedsWhat) {
  add("a", "SELECT 1 AS i");
  add("b", "SELECT i FROM ref('a')");
  add("c", "SELECT i FROM ref('b')");
  add("d", "SELECT 2 AS i");
  EXPECT_THAT(run(), ElementsAre("a done 0", "b done 0", "c done 0", "d done 0"));
  EXPECT_THAT(run({.select = {"b"}}), ElementsAre("b done 0"));
  EXPECT_THAT(run({.select = {"+b"}}), ElementsAre("a done 0", "b done 0"));
  EXPECT_THAT(run({.select = {"b+"}}), ElementsAre("b done 0", "c done 0"));
  EXPECT_THAT(run({.select = {"+b+", "d"}}), ElementsAre("a done 0", "b done 0", "c done 0", "d done 0"));
  const auto wrong = try_run({.select = {"+e+"}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("there is no transform 'e'"));
}

TEST_F(TransformsTest, OnlyARunOfAllDropsTablesAndAMissingFolderIsNoEmptyOne) {
  add("a", "SELECT 1 AS i");
  add("b", "SELECT 2 AS i");
  run();
  files_.pop_back();
  EXPECT_THAT(run({.select = {"a"}}), ElementsAre("a done 0"));
  EXPECT_EQ(cell("SELECT i FROM analytics.b"), "2");
  Transforms without(
      *warehouse_, []() -> Result<std::optional<std::vector<TransformFile>>> { return std::nullopt; },
      Transforms::Options{});
  ASSERT_TRUE(without.run({}, {}, {}));
  EXPECT_EQ(cell("SELECT i FROM analytics.b"), "2");
  EXPECT_THAT(run(), ElementsAre("a done 0"));
  EXPECT_THAT(rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'analytics'"),
              ElementsAre("a"));
}

TEST_F(TransformsTest, AnOldVersionStaysAsAViewUntilItsEnd) {
  views({kMonday});
  env_.now_is = kMonday;
  std::string first = kByDay;
  first.insert(first.find("interval"), "version: 1\n");
  add("by_day", first);
  run();
  EXPECT_EQ(cell("SELECT n FROM analytics.by_day_v1"), "1");
  std::string second = kByDay;
  second.insert(second.find("interval"), "version: 2\nold_until: 2026-02-01\n");
  second.replace(second.find("count(*) AS n"), 13, "count(*) AS views");
  second.replace(second.find("n: how many"), 11, "views: how many");
  add("by_day", second);
  run();
  views({kMonday + 1});
  run();
  EXPECT_EQ(cell("SELECT n FROM analytics.by_day_v1"), "2");
  EXPECT_EQ(cell("SELECT views FROM analytics.by_day_v2"), "2");
  EXPECT_EQ(cell("SELECT views FROM analytics.by_day"), "2");
  env_.now_is = kMonday + 60 * kDayUs;
  run();
  EXPECT_THAT(rows("SELECT view_name FROM duckdb_views() WHERE schema_name = 'analytics'"),
              ElementsAre("by_day_v2"));
  files_.clear();
  run();
  EXPECT_THAT(rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'analytics'"),
              IsEmpty());
}

TEST_F(TransformsTest, AnOldVersionThatCannotBeReadAnyMoreDoesNotHoldUpTheNew) {
  env_.now_is = kMonday;
  add("base", "SELECT 1 AS i");
  add("made", "SELECT i FROM ref('base')");
  run();
  add("made", "/*\nversion: 2\nold_until: 2026-02-01\n*/ SELECT 2 AS i");
  std::erase_if(files_, [](const auto& file) { return file.path.stem() == "base"; });
  EXPECT_THAT(run(), ElementsAre("made done 0")) << errors_["made"];
  EXPECT_EQ(cell("SELECT i FROM analytics.made"), "2");
  EXPECT_THAT(rows("SELECT view_name FROM duckdb_views() WHERE schema_name = 'analytics'"),
              ElementsAre("made_v2"));
  EXPECT_THAT(run(), ElementsAre("made done 0"));
}

TEST_F(TransformsTest, IndependentOnesRunBesideEachOtherAndBesideTheLoader) {
  for (int i = 0; i < 20; ++i) views({kMonday + i * kHourUs});
  for (int i = 0; i < 6; ++i) {
    std::string text = kByDay;
    add("t" + std::to_string(i),
        text.replace(text.find("1d"), 2, "1h").replace(text.find("'day'"), 5, "'hour'"));
  }
  std::atomic<bool> done = false;
  std::thread loader([&] {  // writes and checkpoints as the loader does
    while (!done) {
      views({kMonday});
      const Status tidied = warehouse_->checkpoint_over(0);
      EXPECT_TRUE(tidied) << tidied.error().text();
    }
  });
  for (int i = 0; i < 3; ++i) {
    const auto outcomes = run({.full = true});
    EXPECT_EQ(outcomes.size(), 6u);
    for (const auto& outcome : outcomes) EXPECT_THAT(outcome, HasSubstr(" done 20"));
  }
  done = true;
  loader.join();
  run();
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(cell("SELECT sum(n) FROM analytics.t" + std::to_string(i)), std::to_string(next_));
}

TEST_F(TransformsTest, ARunIsNotDisturbedByWhoLooks) {
  for (int i = 0; i < 20; ++i) views({kMonday + i * kDayUs});
  std::string text = kByDay;
  text.insert(text.find("interval"), "batch: 1\n");
  for (int i = 0; i < 8; ++i) add("t" + std::to_string(i), text);
  Transforms& all = transforms();
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const auto states = all.list();
      EXPECT_TRUE(states) << states.error().text();
      EXPECT_TRUE(all.page());
    }
  });
  for (int i = 0; i < 3; ++i) {
    const auto result = all.run({.full = true}, {}, {});
    EXPECT_TRUE(result) << result.error().text();
    for (const auto& one : result->transforms) EXPECT_EQ(one.error, "");
  }
  done = true;
  reader.join();
}

TEST_F(TransformsTest, OneRunAtATimeAndItCanBeStopped) {
  views({kMonday});
  add("slow", "SELECT count(*) AS n FROM range(100000000) AS a, range(1000) AS b");
  Transforms& all = transforms();
  std::stop_source stop;
  std::atomic<bool> begun = false;
  std::thread first([&] {
    const auto result = all.run({}, [&](const auto&) { begun = true; }, stop.get_token());
    ASSERT_TRUE(result);
    EXPECT_THAT(result->transforms.front().error, HasSubstr("stopped"));
  });
  while (!begun) std::this_thread::yield();
  const auto second = all.run({}, {}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kOverloaded);
  stop.request_stop();
  first.join();
}

TEST_F(TransformsTest, PeopleReadItsTables) {
  add("a", "SELECT 1 AS i");
  run();
  auto service = QueryService::open(*warehouse_, {}).value();
  EXPECT_THAT(service->run("SELECT i FROM analytics.a").value(), HasSubstr("[[1]]"));
  EXPECT_THAT(service->run("SELECT i FROM analytics.aa").error().message, HasSubstr("no table analytics.aa"));
  const auto denied =
      service->run("SELECT i FROM analytics.a", {}, [](auto table) { return table != "analytics.a"; });
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Code::kDenied);
}

TEST_F(TransformsTest, TellsWhatSparkWouldReadOtherwise) {
  add("a",
      "SELECT dayofweek(dt) AS d,\n concat(type, source) AS c, row_number() OVER (ORDER BY dt NULLS FIRST) "
      "AS r\n FROM "
      "source('events')\nORDER BY d");
  const auto result = try_run();
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_THAT(result->notes,
              UnorderedElementsAre(HasSubstr("a.sql:1: dayofweek"), HasSubstr("a.sql:2: concat"),
                                   HasSubstr("NULLS FIRST or NULLS LAST")));
}

}  // namespace
}  // namespace millrace
