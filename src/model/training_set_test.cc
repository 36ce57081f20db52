#include "model/training_set.h"

#include <map>
#include <random>
#include <tuple>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "lake/local_object_store.h"
#include "model/training_set_build.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TrainingSetTest : public WarehouseTest {
 protected:
  TrainingSetTest() { lake_ = LocalObjectStore::open(env_, options().lake_dir).value(); }

  static TrainingSet parse(const std::string& text) {
    auto set = parse_training_set(text, "training_sets/ratings.yaml");
    EXPECT_TRUE(set) << set.error().text();
    return set ? *set : TrainingSet{};
  }
  static std::string mistakes(const std::string& text) {
    const auto set = parse_training_set(text, "training_sets/ratings.yaml");
    return set ? "" : set.error().text();
  }
  Result<TrainingSetResult> build(const std::string& text) {
    TrainingSetBuilder builder(*warehouse_, *lake_, options().lake_dir / ".tmp" / "training");
    return builder.build(parse(text), [](std::string_view) {});
  }
  /// Build, and return a query over the files that were made.
  std::string files(const std::string& text) {
    const auto made = build(text);
    EXPECT_TRUE(made) << made.error().text();
    if (!made) return "(SELECT 1)";
    return fmt::format("read_parquet('{}/{}/**/*.parquet')", options().lake_dir.string(), made->path);
  }
  std::vector<std::string> keys(const std::string& prefix) {
    std::vector<std::string> out;
    const auto objects = lake_->list(prefix).value();
    for (const auto& object : objects) out.push_back(object.key);
    return out;
  }

  /// The rows of the first test, as its oracle gives them.
  std::vector<std::string> rows_of(const std::string& from) {
    return rows("SELECT id, plain, late FROM " + from + " ORDER BY id");
  }

  std::unique_ptr<ObjectStore> lake_;
};

constexpr const char* kPurchases = "labels:\n  from: SELECT * FROM labels\n  key: id\n  time: moment\n";

/// A slow and obviously right computation, that shares nothing with the SQL.
struct Row {
  int key, time, known, value;
};
std::optional<int> oracle(const std::vector<Row>& rows, int key, int at, bool by_known) {
  const Row* best = nullptr;
  const auto rank = [&](const Row& row) { return std::tuple(row.time, by_known ? row.known : 0, row.value); };
  for (const Row& row : rows) {
    if (row.key != key || row.time >= at || (by_known && row.known > at)) continue;
    if (best == nullptr || rank(row) > rank(*best)) best = &row;
  }
  return best == nullptr ? std::nullopt : std::optional(best->value);
}

TEST_F(TrainingSetTest, EveryLabelGetsWhatWasKnownBeforeIt) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 40; ++round) {
    const auto draw = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
    std::vector<Row> rows;
    std::string values, labels;
    for (int i = 0; i < 120; ++i) {
      const Row row{draw(6), draw(40), 0, draw(1000)};
      rows.push_back({row.key, row.time, row.time + (draw(3) == 0 ? draw(30) : 0), row.value});
      values += fmt::format("{}({}, make_timestamp({}), make_timestamp({}), {})", i == 0 ? "" : ", ", row.key,
                            row.time, rows.back().known, row.value);
    }
    std::vector<std::pair<int, int>> wanted;
    for (int i = 0; i < 60; ++i) {
      wanted.emplace_back(draw(8), draw(45));
      labels += fmt::format("{}({}, {}, make_timestamp({}))", i == 0 ? "" : ", ", i, wanted.back().first,
                            wanted.back().second);
    }
    execute("CREATE OR REPLACE TABLE facts AS SELECT * FROM (VALUES " + values + ") t(who, since, known, v)");
    execute("CREATE OR REPLACE TABLE labels AS SELECT * FROM (VALUES " + labels + ") t(id, who, moment)");
    const std::string from =
        files(std::string(kPurchases) +
              "features:\n"
              "  plain: {from: facts, on: who, time: since, columns: {plain: v}}\n"
              "  late: {from: facts, on: {who: who}, time: since, known: known, columns: {late: v}}\n");
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto text = [](std::optional<int> value) { return value ? std::to_string(*value) : "NULL"; };
      const auto [who, at] = wanted[i];
      expected.push_back(
          fmt::format("{}|{}|{}", i, text(oracle(rows, who, at, false)), text(oracle(rows, who, at, true))));
    }
    ASSERT_EQ(rows_of(from), expected) << "round " << round;
  }
}

