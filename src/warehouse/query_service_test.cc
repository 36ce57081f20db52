#include "warehouse/query_service.h"

#include <array>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr const char* kEndless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b";

constexpr const char* kEveryType =
    R"json([9007199254740992, "9007199254740993", "-9007199254740993", "12.5000", "-0.05",
      "170141183460469231731687303715884105727", 1.5, null, "2025-07-08T09:00:00.250000Z", "2025-07-08",
      "01:02:03.000000", "a\"b", "AP8=", null, [1, null], {"x": 1, "y": ["z"]}, [{"key": "k", "value": 1}],
      "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "P1M2DT3.000000S", "infinity", true, [1, 2], "18446744073709551615", "b",
      "2025-07-08T07:00:00Z"])json";

class QueryServiceTest : public WarehouseTest {
 protected:
  void SetUp() override {
    auto opened = QueryService::open(*warehouse_, {});
    ASSERT_TRUE(opened) << opened.error().text();
    service_ = *std::move(opened);
  }
  void TearDown() override { service_.reset(); }

  Json run(const std::string& query, const QueryLimits& limits = {}) {
    auto answer = service_->run(query, limits);
    EXPECT_TRUE(answer) << query << ": " << answer.error().text();
    return answer ? Json::parse(*answer) : Json();
  }
  Code refusal(const std::string& query) {
    const auto answer = service_->run(query);
    EXPECT_FALSE(answer) << query << " gave " << *answer;
    return answer ? Code::kInternal : answer.error().code;
  }

  std::unique_ptr<QueryService> service_;
};

TEST_F(QueryServiceTest, AllowsWhatOnlyReads) {
  for (const auto* query :
       {"SELECT 1",
        "select count(*) from events",
        "FROM events",
        "TABLE events",
        "VALUES (1, 'a')",
        "WITH recent AS (SELECT * FROM events) SELECT count(*) FROM recent",
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 3) FROM r",
        "SELECT * FROM main.events e JOIN visits v USING (visit_id) WHERE EXISTS (SELECT 1 FROM items)",
        "SELECT (SELECT max(price) FROM items), 'insert into events' -- delete from events",
        "SHOW TABLES",
        "DESCRIBE events",
        "DESCRIBE SELECT 1",
        "SUMMARIZE items",
        "EXPLAIN SELECT * FROM events",
        "  explain analyze\nselect count(*) from events",
        "SELECT * FROM information_schema.columns",
        "SELECT * FROM generate_series(1, 3)",
        "SELECT unnest([1, 2])",
        "SELECT * FROM item_interactions;",
        "SELECT * FROM events WHERE user_id IN (SELECT user_id FROM users) ORDER BY event_time LIMIT 1",
        "SELECT sum(amount) OVER (PARTITION BY currency) FROM order_lines",
        "SELECT 1 UNION ALL SELECT 2",
        "SELECT next_offset FROM _offsets",
        "SELECT \"type\", count(*) FROM \"events\" GROUP BY ALL"}) {
    const auto answer = service_->run(query);
    EXPECT_TRUE(answer) << query << ": " << answer.error().text();
  }
}

TEST_F(QueryServiceTest, TheLeastIntegerIsAStringLikeOthersBeyondDoubles) {
  EXPECT_THAT(*service_->run("SELECT (-9223372036854775808)::BIGINT"),
              HasSubstr("[\"-9223372036854775808\"]"));
}

TEST_F(QueryServiceTest, TablesOfSourcesAreReadByTheirSchemaAndOnlyThose) {
  execute(
      "CREATE SCHEMA shop; CREATE TABLE shop.\"Orders\" (id INTEGER); CREATE TABLE shop._staging_orders (id "
      "INTEGER);"
      "CREATE TABLE shop._rejected (id INTEGER); CREATE SCHEMA _sources; CREATE TABLE _sources.tables (id "
      "INTEGER)");
  for (const char* query : {"FROM shop.orders", "SELECT * FROM Shop.ORDERS", "FROM shop._rejected",
                            "FROM shop.orders JOIN events ON true"})
    EXPECT_TRUE(service_->run(query)) << query;
  for (const char* query :
       {"FROM orders", "FROM shop._staging_orders", "FROM _sources.tables", "FROM shop.events",
        "FROM main.orders", "FROM warehouse.shop.orders", "FROM shop.order"})
    EXPECT_FALSE(service_->run(query)) << query;
  EXPECT_THAT(service_->run("FROM shop.oders").error().message, HasSubstr("did you mean shop.orders"));
  const auto only_events = [](std::string_view table) { return table == "events"; };
  EXPECT_EQ(service_->run("FROM shop.orders", {}, only_events).error().code, Code::kDenied);
  EXPECT_TRUE(service_->run("FROM shop.orders", {}, [](auto table) { return table == "shop.orders"; }));
}

