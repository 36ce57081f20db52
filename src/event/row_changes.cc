// Layout: docs/formats/row-changes.md.
#include "event/row_changes.h"

#include <algorithm>
#include <cassert>

#include <simdjson.h>

#include "base/hash.h"
#include "event/json_writer.h"

namespace millrace {
namespace {

constexpr std::uint8_t kRowChangesVersion = 1;
constexpr std::size_t kNumberBytesMax = 10;

void put_number(std::uint64_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>((number & 0x7F) | 0x80);
  out += static_cast<char>(number);
}

void put_sized(std::string_view text, std::string& out) {
  put_number(text.size(), out);
  out += text;
}

std::unexpected<Error> cut_short() {
  return fail(Code::kCorrupt, "a record of row changes is cut short");
}

/// Take a number off the front of `rest`; false when there is none.
bool take_number(std::string_view& rest, std::uint64_t& number) {
  number = 0;
  for (std::size_t i = 0; i < std::min(rest.size(), kNumberBytesMax); ++i) {
    const auto part = static_cast<std::uint8_t>(rest[i]);
    number |= std::uint64_t{part & 0x7Fu} << (7 * i);
    if ((part & 0x80) != 0) continue;
    rest.remove_prefix(i + 1);
    return true;
  }
  return false;
}

bool take_text(std::string_view& rest, std::string_view& text) {
  std::uint64_t size = 0;
  if (!take_number(rest, size) || size > rest.size()) return false;
  text = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

std::string text_of(simdjson::dom::element element, const char* name) {
  std::string_view text;
  return element[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::uint32_t number_of(simdjson::dom::element element, const char* name) {
  std::uint64_t number = 0;
  return element[name].get(number) == simdjson::SUCCESS ? static_cast<std::uint32_t>(number) : 0;
}

ColumnSchema read_column(simdjson::dom::element element) {
  ColumnSchema column;
  column.name = text_of(element, "name");
  column.data_type = text_of(element, "data_type");
  column.column_type = text_of(element, "column_type");
  bool is_unsigned = false;
  column.is_unsigned = element["unsigned"].get(is_unsigned) == simdjson::SUCCESS && is_unsigned;
  column.precision = number_of(element, "precision");
  column.scale = number_of(element, "scale");
  return column;
}

}  // namespace

std::string TableSchema::to_json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("columns").begin_array();
  for (const ColumnSchema& column : columns) {
    json.begin_object()
        .member("name", column.name)
        .member("data_type", column.data_type)
        .member("column_type", column.column_type);
    if (column.is_unsigned) json.member("unsigned", true);
    if (column.precision != 0) json.member("precision", column.precision).member("scale", column.scale);
    json.end_object();
  }
  json.end_array().key("key").begin_array();
  for (const std::string& name : key) json.text(name);
  json.end_array().member("zone", zone).end_object();
  return out;
}

Result<TableSchema> TableSchema::from_json(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array columns;
  simdjson::dom::array key;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS ||
      root["columns"].get(columns) != simdjson::SUCCESS || root["key"].get(key) != simdjson::SUCCESS)
    return fail(Code::kCorrupt, "the description of a table is not one");
  TableSchema schema;
  for (const auto element : columns) schema.columns.push_back(read_column(element));
  for (const auto element : key) {
    std::string_view name;
    if (element.get(name) != simdjson::SUCCESS)
      return fail(Code::kCorrupt, "a key is made of names of columns");
    if (std::ranges::find(schema.columns, name, &ColumnSchema::name) == schema.columns.end())
      return fail(Code::kCorrupt, "a key names a column that the table does not have");
    schema.key.emplace_back(name);
  }
  schema.zone = text_of(root, "zone");
  return schema;
}

std::vector<std::size_t> TableSchema::key_places() const {
  std::vector<std::size_t> places;
  for (const std::string& name : key) {
    const auto found = std::ranges::find(columns, name, &ColumnSchema::name);
    assert(found != columns.end());
    places.push_back(static_cast<std::size_t>(found - columns.begin()));
  }
  return places;
}

std::uint64_t schema_id(const TableSchema& schema) {
  return hash64(schema.to_json());
}

void encode_row_record(const RowRecord& record, std::string& out) {
  out += static_cast<char>(kRowChangesVersion);
  out += static_cast<char>(record.kind);
  put_sized(record.run, out);
  put_sized(record.table, out);
  auto id = record.schema_id;
  for (int i = 0; i < 8; ++i, id >>= 8) out += static_cast<char>(id & 0xFF);
  put_sized(record.position, out);
  put_sized(record.resume, out);
  put_number(record.count, out);
  out += record.payload;
}

Result<RowRecord> decode_row_record(std::string_view bytes) {
  if (bytes.size() < 2) return cut_short();
  if (static_cast<std::uint8_t>(bytes[0]) != kRowChangesVersion)
    return fail(Code::kInvalid, "a record of row changes has a version that this program does not know");
  RowRecord record;
  const auto kind = static_cast<std::uint8_t>(bytes[1]);
  if (kind < 1 || kind > static_cast<std::uint8_t>(RowRecordKind::kAlter))
    return fail(Code::kInvalid, "a record of row changes has a kind that this program does not know");
  record.kind = static_cast<RowRecordKind>(kind);
  bytes.remove_prefix(2);
  if (!take_text(bytes, record.run) || !take_text(bytes, record.table) || bytes.size() < 8)
    return cut_short();
  for (std::size_t i = 8; i > 0; --i)
    record.schema_id = record.schema_id << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  bytes.remove_prefix(8);
  if (!take_text(bytes, record.position) || !take_text(bytes, record.resume) ||
      !take_number(bytes, record.count))
    return cut_short();
  record.payload = bytes;
  return record;
}

void append_cell(const RowCell& cell, std::string& out) {
  if (!cell) {
    out += '\0';
    return;
  }
  put_number(cell->size() + 1, out);
  out += *cell;
}

void append_op(RowOp op, std::string& out) {
  out += static_cast<char>(op);
}

Result<RowCell> CellReader::next() {
  std::uint64_t size = 0;
  if (!take_number(rest_, size) || (size > 0 && size - 1 > rest_.size())) return cut_short();
  if (size == 0) return RowCell{};
  const std::string_view value = rest_.substr(0, size - 1);
  rest_.remove_prefix(value.size());
  return RowCell{value};
}

Status CellReader::next_row(std::vector<RowCell>& row) {
  for (RowCell& cell : row) {
    MILLRACE_ASSIGN(cell, next());
  }
  return {};
}

Result<RowOp> CellReader::next_op() {
  if (rest_.empty()) return cut_short();
  const auto op = static_cast<std::uint8_t>(rest_.front());
  if (op < 1 || op > static_cast<std::uint8_t>(RowOp::kMoment))
    return fail(Code::kCorrupt, "a change of a row is of no known kind");
  rest_.remove_prefix(1);
  return static_cast<RowOp>(op);
}

Result<std::vector<std::optional<std::string>>> read_cells(std::string_view bytes) {
  std::vector<std::optional<std::string>> cells;
  CellReader reader(bytes);
  while (!reader.done()) {
    MILLRACE_ASSIGN(const RowCell cell, reader.next());
    cells.push_back(cell ? std::optional<std::string>(*cell) : std::nullopt);
  }
  return cells;
}

}  // namespace millrace
