// How fast the load job fills the warehouse from the log, against DuckDB's own appender writing the same
// rows. Prints a line of JSON for each figure. `--tiny` only shows that it runs,
// `--aggregations` measures those alone.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>
#include <time.h>

#include "base/env.h"
#include "event/codec.h"
#include "event/json_writer.h"
#include "log/segment_log.h"
#include "stream/load_job.h"
#include "warehouse/aggregations.h"
#include "warehouse/dashboard_queries.h"
#include "warehouse/duck.h"
#include "warehouse/interactions.h"

namespace millrace {
namespace {

constexpr std::uint32_t kPartitions = 4;

constexpr TimeUs kStart = 1'752'000'000 * kSecondUs;

/// What is loaded: `events` of one kind, each with `items` items.
struct Workload {
  std::string_view name;
  std::size_t events;
  std::size_t items;
  EventType type;
  bool mixed = false;  ///< what a shop's visitors do in the course of a visit, in place of `type`
};

constexpr std::array kMix = {EventType::kPageView, EventType::kItemView, EventType::kPageView,
                             EventType::kItemView, EventType::kListView, EventType::kAddToCart,
                             EventType::kPageView, EventType::kPurchase};

/// What it took.
struct Taken {
  double seconds = 0;
  double processor_seconds = 0;
};

double seconds_since(DurationUs begun) {
  return static_cast<double>(Env::system().steady_now() - begun) / kSecondUs;
}

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "load_bench: {}\n", result.error().text());
  std::exit(1);
}
void must(Status status) {
  if (status) return;
  fmt::print(stderr, "load_bench: {}\n", status.error().text());
  std::exit(1);
}

/// Processor time of all threads of this process, seconds.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Resident memory of this process, MB.
double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      status >> word;
      return std::stod(word) / 1024;
    }
  }
  return 0;
}

/// Writes one event as a shop would send it: ids, a page, a device, a product.
class EventMaker {
 public:
  explicit EventMaker(const Workload& workload) : workload_(workload) {}

  void write(std::size_t number, std::string& out) {
    Event event;
    event.type = workload_.mixed ? kMix[number % kMix.size()] : workload_.type;
    event.type_name = event_type_name(event.type);
    const auto message_id = fmt::format("0193a1b2-7c3d-7e4f-8a5b-{:012x}", number);
    const auto user = fmt::format("user-{}", random_() % 20'000);
    const auto session = fmt::format("session-{}", number / 8);
    const auto path = fmt::format("/products/{}", random_() % 500);
    event.message_id = message_id;
    event.user_id = event.anonymous_id = user;
    event.session_id = session;
    event.event_time = kStart + static_cast<TimeUs>(number) * 1000;
    event.page_path = path;
    event.device_type = "mobile";
    event.country = "Germany";
    fill_items();
    if (event.type != EventType::kPageView) event.items = items_;
    if (event.type == EventType::kPurchase) event.order = EventOrder{.order_id = session, .currency = "GBP"};
    append_native_event(event, out);
  }

 private:
  void fill_items() {
    ids_.clear();
    items_.clear();
    for (std::size_t i = 0; i < workload_.items; ++i)
      ids_.push_back(fmt::format("{}", 10'000 + random_() % 4000));
    for (const auto& id : ids_) {
      items_.push_back({.item_id = id,
                        .name = "WHITE HANGING HEART T-LIGHT HOLDER",
                        .category = "Home/Candles",
                        .price = Decimal::from_units(static_cast<std::int64_t>(random_() % 1'000'000)),
                        .quantity = Decimal::from_integer(static_cast<std::int64_t>(1 + random_() % 12)),
                        .currency = "GBP"});
    }
  }

  const Workload workload_;
  std::minstd_rand random_{42};
  std::vector<std::string> ids_;
  std::vector<EventItem> items_;
};

/// Append the workload to the log, spread over four partitions, as the collector does.
void fill_log(EventLog& log, const Workload& workload) {
  constexpr std::size_t kBatch = 500;
  EventMaker maker(workload);
  std::vector<std::future<void>> waiting;
  for (std::size_t first = 0; first < workload.events; first += kBatch) {
    std::vector<std::string> values(std::min(kBatch, workload.events - first));
    std::string envelope;
    encode_envelope({.codec = CodecId::kNative, .source = "bench", .received_time = kStart}, envelope);
    std::vector<NewRecord> records;
    for (std::size_t i = 0; i < values.size(); ++i) {
      maker.write(first + i, values[i]);
      records.push_back({.attributes = envelope, .value = values[i], .time = Env::system().now()});
    }
    auto done = std::make_shared<std::promise<void>>();
    waiting.push_back(done->get_future());
    const TopicPartition to{"events", PartitionId(static_cast<std::uint32_t>(first / kBatch % kPartitions))};
    log.append(to, std::move(records), [done](Result<Offset> result) {
      must(result.has_value() ? Status{} : fail(result.error()));
      done->set_value();
    });
    if (waiting.size() > 16) {
      for (auto& one : waiting) one.get();
      waiting.clear();
    }
  }
  for (auto& one : waiting) one.get();
}

/// Load everything.
Taken load(EventLog& log, Warehouse& warehouse) {
  EventFeed feed(log, {});
  auto job = LoadJob::make(log, feed, warehouse);
  const auto begun = Env::system().steady_now();
  const auto processor = processor_seconds();
  must(job->start());
  while (must(job->step()).more) {
  }
  const Taken taken{seconds_since(begun), processor_seconds() - processor};
  fmt::print(stderr, "loaded in {:.2f} s, of the processors {:.2f} s\n", taken.seconds,
             taken.processor_seconds);
  return taken;
}

/// The columns of a copied table, as they came.
struct Column {
  bool is_text = false;
  std::size_t width = 0;
  std::vector<std::string> texts;
  std::string bytes;
  std::vector<bool> valid;
};

std::size_t width_of(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
      return 1;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return 4;
    default:
      return 8;
  }
}

/// Read a table into plain memory, outside of what is measured.
std::vector<Column> read_table(duck::Connection& connection, const std::string& table) {
  auto rows = must(connection.stream("FROM " + table));
  std::vector<Column> columns(rows.column_count());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const auto type = duckdb_get_type_id(rows.column_type(c).get());
    columns[c].is_text = type == DUCKDB_TYPE_VARCHAR;
    columns[c].width = width_of(type);
  }
  while (must(rows.next_chunk())) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const auto* data =
          static_cast<const char*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(rows.chunk(), c)));
      for (std::size_t r = 0; r < rows.size(); ++r) {
        columns[c].valid.push_back(!rows.is_null(c, r));
        if (columns[c].is_text)
          columns[c].texts.emplace_back(rows.text(c, r));
        else
          columns[c].bytes.append(data + r * columns[c].width, columns[c].width);
      }
    }
  }
  return columns;
}

