#include "warehouse/curated_rows.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr std::array kTables = {
    CuratedTable{"events", "event_time", "events", ""},
    CuratedTable{"order_lines", "event_time", "events", ", line"},
    CuratedTable{"event_items", "event_time", "events", ", item_index"},
    CuratedTable{"recommendations", "served_time", "recommendations", ""},
    CuratedTable{"quarantine", "received_time", "", ""},
};

/// A slice of a large hour begins and ends where the log position leaves such a stretch of offsets.
constexpr std::uint64_t kSliceOffsets = 1 << 12;

constexpr const char* kMakeBounds =
    "CREATE OR REPLACE TEMP TABLE curated_bounds (log_topic VARCHAR, log_partition INTEGER, from_offset "
    "BIGINT, to_offset BIGINT)";

/// Rows of a cut in a range of hours: those from offsets that are new, then those of hours that are. Two
/// queries, each with ranges of its own that let DuckDB pass over blocks.
/// {0} table, {1} time, {2} from, {3} to, {4} least new offset, {5} where the hours that are new begin.
constexpr const char* kRows =
    "SELECT r.* EXCLUDE (dt) FROM {0} r JOIN curated_bounds b USING (log_topic, log_partition) "
    "WHERE r.{1} >= make_timestamp({2}) AND r.{1} < make_timestamp({3}) AND r.log_offset >= {4} "
    "AND r.log_offset >= b.from_offset AND r.log_offset < b.to_offset "
    "UNION ALL "
    "SELECT r.* EXCLUDE (dt) FROM {0} r JOIN curated_bounds b USING (log_topic, log_partition) "
    "WHERE r.{1} >= make_timestamp({5}) AND r.{1} < make_timestamp({3}) AND r.log_offset < b.from_offset";

constexpr const char* kHours =
    "SELECT epoch_us(date_trunc('hour', {1})), count(*) FROM ({0}) GROUP BY 1 ORDER BY 1";

constexpr const char* kSlices =
    "SELECT log_topic, log_partition, log_offset // {1}, count(*) FROM ({0}) GROUP BY ALL ORDER BY ALL";

/// Rows at or after a log position.
constexpr const char* kNotBefore =
    "log_topic > '{0}' OR (log_topic = '{0}' AND (log_partition > {1} OR "
    "(log_partition = {1} AND log_offset >= {2})))";

constexpr const char* kCopy =
    "COPY (SELECT * FROM ({0}) WHERE {1} ORDER BY log_topic, log_partition, log_offset, event_index{2}) "
    "TO {3} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880, "
    "USE_TMP_FILE false)";

/// Call `on_row(rows, i)` for each row of a query.
template <class F>
Status each_row(duck::Connection& connection, const std::string& sql, F&& on_row) {
  MILLRACE_ASSIGN(auto rows, connection.query(sql));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) on_row(rows, i);
  }
}

std::string hour_is(const CuratedTable& table, TimeUs hour) {
  return fmt::format("{0} >= make_timestamp({1}) AND {0} < make_timestamp({2})", table.time, hour,
                     hour + kHourUs);
}

}  // namespace

std::span<const CuratedTable> curated_tables() {
  return kTables;
}

CuratedRows::CuratedRows(Warehouse& warehouse, Path staging, duck::Connection connection)
    : warehouse_(warehouse),
      staging_(std::move(staging)),
      connection_(std::make_unique<duck::Connection>(std::move(connection))) {}

CuratedRows::~CuratedRows() = default;

Result<std::unique_ptr<CuratedRows>> CuratedRows::open(Warehouse& warehouse, Path staging) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  return std::unique_ptr<CuratedRows>(new CuratedRows(warehouse, std::move(staging), std::move(connection)));
}

Result<std::map<TopicPartition, Offset>> CuratedRows::loaded() {
  std::map<TopicPartition, Offset> loaded;
  MILLRACE_TRY(each_row(*connection_, "SELECT log_topic, log_partition, next_offset FROM _offsets",
                        [&](const duck::Rows& rows, std::size_t i) {
                          const PartitionId partition(static_cast<std::uint32_t>(rows.int32(1, i)));
                          loaded[{std::string(rows.text(0, i)), partition}] =
                              Offset(static_cast<std::uint64_t>(rows.int64(2, i)));
                        }));
  return loaded;
}

