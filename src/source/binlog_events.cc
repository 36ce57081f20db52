#include "source/binlog_events.h"

namespace millrace {
namespace {

constexpr std::size_t kColumnsMax = 4'096;  // of a table, as both servers allow

// Types whose description in the table map is longer than nothing; the numbers are those of the protocol.
enum ColumnType : std::uint8_t {
  kFloat = 4,
  kDouble = 5,
  kVarchar = 15,
  kBit = 16,
  kTimestamp2 = 17,
  kDatetime2 = 18,
  kTime2 = 19,
  kCompressedBlob = 140,
  kCompressedVarchar = 141,
  kVector = 242,
  kJson = 245,
  kNewDecimal = 246,
  kEnum = 247,
  kSet = 248,
  kTinyBlob = 249,
  kMediumBlob = 250,
  kLongBlob = 251,
  kBlob = 252,
  kVarString = 253,
  kString = 254,
  kGeometry = 255,
};

std::unexpected<Error> cut_short() {
  return fail(Code::kCorrupt, "an event of the binary log is cut short");
}

std::size_t meta_size(std::uint8_t type) {
  switch (type) {
    case kFloat:
    case kDouble:
    case kTimestamp2:
    case kDatetime2:
    case kTime2:
    case kCompressedBlob:
    case kVector:
    case kJson:
    case kTinyBlob:
    case kMediumBlob:
    case kLongBlob:
    case kBlob:
    case kGeometry:
      return 1;
    case kVarchar:
    case kBit:
    case kCompressedVarchar:
    case kNewDecimal:
    case kEnum:
    case kSet:
    case kVarString:
    case kString:
      return 2;
    default:
      return 0;
  }
}

/// Tell ENUM and SET from STRING, whose length may take two bits of the byte of the type.
void resolve_string(BinlogTableMap::Column& column) {
  if (column.type != kString) return;
  const unsigned first = column.meta & 0xFFu;
  const unsigned second = column.meta >> 8;
  if ((first & 0x30u) != 0x30u) {
    column.type = static_cast<std::uint8_t>(first | 0x30u);
    column.meta = static_cast<std::uint16_t>(second | ((first & 0x30u) ^ 0x30u) << 4);
  } else {
    column.type = static_cast<std::uint8_t>(first);
    column.meta = static_cast<std::uint16_t>(second);
  }
}

}  // namespace

std::string_view BinlogBytes::take(std::size_t size) {
  if (size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::uint64_t BinlogBytes::little(std::size_t size) {
  std::uint64_t number = 0;
  const std::string_view bytes = take(size);
  for (std::size_t i = bytes.size(); i > 0; --i)
    number = number << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  return number;
}

std::uint64_t BinlogBytes::big(std::size_t size) {
  std::uint64_t number = 0;
  for (const char byte : take(size)) number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

std::uint64_t BinlogBytes::packed() {
  const std::uint64_t first = little(1);
  if (first < 251) return first;
  if (first == 252) return little(2);
  if (first == 253) return little(3);
  if (first == 254) return little(8);
  ok_ = false;
  return 0;
}

Result<BinlogEvent> parse_binlog_event(std::string_view bytes) {
  BinlogBytes in(bytes);
  BinlogEvent event;
  event.time_s = static_cast<std::uint32_t>(in.little(4));
  event.type = static_cast<BinlogEventType>(in.little(1));
  event.server = static_cast<std::uint32_t>(in.little(4));
  in.take(4 + 4);  // the size, where the next one begins
  event.flags = static_cast<std::uint16_t>(in.little(2));
  if (!in.ok()) return cut_short();
  event.body = in.rest();
  return event;
}

Result<BinlogGtid> parse_gtid_event(std::string_view body) {
  constexpr std::uint64_t kStandalone = 0x01;
  constexpr std::uint64_t kDdl = 0x20;
  constexpr std::uint64_t kPreparedXa = 0x40;
  BinlogBytes in(body);
  BinlogGtid gtid;
  gtid.sequence = in.little(8);
  gtid.domain = static_cast<std::uint32_t>(in.little(4));
  const std::uint64_t flags = in.little(1);
  if (!in.ok()) return cut_short();
  gtid.standalone = (flags & kStandalone) != 0;
  gtid.ddl = (flags & kDdl) != 0;
  gtid.prepared = (flags & kPreparedXa) != 0;
  return gtid;
}

Result<BinlogQuery> parse_query_event(std::string_view body) {
  BinlogBytes in(body);
  BinlogQuery query;
  in.take(4 + 4);  // thread, seconds it took
  const auto database = static_cast<std::size_t>(in.little(1));
  query.error = static_cast<std::uint16_t>(in.little(2));
  in.take(static_cast<std::size_t>(in.little(2)));  // variables of the session
  query.database = in.take(database);
  in.take(1);
  if (!in.ok()) return cut_short();
  query.statement = in.rest();
  return query;
}

Result<BinlogTableMap> parse_table_map_event(std::string_view body) {
  BinlogBytes in(body);
  BinlogTableMap map;
  map.table_id = in.little(6);
  in.take(2);
  map.database = in.take(static_cast<std::size_t>(in.little(1)));
  in.take(1);
  map.table = in.take(static_cast<std::size_t>(in.little(1)));
  in.take(1);
  const std::uint64_t count = in.packed();
  if (!in.ok() || count > kColumnsMax) return cut_short();
  const std::string_view types = in.take(count);
  BinlogBytes metas(in.take(in.packed()));
  if (!in.ok()) return cut_short();
  for (const char type : types) {
    BinlogTableMap::Column column{.type = static_cast<std::uint8_t>(type)};
    column.meta = static_cast<std::uint16_t>(metas.little(meta_size(column.type)));
    resolve_string(column);
    map.columns.push_back(column);
  }
  if (!metas.ok()) return cut_short();
  return map;
}

bool is_rows_event(BinlogEventType type) {
  return (type >= BinlogEventType::kWriteRowsV1 && type <= BinlogEventType::kDeleteRowsV1) ||
         (type >= BinlogEventType::kWriteRows && type <= BinlogEventType::kDeleteRows);
}

Result<BinlogRows> parse_rows_event(BinlogEventType type, std::string_view body) {
  using enum BinlogEventType;
  BinlogBytes in(body);
  BinlogRows rows;
  rows.op = type == kWriteRowsV1 || type == kWriteRows     ? RowOp::kInsert
            : type == kUpdateRowsV1 || type == kUpdateRows ? RowOp::kUpdate
                                                           : RowOp::kDelete;
  rows.table_id = in.little(6);
  in.take(2);
  if (type >=
      kWriteRows) {  // the second version: two bytes of length, themselves included, and what they say
    const auto extra = static_cast<std::size_t>(in.little(2));
    if (extra < 2) return cut_short();
    in.take(extra - 2);
  }
  const std::uint64_t count = in.packed();
  if (!in.ok() || count > kColumnsMax) return cut_short();
  rows.columns = count;
  rows.before = in.take((count + 7) / 8);
  if (rows.op == RowOp::kUpdate) rows.after = in.take((count + 7) / 8);
  if (!in.ok()) return cut_short();
  rows.images = in.rest();
  return rows;
}

}  // namespace millrace