TEST_F(TrainingSetTest, OfRowsKnownBeforeTheyHoldTheOneKnownLastCounts) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-07-05' AS moment");
  execute(
      "CREATE TABLE prices AS SELECT * FROM (VALUES (1, 100, TIMESTAMP '2026-07-01', TIMESTAMP "
      "'2026-06-01'), (1, 90, TIMESTAMP '2026-07-01', TIMESTAMP '2026-06-10')) t(id, price, since, entered)");
  const std::string from =
      files(std::string(kPurchases) +
            "features:\n  p: {from: prices, on: id, time: since, known: entered, columns: [price]}\n");
  EXPECT_THAT(rows("SELECT price FROM " + from), ElementsAre("90"));
}

TEST_F(TrainingSetTest, ARowOfWhichNobodySaysWhenItWasKnownDoesNotCount) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-07-05' AS moment");
  execute(
      "CREATE TABLE prices AS SELECT * FROM (VALUES (1, 100, TIMESTAMP '2026-07-01', TIMESTAMP "
      "'2026-07-01'), (1, 90, TIMESTAMP '2026-07-02', NULL)) t(id, price, since, entered)");
  const std::string from =
      files(std::string(kPurchases) +
            "features:\n  p: {from: prices, on: id, time: since, known: entered, columns: [price]}\n");
  EXPECT_THAT(rows("SELECT price FROM " + from), ElementsAre("100"));
}

TEST_F(TrainingSetTest, OneRowForEachLabelAndTheRestIsCounted) {
  execute(
      "CREATE TABLE labels AS SELECT * FROM (VALUES (1, 5, TIMESTAMP '2026-01-01'), (1, 4, TIMESTAMP "
      "'2026-01-01'), "
      "(1, 3, TIMESTAMP '2026-01-02'), (NULL, 1, TIMESTAMP '2026-01-01'), (2, 1, NULL)) t(id, rating, "
      "moment)");
  const auto made = build(kPurchases);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->rows, 2u);
  EXPECT_EQ(made->repeats, 1u);
  EXPECT_EQ(made->incomplete, 2u);
  EXPECT_THAT(rows("SELECT id, rating FROM " + files(kPurchases) + " ORDER BY ALL"),
              ElementsAre("1|3", "1|4"));
}

TEST_F(TrainingSetTest, TheSameTablesGiveTheSameVersionAndVersionsStay) {
  execute(
      "CREATE TABLE labels AS SELECT i AS id, i % 7 AS v, make_timestamp(i * 1000000) AS moment FROM "
      "range(500) "
      "t(i)");
  const auto first = build(kPurchases);
  const auto again = build(kPurchases);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->version, again->version);
  execute("UPDATE labels SET v = 100 WHERE id = 3");
  const auto changed = build(kPurchases);
  EXPECT_NE(changed->version, first->version);
  EXPECT_THAT(
      keys("training_sets/ratings/"),
      testing::UnorderedElementsAre("training_sets/ratings/_latest.json",
                                    "training_sets/ratings/v=" + first->version + "/_manifest.json",
                                    "training_sets/ratings/v=" + first->version + "/part-00000.parquet",
                                    "training_sets/ratings/v=" + changed->version + "/_manifest.json",
                                    "training_sets/ratings/v=" + changed->version + "/part-00000.parquet"));
  const auto manifest = nlohmann::json::parse(training_set_manifest(*lake_, parse(kPurchases)).value());
  EXPECT_EQ(manifest["version"], changed->version);
  EXPECT_EQ(manifest["rows"], 500);
  EXPECT_EQ(manifest["columns"][1]["name"], "v");
}