TEST_F(QueryServiceTest, RefusesEverythingElse) {
  std::filesystem::create_directories(dir_ / "lake");
  const auto lake_file = (dir_ / "lake" / "x.csv").string();
  ASSERT_TRUE(write_file_atomically(env_, lake_file, "a,b\n1,2\n"));
  const auto outside = (dir_ / "out.csv").string();
  const std::vector<std::string> hostile = {
      "INSERT INTO events SELECT * FROM events",
      "UPDATE items SET name = 'x'",
      "DELETE FROM events",
      "DROP TABLE events",
      "CREATE TABLE t (a INTEGER)",
      "CREATE TEMP TABLE t (a INTEGER)",
      "CREATE VIEW v AS SELECT 1",
      "CREATE MACRO m() AS 1",
      "ALTER TABLE events ADD COLUMN x INTEGER",
      "TRUNCATE events",
      "COPY events TO '" + outside + "'",
      "COPY (SELECT 1) TO '" + outside + "'",
      "COPY events FROM '" + lake_file + "'",
      "EXPORT DATABASE '" + dir_.string() + "'",
      "ATTACH '" + outside + "'",
      "DETACH warehouse",
      "USE main",
      "INSTALL httpfs",
      "LOAD httpfs",
      "SET memory_limit = '100GB'",
      "RESET threads",
      "PRAGMA database_list",
      "PRAGMA table_info('events')",
      "CALL pragma_version()",
      "CHECKPOINT",
      "FORCE CHECKPOINT",
      "VACUUM",
      "ANALYZE",
      "BEGIN",
      "COMMIT",
      "ROLLBACK",
      "PREPARE p AS SELECT 1",
      "EXECUTE p",
      "DEALLOCATE p",
      "SET VARIABLE x = 1",
      "SELECT 1; SELECT 2",
      "SELECT 1; DROP TABLE events",
      "",
      "   ",
      ";",
      "-- nothing",
      "SELEC 1",
      "SELECT $1",
      "SELECT ?",
      "EXPLAIN ANALYZE DELETE FROM events",
      "EXPLAIN DROP TABLE events",
      "EXPLAIN EXPLAIN SELECT 1",
      "SELECT * FROM read_csv('" + lake_file + "')",
      "SELECT * FROM '" + lake_file + "'",
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM read_blob('/etc/passwd')",
      "SELECT * FROM read_parquet('x.parquet')",
      "SELECT * FROM read_json('x.json')",
      "SELECT * FROM glob('*')",
      "SELECT * FROM parquet_metadata('x')",
      "SELECT * FROM sniff_csv('" + lake_file + "')",
      "SELECT (SELECT max(content) FROM read_text('/etc/passwd'))",
      "SELECT * FROM events WHERE user_id IN (SELECT content FROM read_text('/etc/passwd'))",
      "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT 1",
      "SELECT * FROM duckdb_settings()",
      "SELECT * FROM duckdb_databases, (WITH duckdb_databases AS (SELECT 1) SELECT 1) AS x",
      "SELECT * FROM '" + lake_file + "', (WITH \"" + lake_file + "\" AS (SELECT 1) SELECT 1) AS x",
      "SELECT * FROM duckdb_secrets()",
      "FROM duckdb_tables",
      "FROM sqlite_master",
      "FROM pg_catalog.pg_settings",
      "SELECT current_setting('temp_directory')",
      "SELECT getenv('HOME')",
      "SELECT nextval('s')",
      "SELECT * FROM query('DROP TABLE events')",
      "SELECT * FROM query_table('events')",
      "SELECT * FROM json_execute_serialized_sql('{}')",
      "FROM nosuchtable",
      "FROM temp.events",
      "FROM other.main.events",
      "WITH events AS (SELECT 1) SELECT * FROM events",
      "SHOW DATABASES",
      "SELECT * FROM pragma_version()",
      "SELECT '1010'::BIT",
      std::string("SELECT 1\0; DROP TABLE events", 28),
      "SELECT '\xFF\xFE'",
      "PIVOT events ON type",
      std::string(200'000, ' ') + "SELECT 1"};
  for (const auto& query : hostile) {
    const auto code = refusal(query);
    EXPECT_TRUE(code == Code::kDenied || code == Code::kInvalid) << query << ": " << code_name(code);
  }
  EXPECT_GE(hostile.size(), 40u);
  EXPECT_FALSE(std::filesystem::exists(outside));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "0");
  EXPECT_EQ(run("SELECT 1 AS fine")["rows"], Json::parse("[[1]]"));
}

TEST_F(QueryServiceTest, SaysWhatIsWrong) {
  EXPECT_THAT(service_->run("SELECT * FROM event").error().message, HasSubstr("did you mean events"));
  EXPECT_THAT(service_->run("DELETE FROM events").error().message, HasSubstr("read-only"));
  EXPECT_THAT(service_->run("SELECT nocolumn FROM events").error().message, HasSubstr("nocolumn"));
  EXPECT_THAT(service_->run("SELECT '1'::BIT").error().message, HasSubstr("CAST"));
}

TEST_F(QueryServiceTest, AsksWhetherTheCallerMayRead) {
  const auto only_items = [](std::string_view table) { return table == "items"; };
  EXPECT_TRUE(service_->run("SELECT * FROM items", {}, only_items));
  for (const auto* query :
       {"SELECT * FROM events", "SELECT (SELECT count(*) FROM users)", "SELECT * FROM visits",
        "DESCRIBE events", "WITH a AS (SELECT * FROM events) FROM a", "EXPLAIN SELECT * FROM EVENTS",
        "SELECT * FROM items WHERE item_id IN (SELECT item_id FROM \"order_lines\")"}) {
    const auto answer = service_->run(query, {}, only_items);
    ASSERT_FALSE(answer) << query;
    EXPECT_EQ(answer.error().code, Code::kDenied) << query;
  }
}

TEST_F(QueryServiceTest, WritesEveryTypeAsJson) {
  const auto answer = run(
      "SELECT 9007199254740992 AS a, 9007199254740993 AS b, -9007199254740993 AS c, 12.50::DECIMAL(18,4) AS "
      "d, "
      "-0.05::DECIMAL(4,2) AS e, 170141183460469231731687303715884105727::HUGEINT AS f, 1.5::DOUBLE AS g, "
      "'nan'::DOUBLE AS h, TIMESTAMP '2025-07-08 09:00:00.25' AS i, DATE '2025-07-08' AS j, TIME '01:02:03' "
      "AS k, "
      "'a\"b'::VARCHAR AS l, '\\x00\\xFF'::BLOB AS m, NULL AS n, [1, NULL] AS o, {'x': 1, 'y': ['z']} AS p, "
      "MAP {'k': 1} AS q, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID AS r, INTERVAL '1 month 2 days 3 "
      "seconds' AS s, "
      "'infinity'::TIMESTAMP AS t, true AS u, [1, 2]::INTEGER[2] AS v, 18446744073709551615::UBIGINT AS w, "
      "'b'::ENUM('a', 'b') AS x, TIMESTAMPTZ '2025-07-08 09:00:00+02' AS y");
  EXPECT_EQ(answer["rows"][0], Json::parse(kEveryType));
  EXPECT_EQ(answer["columns"][3], (Json{{"name", "d"}, {"type", "DECIMAL(18,4)"}}));
  EXPECT_EQ(answer["columns"][15]["type"], "STRUCT(x INTEGER, y VARCHAR[])");
  EXPECT_EQ(answer["columns"][16]["type"], "MAP(VARCHAR, INTEGER)");
  EXPECT_EQ(answer["truncated"], false);
}

TEST_F(QueryServiceTest, CutsAtTheLimitsAndSaysSo) {
  const auto five = run("SELECT * FROM range(5)", {.rows_max = 5});
  EXPECT_EQ(five["rows"].size(), 5u);
  EXPECT_EQ(five["truncated"], false);
  const auto cut = run("SELECT * FROM range(1000000000)", {.rows_max = 5});
  EXPECT_EQ(cut["rows"], Json::parse("[[0],[1],[2],[3],[4]]"));
  EXPECT_EQ(cut["truncated"], true);
  const auto small = run("SELECT repeat('x', 1000) FROM range(100000)", {.bytes_max = 100'000});
  EXPECT_EQ(small["truncated"], true);
  EXPECT_NEAR(static_cast<double>(small["rows"].size()), 100, 3);
  EXPECT_EQ(run("SELECT 1 WHERE false")["rows"], Json::array());
}

TEST_F(QueryServiceTest, EndsAtTheDeadlineAndGoesOn) {
  const auto late = service_->run(kEndless, {.time_max = 100 * kMillisecondUs});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadline);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(service_->run("SELECT count(*) FROM events"));
}

TEST_F(QueryServiceTest, RunsTwoAtOnceAndNoMore) {
  const QueryLimits limits{.time_max = kSecondUs};
  std::array<Result<std::string>, 2> answers;
  {
    std::jthread one([&] { answers[0] = service_->run(kEndless, limits); });
    std::jthread two([&] { answers[1] = service_->run(kEndless, limits); });
    env_.sleep_for(300 * kMillisecondUs);
    const auto third = service_->run("SELECT 1");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, Code::kOverloaded);
  }
  for (const auto& answer : answers) EXPECT_EQ(answer.error().code, Code::kDeadline);
  EXPECT_TRUE(service_->run("SELECT 1"));
}

TEST_F(QueryServiceTest, StopEndsWhatRuns) {
  std::jthread stopper([&] {
    env_.sleep_for(100 * kMillisecondUs);
    service_->stop();
  });
  EXPECT_EQ(service_->run(kEndless).error().code, Code::kCancelled);
  EXPECT_EQ(service_->run("SELECT 1").error().code, Code::kCancelled);
}

TEST_F(QueryServiceTest, OutOfMemoryIsAnAnswerAndNotAnEnd) {
  const auto answer = service_->run("SELECT list(repeat(a.range::VARCHAR, 100)) FROM range(20000000) a");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kOverloaded) << answer.error().message;
  EXPECT_TRUE(service_->run("SELECT 1"));
}

}  // namespace
}  // namespace millrace