Status CuratedRows::begin(const CuratedCut& cut) {
  cut_ = cut;
  MILLRACE_TRY(connection_->execute(kMakeBounds));
  std::string values;
  for (const auto& [partition, range] : cut.log) {
    values += fmt::format("{}('{}', {}, {}, {})", values.empty() ? "" : ", ", partition.topic,
                          partition.partition.value(), range.from.value(), range.to.value());
  }
  return values.empty() ? Status{} : connection_->execute("INSERT INTO curated_bounds VALUES " + values);
}

/// Return the query of the cut's rows with times in [from, to).
std::string CuratedRows::rows_of(const CuratedTable& table, TimeUs from, TimeUs to) const {
  std::uint64_t least = std::numeric_limits<std::int64_t>::max();
  for (const auto& [partition, range] : cut_.log) {
    if (table.topic.empty() || partition.topic == table.topic) least = std::min(least, range.from.value());
  }
  return fmt::format(kRows, table.name, table.time, from, to, least, std::max(from, cut_.closed_before_from));
}

Result<std::vector<CuratedHour>> CuratedRows::hours(const CuratedTable& table) {
  std::vector<CuratedHour> hours;
  MILLRACE_TRY(each_row(*connection_,
                        fmt::format(kHours, rows_of(table, cut_.not_before, cut_.closed_before), table.time),
                        [&](const duck::Rows& rows, std::size_t i) {
                          hours.push_back({rows.int64(0, i), static_cast<std::uint64_t>(rows.int64(1, i))});
                        }));
  return hours;
}

/// Return conditions that cut an hour into slices of `rows_max` rows, about, in log order. A slice holds
/// whole stretches of kSliceOffsets offsets, at least one.
Result<std::vector<std::string>> CuratedRows::slices_of(const std::string& rows, const CuratedHour& hour,
                                                        std::uint64_t rows_max) {
  if (hour.rows <= rows_max) return std::vector<std::string>{"true"};
  std::vector<std::string> slices;
  std::uint64_t filled = rows_max;
  const auto add = [&](const duck::Rows& found, std::size_t i) {
    const auto count = static_cast<std::uint64_t>(found.int64(3, i));
    filled += count;
    if (filled <= rows_max) return;
    const std::string begins = fmt::format(kNotBefore, found.text(0, i), found.int32(1, i),
                                           found.int64(2, i) * static_cast<std::int64_t>(kSliceOffsets));
    if (!slices.empty()) slices.back() += fmt::format(" AND NOT ({})", begins);
    slices.push_back(fmt::format("({})", begins));
    filled = count;
  };
  MILLRACE_TRY(each_row(*connection_, fmt::format(kSlices, rows, kSliceOffsets), add));
  return slices;
}

/// Several hours are first copied to a temporary table, in one pass over the large one. It is sorted by time,
/// so that each hour reads its own blocks and not all of them.
Status CuratedRows::write(const CuratedTable& table, std::span<const CuratedHour> hours,
                          std::uint64_t rows_max, const std::function<Status(CuratedFile)>& sink) {
  if (hours.empty()) return {};
  std::string rows = rows_of(table, hours.front().begin, hours.back().begin + kHourUs);
  if (hours.size() > 1) {
    MILLRACE_TRY(connection_->execute(
        fmt::format("CREATE OR REPLACE TEMP TABLE curated_hours AS {} ORDER BY {}", rows, table.time)));
    rows = "FROM curated_hours";
  }
  for (const CuratedHour& hour : hours) {
    const std::string of_hour = fmt::format("SELECT * FROM ({}) WHERE {}", rows, hour_is(table, hour.begin));
    MILLRACE_ASSIGN(const auto slices, slices_of(of_hour, hour, rows_max));
    for (std::uint32_t i = 0; i < slices.size(); ++i) {
      MILLRACE_ASSIGN(CuratedFile file, copy(table, of_hour, slices[i]));
      file.hour = hour.begin;
      file.number = i;
      MILLRACE_TRY(sink(std::move(file)));
    }
  }
  return hours.size() > 1 ? connection_->execute("DROP TABLE curated_hours") : Status{};
}

Result<CuratedFile> CuratedRows::copy(const CuratedTable& table, const std::string& rows,
                                      const std::string& slice) {
  CuratedFile file;
  const auto sql = fmt::format(kCopy, rows, slice, table.order, sql_literal(staging_.string()));
  MILLRACE_ASSIGN(const auto copied, connection_->scalar(sql));
  file.rows = static_cast<std::uint64_t>(copied.value_or(0));
  Env& env = warehouse_.env();
  MILLRACE_ASSIGN(file.bytes, read_file(env, staging_));
  MILLRACE_TRY(env.remove(staging_));
  return file;
}

}  // namespace millrace