/// Write one cell the way DuckDB's manual shows it.
void append_cell(duckdb_appender appender, const Column& column, std::size_t row) {
  if (!column.valid[row]) {
    duckdb_append_null(appender);
  } else if (column.is_text) {
    duckdb_append_varchar_length(appender, column.texts[row].data(), column.texts[row].size());
  } else {
    std::int64_t value = 0;
    std::memcpy(&value, column.bytes.data() + row * column.width, column.width);
    if (column.width == 1)
      duckdb_append_bool(appender, value != 0);
    else if (column.width == 4)
      duckdb_append_int32(appender, static_cast<std::int32_t>(value));
    else
      duckdb_append_int64(appender, value);
  }
}

/// Append the same rows with DuckDB's row appender alone to a plain table of the same width in a fresh file,
/// 50,000 a transaction. DECIMAL, DATE and TIMESTAMP go as the integers they are stored as: no conversion
/// slows it.
double append_alone(const Path& dir, const std::vector<std::vector<Column>>& tables) {
  auto database = must(duck::Database::open((dir / "alone.duckdb").string(),
                                            {{"threads", "2"}, {"checkpoint_threshold", "64MB"}}));
  auto connection = must(database->connect());
  double seconds = 0;
  const auto processor = processor_seconds();
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const auto& columns = tables[t];
    std::vector<std::string> types;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      types.push_back(fmt::format("c{} {}", c,
                                  columns[c].is_text      ? "VARCHAR"
                                  : columns[c].width == 1 ? "BOOLEAN"
                                  : columns[c].width == 4 ? "INTEGER"
                                                          : "BIGINT"));
    }
    must(connection.execute(fmt::format("CREATE TABLE t{} ({})", t, fmt::join(types, ", "))));
    const auto begun = Env::system().steady_now();
    const auto rows = columns[0].valid.size();
    constexpr std::size_t kRows = 50'000;
    for (std::size_t first = 0; first < rows; first += kRows) {
      auto transaction = must(duck::Transaction::begin(connection));
      duckdb_appender appender = nullptr;
      duckdb_appender_create(connection.handle(), nullptr, fmt::format("t{}", t).c_str(), &appender);
      for (std::size_t r = first; r < std::min(rows, first + kRows); ++r) {
        for (const auto& column : columns) append_cell(appender, column, r);
        duckdb_appender_end_row(appender);
      }
      duckdb_appender_destroy(&appender);
      must(transaction.commit());
    }
    seconds += seconds_since(begun);
  }
  fmt::print(stderr, "appended in {:.2f} s, of the processors {:.2f} s\n", seconds,
             processor_seconds() - processor);
  return seconds;
}

void print_figure(const std::string& name, double value, double yardstick, double target) {
  fmt::print(R"({{"name":"{}","value":{:.0f},"unit":"rows/s","yardstick":"DuckDB appender alone, same rows",)"
             R"("yardstick_value":{:.0f},"ratio":{:.3f},"target":{:.0f},"pass":{}}})"
             "\n",
             name, value, yardstick, value / yardstick, target, value >= target);
}

