#include "warehouse/warehouse_testing.h"

#include <deque>
#include <filesystem>

#include <fmt/format.h>
#include <stdlib.h>

#include "warehouse/duck.h"

namespace millrace {

namespace {

std::string joined_row(duck::Rows& rows, std::size_t row) {
  std::string out;
  for (std::size_t i = 0; i < rows.column_count(); ++i) {
    if (i > 0) out += '|';
    out += rows.is_null(i, row) ? "NULL" : rows.text(i, row);
  }
  return out;
}

}  // namespace

Result<std::uint64_t> WarehouseEnv::free_bytes(const Path& path) {
  if (free_bytes_are) return *free_bytes_are;
  return real_.free_bytes(path);
}

WarehouseTest::WarehouseTest() {
  auto pattern = (Path(testing::TempDir()) / "millrace-warehouse-XXXXXX").string();
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  dir_ = pattern;
  reopen();
}

WarehouseTest::~WarehouseTest() {
  warehouse_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

WarehouseOptions WarehouseTest::options() const {
  return {.path = dir_ / "warehouse" / "warehouse.duckdb", .lake_dir = dir_ / "lake"};
}

void WarehouseTest::reopen() {
  warehouse_.reset();
  auto opened = Warehouse::open(env_, options());
  ASSERT_TRUE(opened) << opened.error().text();
  warehouse_ = *std::move(opened);
}

void WarehouseTest::restart(std::unique_ptr<FactWriter>& writer) {
  writer.reset();
  reopen();
}

std::vector<std::string> WarehouseTest::rows(const std::string& sql) {
  auto connection = warehouse_->connect().value();
  auto result =
      connection.query("SELECT COLUMNS(*)::VARCHAR FROM (" + sql + ")");  // as DuckDB itself writes it
  std::vector<std::string> out;
  if (!result) {
    ADD_FAILURE() << result.error().text() << "\n" << sql;
    return out;
  }
  for (auto more = result->next_chunk(); more && *more; more = result->next_chunk()) {
    for (std::size_t i = 0; i < result->size(); ++i) out.push_back(joined_row(*result, i));
  }
  return out;
}

std::string WarehouseTest::cell(const std::string& sql) {
  const auto all = rows(sql);
  EXPECT_EQ(all.size(), 1u) << sql;
  return all.empty() ? std::string() : all.front();
}

void WarehouseTest::execute(const std::string& sql) {
  const auto done = warehouse_->connect().value().execute(sql);
  ASSERT_TRUE(done) << done.error().text();
}

std::unique_ptr<FactWriter> WarehouseTest::writer(const FactWriterOptions& options) {
  auto opened = FactWriter::open(*warehouse_, options);
  EXPECT_TRUE(opened) << opened.error().text();
  return *std::move(opened);
}

Status WarehouseTest::write(FactWriter& writer, std::span<const Event> events) {
  MILLRACE_TRY(writer.begin());
  MILLRACE_TRY(writer.add_events(events_partition(), events));
  writer.set_next(events_partition(), events.back().log_offset + 1);
  return writer.commit();
}

Event make_event(EventType type, std::uint64_t offset, TimeUs time) {
  static std::deque<std::string> ids;  // lives as long as the views to it
  Event event;
  event.type = type;
  event.type_name = event_type_name(type);
  event.message_id = ids.emplace_back(fmt::format("m{}", offset));
  event.source = "web";
  event.anonymous_id = "anna";
  event.session_id = "s1";
  event.event_time = time;
  event.received_time = time;
  event.log_offset = Offset(offset);
  return event;
}

const TopicPartition& events_partition() {
  static const TopicPartition partition{"events", PartitionId(0)};
  return partition;
}

}  // namespace millrace
