#include "source/binlog_rows.h"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

#include "source/binlog_values.h"

namespace millrace {
namespace {

/// What a column's type may be in the binary log, by the name that information_schema gives it.
struct NamedType {
  std::string_view data_type;
  std::uint8_t stored;
  std::uint8_t or_stored = 0;
};
constexpr std::array kTypes = {
    NamedType{"tinyint", 1},
    NamedType{"smallint", 2},
    NamedType{"int", 3},
    NamedType{"float", 4},
    NamedType{"double", 5},
    NamedType{"bigint", 8},
    NamedType{"mediumint", 9},
    NamedType{"decimal", 246},
    NamedType{"bit", 16},
    NamedType{"year", 13},
    NamedType{"date", 10, 14},
    NamedType{"time", 19, 11},
    NamedType{"datetime", 18, 12},
    NamedType{"timestamp", 17, 7},
    NamedType{"char", 254},
    NamedType{"binary", 254},
    NamedType{"varchar", 15, 253},
    NamedType{"varbinary", 15, 253},
    NamedType{"enum", 247},
    NamedType{"set", 248},
    NamedType{"uuid", 254},
    NamedType{"inet4", 254},
    NamedType{"inet6", 254},
    NamedType{"tinytext", 252},
    NamedType{"text", 252},
    NamedType{"mediumtext", 252},
    NamedType{"longtext", 252},
    NamedType{"tinyblob", 252},
    NamedType{"blob", 252},
    NamedType{"mediumblob", 252},
    NamedType{"longblob", 252},
    NamedType{"geometry", 255, 252},
    NamedType{"point", 255, 252},
    NamedType{"linestring", 255, 252},
    NamedType{"polygon", 255, 252},
    NamedType{"multipoint", 255, 252},
    NamedType{"multipolygon", 255, 252},
    NamedType{"multilinestring", 255, 252},
    NamedType{"geometrycollection", 255, 252},
};

constexpr std::uint8_t kBlobCompressed = 140;
constexpr std::uint8_t kVarcharCompressed = 141;

std::unexpected<Error> unlike(const std::string& column, std::string_view what) {
  return fail(Code::kInvalid, fmt::format("its column {} is {} in the binary log", column, what));
}

bool has_bit(std::string_view bits, std::size_t i) {
  return (static_cast<unsigned char>(bits[i / 8]) >> (i % 8) & 1u) != 0;
}

std::size_t count_bits(std::string_view bits, std::size_t size) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++i) count += has_bit(bits, i) ? 1 : 0;
  return count;
}

std::uint8_t length_bytes(std::size_t most) {
  return most < 256 ? 1 : 2;
}

std::int64_t sign_extended(std::uint64_t number, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<std::int64_t>(number << shift) >> shift;
}

template <class Number>
void put_number(Number number, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}", number);
}

}  // namespace

std::vector<std::string> read_enum_names(std::string_view column_type) {
  std::vector<std::string> names;
  std::size_t at = column_type.find('(');
  while (at != column_type.npos && (at = column_type.find('\'', at)) != column_type.npos) {
    std::string& name = names.emplace_back();
    for (++at; at < column_type.size(); ++at) {
      const char c = column_type[at];
      const char next = at + 1 < column_type.size() ? column_type[at + 1] : '\0';
      if (c == '\'' && next != '\'') break;
      if (c == '\\') {
        name += next == 'n' ? '\n' : next == 'r' ? '\r' : next == '0' ? '\0' : next == 't' ? '\t' : next;
      } else {
        name += c;
      }
      if (c == '\'' || c == '\\') ++at;
    }
    if (at < column_type.size()) ++at;
  }
  return names;
}

Result<BinlogRowReader> BinlogRowReader::make(const BinlogTableMap& map, const MysqlTable& table) {
  BinlogRowReader reader;
  reader.table_ = table.name;
  // Rows of before columns were added at the end: they have NULL there.
  for (std::size_t i = map.columns.size(); i < table.columns.size(); ++i) {
    if (!table.columns[i].is_null_at_first) return fail(Code::kInvalid, "it has other columns now");
    if (table.columns[i].is_read) ++reader.missing_;
  }
  if (map.columns.size() > table.columns.size()) return fail(Code::kInvalid, "it has fewer columns now");
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    MILLRACE_ASSIGN(Column column, describe(map.columns[i], table.columns[i]));
    reader.columns_.push_back(std::move(column));
  }
  return reader;
}

