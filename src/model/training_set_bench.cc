// The point-in-time join of a training set beside DuckDB's own ASOF join of the same rows, without repeats: 1
// M labels and 10 M rows of a feature; and features of the flow beside a plain join; with --tiny an instant.
// Prints one JSON object a line; both must find the same.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <stdlib.h>

#include "base/env.h"
#include "model/training_set_sql.h"
#include "warehouse/duck.h"
#include "warehouse/warehouse.h"

namespace millrace {
namespace {

struct Size {
  std::int64_t labels = 1'000'000;
  std::int64_t rows = 10'000'000;
  std::int64_t keys = 100'000;
  int times = 3;
};

void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "training_set_bench: {}\n", status.error().text());
  std::exit(1);
}

double seconds_of(duck::Connection& connection, const std::vector<std::string>& statements) {
  const auto begun = Env::system().steady_now();
  for (const std::string& sql : statements) must(connection.execute(sql));
  return static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

TrainingSet example() {
  TrainingSet set;
  set.labels = "SELECT * FROM labels";
  set.key = {"id"};
  set.time = "moment";
  set.features.push_back(
      {"f", "facts", {{"who", "\"who\""}}, "since", "", {{"a", "a"}, {"b", "b"}, {"c", "c"}}});
  return set;
}

constexpr const char* kView =
    "owner: b\ndescription: b\nentity: visitor\nflow: events\nfeatures:\n"
    "  n: {value: count, description: d}\n  last: {value: max(event_time), description: d}\n"
    "  n_7d: {value: count, window: 7d, description: d}\n";

/// The same as one join of labels with all rows before them: right, and slow where an entity has many.
constexpr const char* kPlain =
    "SELECT m._row, count(*) AS n, max(r.event_time) AS last, count(*) FILTER (epoch_us(r.event_time) >= "
    "m._at // 3600000000 * 3600000000 + 3600000000 - 7 * 86400000000) AS n_7d FROM moments m JOIN events r "
    "ON "
    "r.visitor = m._k AND epoch_us(r.event_time) < m._at GROUP BY m._row, m._at";

/// Features of the flow at each label's moment, beside the plain join: rows of 100 entities over 100 days.
int flow_figure(const Size& size, duck::Connection& connection) {
  const FeatureView view = parse_feature_view(kView, "features/pages.yaml").value();
  const std::int64_t rows = size.rows / 5, labels = size.labels / 20;
  must(connection.execute(fmt::format(
      "INSERT INTO events (dt, event_time, received_time, source, type, message_id, visitor, item_count, "
      "log_topic, "
      "log_partition, log_offset, event_index) SELECT CAST(t AS DATE), t, t, 'b', 'page_view', 'm' || i, 'v' "
      "|| "
      "hash(i) % 100, 0, 'events', 0, i, 0 FROM (SELECT i, make_timestamp(i * (8640000000000 // {0})) AS t "
      "FROM "
      "range({0}) r(i));"
      "CREATE TEMP TABLE moments AS SELECT i AS _row, 'v' || hash(i + 5) % 100 AS _k, CAST(hash(i + 11) % "
      "8640000000000 AS BIGINT) AS _at FROM range({1}) t(i)",
      rows, labels)));
  std::vector<double> ours, theirs;
  for (int i = 0; i < size.times; ++i) {
    theirs.push_back(
        seconds_of(connection, {fmt::format("CREATE OR REPLACE TEMP TABLE plain AS {}", kPlain)}));
    ours.push_back(seconds_of(
        connection, {fmt::format("CREATE OR REPLACE TEMP TABLE ours AS {}",
                                 flow_values_sql(view, "moments", "(" + flow_rows_sql(view, "true") + ")",
                                                 FlowAt::kBefore))}));
  }
  const auto differing = connection.scalar(
      "SELECT count(*) FROM ours o FULL JOIN plain p USING (_row) WHERE o.n IS DISTINCT FROM p.n OR o.last "
      "IS "
      "DISTINCT FROM p.last OR o.n_7d IS DISTINCT FROM p.n_7d");
  must(differing ? Status{} : fail(differing.error()));
  if (differing->value_or(1) != 0)
    must(fail(Code::kInternal, "the flow's features differ from the plain join"));
  fmt::print(
      R"({{"name":"features of the flow, {} labels x {} rows of 100 entities","value":{:.2f},"unit":"s",)"
      R"("yardstick":"one plain join","yardstick_value":{:.2f},"ratio":{:.3f}}})"
      "\n",
      labels, rows, median(ours), median(theirs), median(ours) / median(theirs));
  return 0;
}

int run_all(const Size& size, const Path& dir) {
  auto warehouse = Warehouse::open(
      Env::system(),
      {.path = dir / "w" / "warehouse.duckdb", .lake_dir = dir / "lake", .memory_bytes_max = 4ull << 30});
  must(warehouse ? Status{} : fail(warehouse.error()));
  auto connection = (*warehouse)->connect().value();
  // The key is drawn by a hash, so rows lie in no order; the time makes (key, time) occur once.
  must(connection.execute(fmt::format(
      "CREATE TABLE facts AS SELECT CAST(hash(i) % {1} AS BIGINT) AS who, make_timestamp(i * 1000) AS since, "
      "i % 97 AS a, "
      "CAST(i % 1000 AS DOUBLE) AS b, 'c' || i % 50 AS c FROM range({0}) t(i);"
      "CREATE TABLE labels AS SELECT i AS id, CAST(hash(i + 7) % {1} AS BIGINT) AS who, "
      "make_timestamp(CAST(hash(i + 11) % {0} AS BIGINT) * 1000 + 1) AS moment FROM range({2}) t(i)",
      size.rows, size.keys, size.labels)));
  const TrainingSet set = example();
  const TrainingSetSql sql(set);
  std::vector<double> ours, theirs;
  for (int i = 0; i < size.times; ++i) {
    theirs.push_back(seconds_of(
        connection, {"CREATE OR REPLACE TEMP TABLE bare AS SELECT l.*, f.a, f.b, f.c FROM labels l ASOF "
                     "LEFT JOIN facts f ON l.who = f.who AND l.moment > f.since"}));
    must(connection.execute(
        "DROP TABLE IF EXISTS ts_labels; DROP TABLE IF EXISTS ts_f0; DROP TABLE IF EXISTS ts_out;"
        "CREATE TEMP TABLE ts_labels AS SELECT row_number() OVER (ORDER BY id) AS _row, * FROM labels"));
    ours.push_back(
        seconds_of(connection, {sql.feature_rows(0), sql.matches(0), sql.joined(), sql.drop_rows(0)}));
  }
  const auto differing = connection.scalar(
      "SELECT count(*) FROM ts_out o FULL JOIN bare b USING (id) WHERE o.a IS DISTINCT FROM b.a OR o.b IS "
      "DISTINCT FROM "
      "b.b OR o.c IS DISTINCT FROM b.c");
  must(differing ? Status{} : fail(differing.error()));
  if (differing->value_or(1) != 0) must(fail(Code::kInternal, "the two joins differ"));
  fmt::print(
      R"({{"name":"training set, {} labels x {} rows of a feature","value":{:.2f},"unit":"s",)"
      R"("yardstick":"DuckDB ASOF, the same rows","yardstick_value":{:.2f},"ratio":{:.3f},"target":1.2,"pass":{}}})"
      "\n",
      size.labels, size.rows, median(ours), median(theirs), median(ours) / median(theirs),
      median(ours) <= 1.2 * median(theirs));
  return flow_figure(size, connection);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Size size;
  if (argc > 1 && std::strcmp(argv[1], "--tiny") == 0) size = {1'000, 10'000, 100, 1};
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-training-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return 1;
  const int code = millrace::run_all(size, pattern);
  std::error_code ignored;
  std::filesystem::remove_all(pattern, ignored);
  return code;
}