TEST_F(TrainingSetTest, PartitionsLieOnThePathThatWasAskedForAndLeaveNothingStale) {
  execute(
      "CREATE TABLE labels AS SELECT i AS id, i % 3 AS customer, TIMESTAMP '2026-01-01' AS moment FROM "
      "range(9) "
      "t(i)");
  const std::string text = std::string(kPurchases) + "partitions: [customer]\npath: ratings_ml_training\n";
  ASSERT_TRUE(build(text));
  EXPECT_THAT(keys("ratings_ml_training/"), ElementsAre("ratings_ml_training/_manifest.json",
                                                        "ratings_ml_training/customer=0/part-0.parquet",
                                                        "ratings_ml_training/customer=1/part-0.parquet",
                                                        "ratings_ml_training/customer=2/part-0.parquet"));
  execute("DELETE FROM labels WHERE customer = 1");
  EXPECT_EQ(cell("SELECT count(*) || ' ' || max(customer) FROM " + files(text)), "6 2");
  EXPECT_THAT(keys("ratings_ml_training/customer=1"), IsEmpty());
  execute("UPDATE labels SET moment = moment");  // nothing that matters
  execute("CREATE OR REPLACE TABLE labels AS SELECT id, 'a b/c' AS customer, moment FROM labels");
  EXPECT_THAT(build(text).error().text(), HasSubstr("become folders may hold letters"));
}

TEST_F(TrainingSetTest, AVersionThatIsThereIsNotTouchedAndAnIncompleteOneIsMade) {
  execute("CREATE TABLE labels AS SELECT i AS id, make_timestamp(i) AS moment FROM range(9) t(i)");
  const auto first = build(kPurchases);
  ASSERT_TRUE(first);
  const Path part = options().lake_dir / first->path / "part-00000.parquet";
  const auto written = std::filesystem::last_write_time(part);
  env_.now_is = 1;
  const auto again = build(kPurchases);
  ASSERT_TRUE(again);
  EXPECT_EQ(std::filesystem::last_write_time(part), written);
  EXPECT_EQ(again->manifest, first->manifest);
  EXPECT_EQ(again->files, 1u);
  ASSERT_TRUE(lake_->remove(first->path + "/part-00000.parquet"));
  ASSERT_TRUE(build(kPurchases));
  EXPECT_TRUE(std::filesystem::exists(part));
}

TEST_F(TrainingSetTest, ABuildThatFailsLeavesTheSetThatWasThere) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, 'Rome' AS city, TIMESTAMP '2026-01-01' AS moment");
  const std::string text = std::string(kPurchases) + "partitions: [city]\npath: cities\n";
  ASSERT_TRUE(build(text));
  const auto before = keys("cities/");
  execute("UPDATE labels SET city = 'São Paulo'");
  EXPECT_FALSE(build(text));
  EXPECT_EQ(keys("cities/"), before);
  // Cut off between the manifest's going and its coming.
  ASSERT_TRUE(lake_->put("cities/_under_way.json", R"({"files":["city=Rome/part-0.parquet"]})"));
  ASSERT_TRUE(lake_->remove("cities/_manifest.json"));
  execute("UPDATE labels SET city = 'Oslo'");
  ASSERT_TRUE(build(text));
  EXPECT_THAT(keys("cities/"), ElementsAre("cities/_manifest.json", "cities/city=Oslo/part-0.parquet"));
}