Result<BinlogRowReader::Column> BinlogRowReader::describe(const BinlogTableMap::Column& stored,
                                                          const MysqlColumn& is) {
  Column column;
  column.name = is.schema.name;
  column.is_read = is.is_read;
  column.is_virtual = is.is_virtual;
  column.is_unsigned = is.schema.is_unsigned;
  if (stored.type == kBlobCompressed || stored.type == kVarcharCompressed)
    return fail(Code::kDenied, fmt::format("its column {} is COMPRESSED, which cannot be followed: leave it "
                                           "out with exclude, or alter it",
                                           column.name));
  const auto named = std::ranges::find(kTypes, is.schema.data_type, &NamedType::data_type);
  if (named == kTypes.end())
    return fail(Code::kDenied, fmt::format("its column {} of the type {} cannot be followed: leave it out "
                                           "with exclude",
                                           column.name, is.schema.data_type));
  if (stored.type != named->stored && (named->or_stored == 0 || stored.type != named->or_stored))
    return unlike(column.name, fmt::format("of type {}, not {}", stored.type, is.schema.data_type));
  MILLRACE_TRY(describe_number(stored, is, column));
  MILLRACE_TRY(describe_time(stored, is, column));
  MILLRACE_TRY(describe_bytes(stored, is, column));
  return column;
}

Status BinlogRowReader::describe_number(const BinlogTableMap::Column& stored, const MysqlColumn& is,
                                        Column& column) {
  const auto low = static_cast<std::uint8_t>(stored.meta & 0xFF);
  const auto high = static_cast<std::uint8_t>(stored.meta >> 8);
  constexpr std::array<std::uint8_t, 10> kIntegerBytes = {0, 1, 2, 4, 0, 0, 0, 0, 8, 3};
  switch (stored.type) {
    case 1:
    case 2:
    case 3:
    case 8:
    case 9:
      column.form = Form::kInteger;
      column.size = kIntegerBytes[stored.type];
      return {};
    case 4:
      column.form = Form::kFloat;
      return {};
    case 5:
      column.form = Form::kDouble;
      return {};
    case 246:
      column.form = Form::kDecimal;
      column.precision = low;
      column.scale = high;
      if (low != is.schema.precision || high != is.schema.scale || high > low)
        return unlike(column.name, fmt::format("a DECIMAL({},{})", low, high));
      return {};
    case 16:
      column.form = Form::kBit;
      column.size = static_cast<std::uint8_t>(high + (low > 0 ? 1 : 0));
      if (high > 8 || column.size > 8) return unlike(column.name, "a BIT too long");
      return {};
    default:
      return {};
  }
}

Status BinlogRowReader::describe_time(const BinlogTableMap::Column& stored, const MysqlColumn& is,
                                      Column& column) {
  const auto fine = [&](Form form) -> Status {
    column.form = form;
    column.precision = static_cast<std::uint8_t>(stored.meta & 0xFF);
    if (column.precision > 6) return unlike(column.name, "a time too fine");
    return {};
  };
  switch (stored.type) {
    case 13:
      column.form = Form::kYear;
      return {};
    case 10:
    case 14:
      column.form = Form::kDate;
      return {};
    case 17:
      return fine(Form::kTimestamp);
    case 18:
      return fine(Form::kDatetime);
    case 19:
      return fine(Form::kTime);
    case 7:
    case 11:
    case 12:
      if (is.schema.column_type.find('(') != std::string::npos)
        return fail(Code::kDenied,
                    fmt::format("its column {} has the form of times of before mysql56_temporal_format: "
                                "ALTER TABLE … FORCE renews it",
                                column.name));
      column.form = stored.type == 7    ? Form::kOldTimestamp
                    : stored.type == 11 ? Form::kOldTime
                                        : Form::kOldDatetime;
      return {};
    default:
      return {};
  }
}

Status BinlogRowReader::describe_bytes(const BinlogTableMap::Column& stored, const MysqlColumn& is,
                                       Column& column) {
  const auto low = static_cast<std::uint8_t>(stored.meta & 0xFF);
  const std::string_view type = is.schema.data_type;
  switch (stored.type) {
    case 247:
    case 248:
      column.form = stored.type == 247 ? Form::kEnum : Form::kSet;
      column.size = low;
      if (low == 0 || low > 8) return unlike(column.name, "an ENUM or SET too long");
      column.names = read_enum_names(is.schema.column_type);
      return {};
    case 252:
    case 255:
      column.form = is.charset.empty() ? Form::kBytes : Form::kText;
      column.size = low;
      if (low == 0 || low > 4) return unlike(column.name, "a BLOB too long");
      break;
    case 15:
    case 253:
    case 254:
      column.form = type == "uuid"                            ? Form::kUuid
                    : type == "inet4" || type == "inet6"      ? Form::kInet
                    : type == "binary" || type == "varbinary" ? Form::kBytes
                                                              : Form::kText;
      column.size = length_bytes(stored.meta);
      if (type == "binary" || column.form == Form::kUuid || column.form == Form::kInet)
        column.width = stored.meta;
      break;
    default:
      return {};
  }
  if (column.form != Form::kText || !column.is_read) return {};
  if (is.bytes) {
    column.charset = CharsetReader(is.bytes);
    return {};
  }
  if (!CharsetReader::knows(is.charset))
    return fail(Code::kDenied,
                fmt::format("its column {} has the character set {}, which cannot be followed: leave "
                            "it out with exclude, or convert it to utf8mb4",
                            column.name, is.charset));
  column.charset = CharsetReader(is.charset);
  return {};
}

