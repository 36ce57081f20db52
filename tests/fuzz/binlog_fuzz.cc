// Any bytes as events of a binary log: refused, or read as far as they go; rows by a table map made of them
// too.
#include <cstdint>
#include <string>
#include <string_view>

#include "source/binlog_events.h"
#include "source/binlog_rows.h"

using namespace millrace;

namespace {

MysqlTable table_for(const BinlogTableMap& map) {
  constexpr const char* kTypes[] = {"int", "varchar", "decimal", "datetime", "enum",    "set",
                                    "bit", "time",    "char",    "uuid",     "longblob"};
  MysqlTable table;
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    MysqlColumn column{
        .schema = {.name = "c", .data_type = kTypes[(map.columns[i].type + i) % std::size(kTypes)]},
        .charset = i % 2 == 0 ? "latin1" : "",
        .is_read = i % 3 != 0};
    column.schema.precision = map.columns[i].meta & 0xFF;
    column.schema.scale = map.columns[i].meta >> 8;
    table.columns.push_back(column);
  }
  return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  if (const auto event = parse_binlog_event(all)) {
    (void)parse_gtid_event(event->body);
    (void)parse_query_event(event->body);
  }
  const std::size_t half = size / 2;
  const auto map = parse_table_map_event(all.substr(0, half));
  if (!map) return 0;
  auto reader = BinlogRowReader::make(*map, table_for(*map));
  if (!reader) return 0;
  for (const auto type : {BinlogEventType::kWriteRowsV1, BinlogEventType::kUpdateRows}) {
    std::string out;
    if (const auto rows = parse_rows_event(type, all.substr(half))) (void)reader->read(*rows, out);
  }
  return 0;
}