TEST_F(TrainingSetTest, FilesOfOthersInItsPathAreNeverRemoved) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS moment");
  const std::string text = std::string(kPurchases) + "path: exports\n";
  ASSERT_TRUE(lake_->put("exports/mine.parquet", "x"));
  const auto refused = build(text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kExists);
  EXPECT_THAT(refused.error().text(), HasSubstr("exports"));
  EXPECT_THAT(keys("exports/"), ElementsAre("exports/mine.parquet"));
  ASSERT_TRUE(lake_->remove("exports/mine.parquet"));
  ASSERT_TRUE(build(text));
  ASSERT_TRUE(lake_->put("exports/notes.txt", "x"));
  ASSERT_TRUE(build(text));
  EXPECT_THAT(keys("exports/"),
              ElementsAre("exports/_manifest.json", "exports/notes.txt", "exports/part-00000.parquet"));
}

TEST_F(TrainingSetTest, SplitsByTimeOrKeepsAllOfOneOnOneSide) {
  execute(
      "CREATE TABLE labels AS SELECT i AS id, i % 50 AS who, make_timestamp(i * 1000000) AS moment FROM "
      "range(1000) t(i)");
  const std::string by_time = files(std::string(kPurchases) + "split: {test: 0.2}\n");
  EXPECT_EQ(cell("SELECT count(*) FROM " + by_time + " WHERE split = 'test'"), "200");
  EXPECT_EQ(cell("SELECT max(moment) FILTER (split = 'train') < min(moment) FILTER (split = 'test') FROM " +
                 by_time),
            "true");
  const std::string by_who = files(std::string(kPurchases) + "split: {test: 0.3, by: who, seed: a}\n");
  EXPECT_EQ(cell("SELECT max(n) FROM (SELECT count(DISTINCT split) AS n FROM " + by_who + " GROUP BY who)"),
            "1");
  EXPECT_EQ(cell("SELECT count(DISTINCT split) FROM " + by_who), "2");
  const std::string other = files(std::string(kPurchases) + "split: {test: 0.3, by: who, seed: b}\n");
  EXPECT_NE(rows("SELECT DISTINCT who FROM " + by_who + " WHERE split = 'test' ORDER BY ALL"),
            rows("SELECT DISTINCT who FROM " + other + " WHERE split = 'test' ORDER BY ALL"));
}

TEST_F(TrainingSetTest, MistakesAreToldWithTheirLinesAllAtOnce) {
  EXPECT_THAT(mistakes("labels:\n  from: SELECT 1\nfeatures:\n  f: {from: t, on: a, known: k, colums: "
                       "[x]}\nsplit: {test: 2}\n"
                       "path: raw/x\n"),
              AllOf(HasSubstr("ratings.yaml:2: give key"), HasSubstr("ratings.yaml:4: known needs time"),
                    HasSubstr("did you mean 'columns'"), HasSubstr("ratings.yaml:5"),
                    HasSubstr("ratings.yaml:6: takes folders")));
  EXPECT_THAT(
      mistakes("labels: {from: SELECT 1, key: a}\nfeatures:\n  f: {from: t, on: a, time: x, columns: [y]}\n"),
      HasSubstr("labels have none to compare"));
}

TEST_F(TrainingSetTest, NoTwoColumnsAreCalledAlike) {
  execute("CREATE TABLE people AS SELECT 1 AS id, 5 AS views, 6 AS n");
  const std::string feature = "features:\n  p: {from: people, on: id, columns: [views]}\n";
  const auto with = [&](const std::string& column, const std::string& more) {
    execute("CREATE OR REPLACE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS moment, 7 AS " +
            column);
    const auto made = build(kPurchases + more);
    return made ? "fine" : made.error().text();
  };
  EXPECT_THAT(with("\"Views\"", feature), HasSubstr("features.p.views"));
  EXPECT_THAT(with("_row", feature), HasSubstr("cannot be called _row"));
  EXPECT_THAT(with("\"Split\"", "split: {test: 0.5}\n"), HasSubstr("nor split"));
  EXPECT_EQ(with("split", feature), "fine");
  EXPECT_THAT(mistakes(std::string(kPurchases) + "features:\n  p: {from: people, on: id, columns: [views]}\n"
                                                 "  q: {from: people, on: id, columns: {Views: n, _t: n}}\n"),
              AllOf(HasSubstr("another feature has a column Views"), HasSubstr("cannot be called _t")));
}

