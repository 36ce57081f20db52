// Any bytes as events of a binary log: refused, or read as far as they go; rows by a table map made of them
// too.
#include <cstdint>
#include <string>
#include <string_view>

#include "source/binlog_events.h"
#include "source/binlog_rows.h"

using namespace millrace;

namespace {

const char* type_for(std::uint8_t stored, std::size_t i) {
  switch (stored) {
    case 1:
      return "tinyint";
    case 2:
      return "smallint";
    case 3:
      return "int";
    case 4:
      return "float";
    case 5:
      return "double";
    case 7:
    case 17:
      return "timestamp";
    case 8:
      return "bigint";
    case 9:
      return "mediumint";
    case 10:
      return "date";
    case 11:
    case 19:
      return "time";
    case 12:
    case 18:
      return "datetime";
    case 13:
      return "year";
    case 15:
      return "varchar";
    case 16:
      return "bit";
    case 246:
      return "decimal";
    case 247:
      return "enum";
    case 248:
      return "set";
    case 252:
      return "longblob";
    default:
      return i % 4 == 0 ? "uuid" : i % 4 == 1 ? "inet6" : i % 4 == 2 ? "binary" : "char";
  }
}

MysqlTable table_for(const BinlogTableMap& map) {
  MysqlTable table;
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    MysqlColumn column{.schema = {.name = "c", .data_type = type_for(map.columns[i].type, i)},
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
