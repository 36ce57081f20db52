// How fast closed hours become Parquet files in the lake, each sorted and put whole, against DuckDB's own
// COPY of the same rows to one file, neither sorted nor synced. Prints a line of JSON for each figure.
// `--tiny` only shows that it runs.
#include <cstdio>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>
#include <stdlib.h>
#include <time.h>

#include "lake/local_object_store.h"
#include "warehouse/curated_rows.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr TimeUs kStart = 1'752'000'000 * kSecondUs;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "curate_bench: {}\n", result.error().text());
  std::exit(1);
}
void must(Status status) {
  if (status) return;
  fmt::print(stderr, "curate_bench: {}\n", status.error().text());
  std::exit(1);
}

/// Processor time of all threads of this process, seconds.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Fill the table `events`: `hours` hours of about as many rows each, not sorted by time.
void fill(duck::Connection& connection, std::uint64_t rows, std::uint64_t hours) {
  must(connection.execute(fmt::format(
      "INSERT INTO events BY NAME SELECT CAST(t AS DATE) AS dt, t AS event_time, t AS received_time, 'web' "
      "AS source, "
      "'page_view' AS type, 'm' || i AS message_id, 'a' || (i % 50000) AS visitor, 'a' || (i % 50000) AS "
      "anonymous_id, hash(i % 50000) AS visit_id, '/p/' || (hash(i) % 2000) AS page_path, 0 AS item_count, "
      "'{{\"theme\":\"' || (hash(i) % 97) || '\"}}' AS properties, 'Firefox' AS browser, 'DE' AS country, "
      "'events' AS log_topic, 0 AS log_partition, i AS log_offset, 0 AS event_index "
      "FROM (SELECT i, make_timestamp(({} + hash(i) % ({} * 3600000000))::BIGINT) AS t FROM range({}) r(i)); "
      "CHECKPOINT",
      kStart, hours, rows)));
}

struct Took {
  double seconds;
  double processor;
};

template <class F>
Took measure(F&& run) {
  const auto begun = Env::system().steady_now();
  const double processor = processor_seconds();
  run();
  return {static_cast<double>(Env::system().steady_now() - begun) / kSecondUs,
          processor_seconds() - processor};
}

/// Write the hours of the table `events` as the job does; return how many files.
std::size_t curate(Warehouse& warehouse, const Path& lake, std::uint64_t rows) {
  auto store = must(LocalObjectStore::open(Env::system(), lake));
  auto curated = must(CuratedRows::open(warehouse, lake / ".tmp" / "curate.parquet"));
  CuratedCut cut;
  cut.log[{"events", PartitionId(0)}] = {Offset(0), Offset(rows)};
  cut.closed_before_from = kTimeMin;
  cut.closed_before = kStart + 100'000 * kHourUs;
  must(curated->begin(cut));
  const CuratedTable& table = curated_tables().front();
  const auto hours = must(curated->hours(table));
  std::size_t files = 0;
  const auto put = [&](CuratedFile file) -> Status {
    return store->put(fmt::format("curated/events/hour={}/{}.parquet", file.hour / kHourUs, files++),
                      file.bytes);
  };
  std::span<const CuratedHour> rest(hours);
  while (!rest.empty()) {
    std::size_t taken = 0;
    for (std::uint64_t sum = 0; taken < rest.size() && (taken == 0 || sum + rest[taken].rows <= 250'000);
         ++taken)
      sum += rest[taken].rows;
    must(curated->write(table, rest.first(taken), 1'000'000, put));
    rest = rest.subspan(taken);
  }
  return files;
}

void run(const Path& dir, std::uint64_t rows, std::uint64_t hours) {
  const Path lake = dir / "lake";
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  auto warehouse = must(Warehouse::open(
      Env::system(), {.path = dir / "warehouse" / "warehouse.duckdb", .lake_dir = lake, .threads = 1}));
  must(Env::system().make_dirs(lake));
  auto connection = must(warehouse->connect());
  fill(connection, rows, hours);
  const Took copy = measure([&] {
    must(connection.execute(
        fmt::format("COPY events TO '{}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
                    (lake / "all.parquet").string())));
  });
  std::size_t files = 0;
  const Took ours = measure([&] { files = curate(*warehouse, lake, rows); });
  const auto rate = [&](double seconds) { return static_cast<double>(rows) / seconds; };
  fmt::print(
      "{{\"bench\":\"curate\",\"rows\":{},\"hours\":{},\"files\":{},\"rows_per_s\":{:.0f},\"rows_per_core_"
      "s\":{:.0f},"
      "\"duckdb_copy_rows_per_s\":{:.0f},\"duckdb_copy_rows_per_core_s\":{:.0f},\"ratio_per_core\":{:.2f}}}"
      "\n",
      rows, hours, files, rate(ours.seconds), rate(ours.processor), rate(copy.seconds), rate(copy.processor),
      copy.processor / ours.processor);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const bool tiny = argc > 1 && std::string_view(argv[1]) == "--tiny";
  for (const std::uint64_t hours : {4u, 48u, 720u}) {
    std::string dir = (std::filesystem::temp_directory_path() / "millrace-curate-XXXXXX").string();
    if (::mkdtemp(dir.data()) == nullptr) return 1;
    millrace::run(dir, tiny ? 2'000 : 1'000'000, tiny ? 4 : hours);
    std::filesystem::remove_all(dir);
    if (tiny) break;
  }
}
