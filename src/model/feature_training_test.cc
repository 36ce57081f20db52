// What a training set gets of feature views, against a slow and obviously right computation.
#include <map>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lake/local_object_store.h"
#include "model/training_set_build.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class FeatureTrainingTest : public WarehouseTest {
 protected:
  FeatureTrainingTest() { lake_ = LocalObjectStore::open(env_, options().lake_dir).value(); }

  void view(const std::string& name, const std::string& text) {
    auto parsed = parse_feature_view("owner: t\ndescription: t\n" + text, "features/" + name + ".yaml");
    ASSERT_TRUE(parsed) << parsed.error().text();
    views_.push_back(*std::move(parsed));
  }
  std::string mistakes(const std::string& text) {
    const auto set = parse_training_set(text, "training_sets/s.yaml", views_);
    return set ? "" : set.error().text();
  }
  /// Build a set, and return a query over its files.
  std::string files(const std::string& text) {
    const auto set = parse_training_set(text, "training_sets/s.yaml", views_);
    EXPECT_TRUE(set) << set.error().text();
    if (!set) return "(SELECT 1)";
    TrainingSetBuilder builder(*warehouse_, *lake_, options().lake_dir / ".tmp" / "training");
    const auto made = builder.build(*set, [](std::string_view) {});
    EXPECT_TRUE(made) << made.error().text();
    if (!made) return "(SELECT 1)";
    version_ = made->version;
    return fmt::format("read_parquet('{}/{}/**/*.parquet')", options().lake_dir.string(), made->path);
  }
  /// Write page views: who and when, in seconds.
  void write_views(const std::vector<std::pair<std::string, int>>& views) {
    std::string values;
    for (const auto& [who, at] : views)
      values += fmt::format("{}('{}', make_timestamp({}::BIGINT * 1000000), '/p{}')",
                            values.empty() ? "" : ", ", who, at, at % 7);
    execute(
        "INSERT INTO events (dt, event_time, received_time, source, type, message_id, visitor, page_path, "
        "item_count, log_topic, "
        "log_partition, log_offset, event_index) SELECT CAST(t AS DATE), t, t, 'web', 'page_view', 'm' || "
        "row_number() OVER (), who, path, 0, "
        "'events', 0, row_number() OVER (), 0 FROM (VALUES " +
        values + ") v(who, t, path)");
  }

  std::vector<FeatureView> views_;
  std::unique_ptr<ObjectStore> lake_;
  std::string version_;
};

constexpr const char* kLabels = "labels:\n  from: SELECT * FROM labels\n  key: id\n  time: moment\n";

TEST_F(FeatureTrainingTest, WindowsOfTheFlowAtEachLabelAreThoseOfItsMoment) {
  view("pages",
       "entity: visitor\nflow: events\nfeatures:\n"
       "  n_1m: {value: count, window: 1m, description: d}\n  n_1h: {value: count, window: 1h, description: "
       "d}\n"
       "  pages_1h: {value: distinct(page_path), window: 1h, description: d}\n"
       "  last_1h: {value: last(page_path), window: 1h, description: d}\n");
  view("ever",
       "entity: visitor\nflow: events\nfeatures:\n  n: {value: count, description: d}\n"
       "  n_1d: {value: count, window: 1d, description: d}\n  first: {value: min(event_time), description: "
       "d}\n"
       "  pages: {value: distinct(page_path), where: {page_path: [/p1, /p2]}, description: d}\n");
  std::mt19937_64 random(3);
  const auto draw = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  std::vector<std::pair<std::string, int>> seen;
  for (int i = 0; i < 400; ++i) seen.emplace_back(fmt::format("v{}", draw(5)), 100'000 + draw(12'000));
  for (int i = 0; i < 60; ++i)
    seen.emplace_back(fmt::format("v{}", draw(5)), draw(100'000));  // the day before
  write_views(seen);
  std::string labels;
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    const std::string who = fmt::format("v{}", draw(7));
    const int at = 100'000 + draw(16'000);
    labels +=
        fmt::format("{}({}, '{}', make_timestamp({}::BIGINT * 1000000))", i == 0 ? "" : ", ", i, who, at);
    // The minute and the hour are the 60 slices that end with the moment's: of a second, of a minute.
    const int minute_from = at + 1 - 60;
    const int hour_from = at / 60 * 60 + 60 - 3600;
    const int day_from = at / 3600 * 3600 + 3600 - 86'400;
    int n_1m = 0, n_1h = 0, n_1d = 0, n = 0, first = at;
    std::map<int, int> pages;
    std::set<int> one_or_two;
    std::pair<int, int> last{-1, -1};
    for (const auto& [other, when] : seen) {
      if (other != who || when >= at) continue;
      ++n;
      n_1d += when >= day_from ? 1 : 0;
      first = std::min(first, when);
      if (when % 7 == 1 || when % 7 == 2) one_or_two.insert(when % 7);
      if (when < hour_from) continue;
      ++n_1h;
      n_1m += when >= minute_from ? 1 : 0;
      ++pages[when % 7];
      last = std::max(last, {when, when % 7});
    }
    const std::string hour = n_1h == 0 ? "NULL|NULL|NULL|NULL"
                                       : fmt::format("{}|{}|{}|/p{}", n_1m, n_1h, pages.size(), last.second);
    const std::string ever =
        n == 0 ? "NULL|NULL|NULL|NULL" : fmt::format("{}|{}|{}|{}", n, n_1d, first, one_or_two.size());
    expected.push_back(fmt::format("{}|{}|{}", i, hour, ever));
  }
  execute("CREATE TABLE labels AS SELECT * FROM (VALUES " + labels + ") t(id, visitor, moment)");
  EXPECT_EQ(
      rows("SELECT id, n_1m, n_1h, pages_1h, last_1h, n, n_1d, epoch_us(first) // 1000000, pages FROM " +
           files(std::string(kLabels) + "features: [pages, ever]\n") + " ORDER BY id"),
      expected);
}