Result<std::uint64_t> BinlogRowReader::read(const BinlogRows& rows, std::string& out) {
  if (rows.columns != columns_.size())
    return fail(Code::kCorrupt, "an event of rows has other columns than its table", table_);
  BinlogBytes in(rows.images);
  std::uint64_t count = 0;
  for (; !in.done(); ++count) {
    append_op(rows.op, out);
    MILLRACE_TRY(read_image(in, rows.before, out));
    if (rows.op == RowOp::kUpdate) MILLRACE_TRY(read_image(in, rows.after, out));
  }
  return count;
}

Status BinlogRowReader::read_image(BinlogBytes& in, std::string_view present, std::string& out) {
  const std::size_t there = count_bits(present, columns_.size());
  const std::string_view nulls = in.take((there + 7) / 8);
  if (!in.ok()) return fail(Code::kCorrupt, "rows of the binary log are cut short", table_);
  if (there == 0) return fail(Code::kCorrupt, "a row of the binary log has no columns", table_);
  std::size_t at = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    if (!has_bit(present, i)) {
      if (!column.is_read) continue;
      if (column.is_virtual)
        return fail(
            Code::kDenied,
            fmt::format("its column {} is computed when it is read, and so not in the binary log: leave it "
                        "out with exclude",
                        column.name),
            table_);
      return fail(Code::kDenied,
                  fmt::format("the binary log has not all columns of its rows ({} is missing): SET GLOBAL "
                              "binlog_row_image = FULL on the server, and in its configuration",
                              column.name),
                  table_);
    }
    if (has_bit(nulls, at++)) {
      if (column.is_read) append_cell(std::nullopt, out);
      continue;
    }
    const std::string_view cell = value(column, in);
    if (!in.ok()) return fail(Code::kCorrupt, "rows of the binary log are cut short", table_);
    if (column.is_read) append_cell(cell, out);
  }
  for (std::size_t i = 0; i < missing_; ++i) append_cell(std::nullopt, out);
  return {};
}

/// Take a value and return its text, valid until the next one.
std::string_view BinlogRowReader::value(Column& column, BinlogBytes& in) {
  scratch_.clear();
  switch (column.form) {
    case Form::kInteger: {
      const std::uint64_t number = in.little(column.size);
      column.is_unsigned ? put_number(number, scratch_)
                         : put_number(sign_extended(number, column.size), scratch_);
      break;
    }
    case Form::kFloat:
      put_number(std::bit_cast<float>(static_cast<std::uint32_t>(in.little(4))), scratch_);
      break;
    case Form::kDouble:
      put_number(std::bit_cast<double>(in.little(8)), scratch_);
      break;
    case Form::kDecimal:
      read_binlog_decimal(in, column.precision, column.scale, scratch_);
      break;
    case Form::kYear: {
      const std::uint64_t year = in.little(1);
      put_number(year == 0 ? 0 : 1900 + year, scratch_);
      break;
    }
    case Form::kBit:
      put_number(in.big(column.size), scratch_);
      break;
    case Form::kDate:
      read_binlog_date(in, scratch_);
      break;
    case Form::kOldTime:
      read_binlog_old_time(in, scratch_);
      break;
    case Form::kOldDatetime:
      read_binlog_old_datetime(in, scratch_);
      break;
    case Form::kOldTimestamp:
      read_binlog_old_timestamp(in, scratch_);
      break;
    case Form::kTime:
      read_binlog_time(in, column.precision, scratch_);
      break;
    case Form::kDatetime:
      read_binlog_datetime(in, column.precision, scratch_);
      break;
    case Form::kTimestamp:
      read_binlog_timestamp(in, column.precision, scratch_);
      break;
    case Form::kText:
      return column.charset.read(in.take(in.little(column.size)));
    case Form::kBytes: {
      const std::string_view bytes = in.take(in.little(column.size));
      return column.width > bytes.size() ? padded(column, bytes) : bytes;
    }
    case Form::kEnum: {
      const std::uint64_t index = in.little(column.size);
      return index == 0 || index > column.names.size() ? std::string_view() : column.names[index - 1];
    }
    case Form::kSet:
      return set_names(column, in.little(column.size));
    case Form::kUuid:
    case Form::kInet: {
      const std::string bytes(padded(column, in.take(in.little(column.size))));
      scratch_.clear();
      column.form == Form::kUuid ? read_binlog_uuid(bytes, scratch_) : read_binlog_inet(bytes, scratch_);
      break;
    }
  }
  return scratch_;
}

/// The server cuts zeros off the end of values of a fixed size.
std::string_view BinlogRowReader::padded(const Column& column, std::string_view bytes) {
  scratch_.assign(bytes);
  scratch_.resize(std::max<std::size_t>(column.width, bytes.size()));
  return scratch_;
}

std::string_view BinlogRowReader::set_names(const Column& column, std::uint64_t bits) {
  for (std::size_t i = 0; i < column.names.size() && i < 64; ++i) {
    if ((bits >> i & 1u) == 0) continue;
    if (!scratch_.empty()) scratch_ += ',';
    scratch_ += column.names[i];
  }
  return scratch_;
}

}  // namespace millrace
