// What transforms take beside the same SQL given to DuckDB alone, whole and by intervals, and the memory of
// one over data of five times the limit. With --tiny it takes an instant. Prints one JSON object a line;
// answers are checked.

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
#include "warehouse/duck.h"
#include "warehouse/transforms.h"
#include "warehouse/warehouse.h"

namespace millrace {
namespace {

struct Size {
  std::int64_t rows = 4'000'000;
  std::int64_t big_rows = 12'000'000;
  int days = 90;
  int times = 5;
};

constexpr const char* kWhole =
    "SELECT dt, country, category_top, count(*) AS n, count(DISTINCT visitor) AS people, CAST(sum(price) AS "
    "DECIMAL(18, "
    "4)) AS price FROM {0} GROUP BY dt, country, category_top";
constexpr const char* kRows =
    "SELECT dt, event_time, visitor, country, category_top, price, quantity, price * quantity AS amount FROM "
    "{0} WHERE "
    "event_time >= @start AND event_time < @end";
constexpr const char* kSorted =
    "SELECT visitor, event_time, message_id, row_number() OVER (PARTITION BY visitor ORDER BY event_time "
    "NULLS LAST, "
    "message_id NULLS LAST) AS n FROM source('events')";

void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "transform_bench: {}\n", status.error().text());
  std::exit(1);
}

class Bench {
 public:
  Bench(Path dir, std::uint64_t memory) : dir_(std::move(dir)) {
    auto opened = Warehouse::open(
        Env::system(),
        {.path = dir_ / "w" / "warehouse.duckdb", .lake_dir = dir_ / "lake", .memory_bytes_max = memory});
    must(opened ? Status{} : fail(opened.error()));
    warehouse_ = *std::move(opened);
  }

  void fill(std::int64_t rows, int days) {
    auto connection = warehouse_->connect().value();
    must(connection.execute(
        fmt::format("INSERT INTO events BY NAME SELECT CAST(t AS DATE) AS dt, t AS event_time, t AS "
                    "received_time, 'web' AS source, "
                    "'page_view' AS type, 'message-' || i AS message_id, 'v' || hash(i) % 100000 AS visitor, "
                    "1 AS item_count, 'C' || i % "
                    "50 AS country, 'T' || i % 20 AS category_top, CAST(i % 1000 AS DECIMAL(18,4)) AS price, "
                    "CAST(1 AS DECIMAL(18,4)) AS "
                    "quantity, 'events' AS log_topic, 0 AS log_partition, i AS log_offset, 0 AS event_index "
                    "FROM (SELECT range AS i, "
                    "TIMESTAMP '2026-01-01' + range * INTERVAL '{} microseconds' AS t FROM range({}))",
                    days * kDayUs / rows, rows)));
    must(connection.execute(fmt::format("INSERT INTO _offsets VALUES ('events', 0, {}); CHECKPOINT", rows)));
  }

  /// Run one transform; return its seconds.
  double run(const std::string& text, std::uint64_t rows_expected) {
    Transforms transforms(*warehouse_,
                          [&]() -> Result<std::optional<std::vector<TransformFile>>> {
                            return std::vector<TransformFile>{{"transforms/bench.sql", text}};
                          },
                          {});
    const auto begun = Env::system().steady_now();
    const auto result = transforms.run({.full = true}, {}, {});
    const auto seconds = static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
    must(result ? Status{} : fail(result.error()));
    const auto& one = result->transforms.front();
    if (!one.error.empty()) must(fail(Code::kInternal, one.error));
    if (one.rows != rows_expected) must(fail(Code::kInternal, fmt::format("{} rows", one.rows)));
    return seconds;
  }

  /// Run the same SQL alone into a table; return its seconds and how many rows it made.
  std::pair<double, std::uint64_t> bare(const std::string& sql) {
    auto connection = warehouse_->connect().value();
    const auto begun = Env::system().steady_now();
    must(connection.execute("CREATE OR REPLACE TABLE analytics.bare AS " + sql));
    const auto seconds = static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
    return {seconds, static_cast<std::uint64_t>(
                         connection.scalar("SELECT count(*) FROM analytics.bare").value().value_or(0))};
  }

 private:
  Path dir_;
  std::unique_ptr<Warehouse> warehouse_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// In turns, so that both meet the same disturbances.
void compare(Bench& bench, const char* name, const Size& size, const std::string& transform,
             const std::string& sql) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < size.times; ++i) {
    const auto [seconds, rows] = bench.bare(sql);
    theirs.push_back(seconds);
    ours.push_back(bench.run(transform, rows));
  }
  fmt::print(
      R"({{"name":"transform {}, {} rows","value":{:.3f},"unit":"s","yardstick":"DuckDB, the same SQL",)"
      R"("yardstick_value":{:.3f},"ratio":{:.3f},"target":1.1,"pass":{}}})"
      "\n",
      name, size.rows, median(ours), median(theirs), median(ours) / median(theirs),
      median(ours) <= 1.1 * median(theirs));
}

int run_all(const Size& size, const Path& dir) {
  {
    Bench bench(dir / "speed", 1ull << 30);
    bench.fill(size.rows, size.days);
    compare(bench, "whole", size, fmt::format(kWhole, "source('events')"),
            fmt::format(kWhole, "main.events"));
    std::string sql = fmt::format(kRows, "main.events");
    sql = sql.substr(0, sql.find(" WHERE"));
    compare(bench, "intervals", size,
            "/*\ninterval: 1d\ntime: event_time\n*/ " + fmt::format(kRows, "source('events')"), sql);
  }
  constexpr std::uint64_t kMemory = 128ull << 20;
  Bench bench(dir / "memory", kMemory);
  bench.fill(size.big_rows, size.days);
  const auto seconds = bench.run(kSorted, static_cast<std::uint64_t>(size.big_rows));
  // What the statement sorts: a time, two texts and their places, about 100 bytes a row.
  fmt::print(
      R"({{"name":"transform beyond memory, {} rows","sorted_mb":{},"limit_mb":{},"value":{:.1f},"unit":"s"}})"
      "\n",
      size.big_rows, size.big_rows * 100 >> 20, kMemory >> 20, seconds);
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Size size;
  if (argc > 1 && std::strcmp(argv[1], "--tiny") == 0) size = {20'000, 50'000, 5, 1};
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-transform-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return 1;
  const int code = millrace::run_all(size, pattern);
  std::error_code ignored;
  std::filesystem::remove_all(pattern, ignored);
  return code;
}