TEST_F(TrainingSetTest, ItsSqlIsOneSelectOverTablesThatGivesTheSameEachTime) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS moment");
  execute("CREATE SCHEMA shop");
  execute("CREATE TABLE shop.people AS SELECT 1 AS id, 5 AS n");
  const auto from = [&](const std::string& sql) {
    const auto made = build("labels:\n  from: |\n    " + sql + "\n  key: id\n");
    return made ? "fine" : made.error().text();
  };
  EXPECT_EQ(from("SELECT p.id FROM shop.people p JOIN labels USING (id)"), "fine");
  EXPECT_THAT(from("SELECT 1 AS id) ; COMMIT; DROP TABLE events; SELECT * FROM (SELECT 1 AS id"),
              AllOf(HasSubstr("labels.from"), testing::ContainsRegex("only SELECT|exactly one")));
  EXPECT_THAT(from("SELECT 1 AS id FROM read_parquet('raw/x.parquet')"), HasSubstr("read_parquet() is not"));
  EXPECT_THAT(from("SELECT 1 AS id FROM 'raw/x.parquet'"), HasSubstr("there is no table"));
  EXPECT_THAT(from("SELECT 1 AS id, now() AS n"), HasSubstr("now() gives something else each time"));
  EXPECT_THAT(from("SELECT 1 AS id, current_date AS n"), HasSubstr("current_date gives something else"));
  EXPECT_THAT(from("SELECT * FROM labels USING SAMPLE 50%"), HasSubstr("a sample gives something else"));
  EXPECT_THAT(from("SELECT * FROM labels TABLESAMPLE 50%"), HasSubstr("a sample gives something else"));
  const auto feature = [&](const std::string& text) {
    const auto made = build(std::string(kPurchases) + "features:\n  p: {on: id, " + text + "}\n");
    return made ? "fine" : made.error().text();
  };
  EXPECT_EQ(feature("from: shop.people, columns: {m: n + 1}"), "fine");
  EXPECT_THAT(feature("from: 'shop.people;DROP/**/TABLE/**/events', columns: [n]"), HasSubstr("feature p"));
  EXPECT_THAT(feature("from: shop.people, columns: {m: random()}"), HasSubstr("random() gives something"));
  EXPECT_THAT(feature("from: shop.people, columns: {m: '1) AS m FROM labels; DROP TABLE events; SELECT (1'}"),
              HasSubstr("feature p"));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "0");
}

TEST_F(TrainingSetTest, WhatCannotBeMadeNamesWhatIsToBlame) {
  execute("CREATE TABLE labels AS SELECT 1 AS id, TIMESTAMP '2026-01-01' AS moment, 'x' AS city");
  execute("CREATE TABLE people AS SELECT * FROM (VALUES (1, 'Rome'), (1, 'Oslo')) t(id, city)");
  const auto with = [&](const char* feature) {
    return build(std::string(kPurchases) + feature).error().text();
  };
  EXPECT_THAT(with("features:\n  p: {from: people, on: id, columns: {town: city}}\n"),
              AllOf(HasSubstr("feature p"), HasSubstr("1 keys have several rows")));
  EXPECT_THAT(with("features:\n  p: {from: people, on: id, columns: [city]}\n"),
              HasSubstr("features.p.city"));
  EXPECT_THAT(with("features:\n  p: {from: peeple, on: id, columns: {town: city}}\n"),
              AllOf(HasSubstr("feature p"), HasSubstr("peeple")));
  EXPECT_EQ(keys("training_sets/"), std::vector<std::string>()) << "nothing was published";
}

}  // namespace
}  // namespace millrace