TEST_F(FeatureTrainingTest, ASetNamesViewsTheirFeaturesAndItsOwnColumns) {
  view("pages",
       "entity: visitor\nflow: events\nfeatures:\n  n: {value: count, description: d}\n"
       "  last: {value: last(page_path), description: d}\n");
  view("homes",
       "entity: {customer: who}\nfrom: people\ntime: since\nmax_age: 1h\nfeatures:\n"
       "  city: {value: upper(town), type: VARCHAR, description: d}\n");
  write_views({{"anna", 1000}, {"anna", 2000}});
  execute("CREATE TABLE people AS SELECT 'anna' AS who, 'bern' AS town, make_timestamp(0) AS since");
  execute(
      "CREATE TABLE labels AS SELECT * FROM (VALUES (1, 'anna', make_timestamp(1500000000)), (2, 'anna', "
      "make_timestamp(5000000000)), (3, 'bert', make_timestamp(1500000000))) t(id, visitor, moment)");
  EXPECT_THAT(rows("SELECT id, n, city FROM " +
                   files(std::string(kLabels) + "features:\n"
                                                "  seen: {view: pages, columns: [n]}\n"
                                                "  home: {view: homes, on: {visitor: customer}}\n") +
                   " ORDER BY id"),
              ElementsAre("1|1|BERN", "2|2|NULL", "3|NULL|NULL"))
      << "the second label is more than an hour after the row of people";
  EXPECT_THAT(rows("SELECT * EXCLUDE (v) FROM " + files(std::string(kLabels) + "features: ['pages:n']\n") +
                   " ORDER BY id LIMIT 1"),
              ElementsAre("1|anna|1970-01-01 00:25:00|1"));
  const std::string before = version_;
  views_[0].text += "# changed\n";
  files(std::string(kLabels) + "features: ['pages:n']\n");
  EXPECT_NE(version_, before) << "the definition of a view is part of the version";
}

TEST_F(FeatureTrainingTest, MistakesInNamesAreToldWithTheNearest) {
  view("pages", "entity: visitor\nflow: events\nfeatures:\n  n: {value: count, description: d}\n");
  EXPECT_THAT(mistakes(std::string(kLabels) + "features:\n  - page\n  - 'pages:m'\n"),
              AllOf(HasSubstr("s.yaml:6: the project has no features/page.yaml; did you mean pages?"),
                    HasSubstr("s.yaml:7: pages has no feature m")));
  EXPECT_THAT(mistakes(std::string(kLabels) + "features:\n  a: {view: pages, on: {id: who}}\n"),
              HasSubstr("s.yaml:6: on: pages has no entity who"));
  EXPECT_THAT(mistakes("labels: {from: SELECT 1, key: a}\nfeatures: [pages]\n"),
              HasSubstr("labels have none to compare"));
}

}  // namespace
}  // namespace millrace