void print_time(const std::string& name, double value, const char* unit, double target) {
  fmt::print(
      R"({{"name":"{}","value":{:.3f},"unit":"{}","yardstick":null,"yardstick_value":null,"ratio":null,)"
      R"("target":{},"pass":{}}})"
      "\n",
      name, value, unit, target, value <= target);
}

/// Time what reads the tables back: the recommender's memory, the dashboard.
void time_readers(Warehouse& warehouse, const Workload& workload) {
  std::size_t seen = 0;
  InteractionScan scan;
  scan.on_interactions = [&](std::span<const Interaction> block) { seen += block.size(); };
  auto begun = Env::system().steady_now();
  must(scan_interactions(warehouse, scan));
  print_time(fmt::format("scan all {} interactions of {}", seen, workload.name), seconds_since(begun), "s",
             2);
  begun = Env::system().steady_now();
  must(dashboard_snapshot(warehouse, "24h"));
  print_time(fmt::format("dashboard of 24 hours of {}", workload.name), seconds_since(begun), "s", 1);
}

void measure(const Path& dir, const Workload& workload, double target_rows_s, double seconds_max) {
  std::filesystem::create_directories(dir);
  auto& env = Env::system();
  const WarehouseOptions options{.path = dir / "warehouse" / "warehouse.duckdb", .lake_dir = dir / "lake"};
  std::vector<std::vector<Column>> copies;
  double seconds = 0;
  std::size_t rows = 0;
  {
    auto log = must(SegmentLog::open(env, dir / "log"));
    must(log->create_topic("events", {.partitions = kPartitions}));
    fill_log(*log, workload);
    auto warehouse = must(Warehouse::open(env, options));
    seconds = load(*log, *warehouse).seconds;
    auto connection = must(warehouse->connect());
    copies.push_back(read_table(connection, "events"));
    if (workload.items > 1) copies.push_back(read_table(connection, "order_lines"));
    for (const auto& table : copies) rows += table[0].valid.size();
  }
  const auto alone = append_alone(dir, copies);
  const auto count = static_cast<double>(rows);
  print_figure(fmt::format("load {}", workload.name), count / seconds, count / alone, target_rows_s);
  if (seconds_max > 0)
    print_time(fmt::format("load {} until queryable", workload.name), seconds, "s", seconds_max);
  const auto begun = env.steady_now();
  const auto again = must(Warehouse::open(env, options));
  print_time(fmt::format("open with {}", workload.name), seconds_since(begun), "s", 1);
  const auto writer = must(FactWriter::open(*again, {}));
  print_time(fmt::format("open and remember with {}", workload.name), seconds_since(begun), "s", 3);
  time_readers(*again, workload);
}

/// Load the same events without and with all built-in aggregations, and compare the processor time.
void measure_aggregations(const Path& dir, std::size_t events, double target) {
  auto& env = Env::system();
  const Workload workload{.name = "mixed events", .events = events, .items = 1, .type = {}, .mixed = true};
  auto log = must(SegmentLog::open(env, dir / "log"));
  must(log->create_topic("events", {.partitions = kPartitions}));
  fill_log(*log, workload);
  const auto count = static_cast<double>(events);
  std::array<double, 2> rates{};
  for (const bool with : {false, true}) {
    const auto name = with ? "with" : "without";
    auto warehouse =
        must(Warehouse::open(env, {.path = dir / name / "warehouse.duckdb", .lake_dir = dir / "lake"}));
    if (with) must(declare_aggregations(*warehouse, std::nullopt));
    rates[with] = count / load(*log, *warehouse).processor_seconds;
  }
  fmt::print(
      R"({{"name":"load mixed events with all built-in aggregations, on one core","value":{:.0f},)"
      R"("unit":"events/s","yardstick":"without aggregations","yardstick_value":{:.0f},"ratio":{:.3f},)"
      R"("target":{:.0f},"pass":{}}})"
      "\n",
      rates[1], rates[0], rates[1] / rates[0], target, rates[1] >= target);
}

void run(bool tiny, bool aggregations_alone) {
  auto pattern = (std::filesystem::temp_directory_path() / "millrace-load-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::exit(1);
  const Path dir = pattern;
  const std::size_t scale = tiny ? 1000 : 1;
  if (!aggregations_alone) {
    measure(dir / "simple", {"simple events", 1'000'000 / scale, 1, EventType::kItemView}, tiny ? 1 : 150'000,
            0);
    measure(dir / "orders", {"540,000 order lines", 25'000 / scale, 22, EventType::kPurchase},
            tiny ? 1 : 108'000, 5);
  }
  measure_aggregations(dir / "aggregations", 1'000'000 / scale, tiny ? 1 : 150'000);
  fmt::print(stderr, "resident at the end: {:.0f} MB\n", resident_mb());
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  millrace::run(option == "--tiny", option == "--aggregations");
}
