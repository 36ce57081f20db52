#include "warehouse/source_columns.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/source_values.h"

namespace millrace {
namespace {

using Form = SourceColumn::Form;

constexpr unsigned kDecimalDigitsMax = 38;  // of DuckDB; MySQL has up to 65

struct NamedForm {
  std::string_view data_type;
  Form form;
  std::uint8_t bits = 64;
  bool is_unsigned = false;
};

/// What is not named here is text: char, varchar, text, enum, set, json, uuid, inet4, inet6.
constexpr std::array kForms = {
    NamedForm{"tinyint", Form::kInteger, 8},
    NamedForm{"smallint", Form::kInteger, 16},
    NamedForm{"mediumint", Form::kInteger, 32},
    NamedForm{"int", Form::kInteger, 32},
    NamedForm{"bigint", Form::kInteger, 64},
    NamedForm{"bit", Form::kInteger, 64, true},
    NamedForm{"year", Form::kInteger, 16},
    NamedForm{"decimal", Form::kDecimal},
    NamedForm{"float", Form::kFloat, 32},
    NamedForm{"double", Form::kFloat, 64},
    NamedForm{"date", Form::kDate},
    NamedForm{"datetime", Form::kDateTime},
    NamedForm{"timestamp", Form::kTimestamp},
    NamedForm{"time", Form::kTime},
    NamedForm{"binary", Form::kBytes},
    NamedForm{"varbinary", Form::kBytes},
    NamedForm{"tinyblob", Form::kBytes},
    NamedForm{"blob", Form::kBytes},
    NamedForm{"mediumblob", Form::kBytes},
    NamedForm{"longblob", Form::kBytes},
    NamedForm{"geometry", Form::kBytes},
    NamedForm{"point", Form::kBytes},
    NamedForm{"linestring", Form::kBytes},
    NamedForm{"polygon", Form::kBytes},
    NamedForm{"multipoint", Form::kBytes},
    NamedForm{"multilinestring", Form::kBytes},
    NamedForm{"multipolygon", Form::kBytes},
    NamedForm{"geometrycollection", Form::kBytes},
    NamedForm{"geomcollection", Form::kBytes},
    NamedForm{"vector", Form::kBytes},
};

template <class T>
std::optional<T> read_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

/// Split a 128-bit number the way DuckDB keeps it.
duckdb_hugeint hugeint_of(Int128 value) {
  return {.lower = static_cast<std::uint64_t>(value), .upper = static_cast<std::int64_t>(value >> 64)};
}

}  // namespace

SourceColumn SourceColumn::of(const ColumnSchema& schema) {
  SourceColumn column;
  column.name = schema.name;
  column.is_unsigned = schema.is_unsigned;
  const auto found = std::ranges::find(kForms, schema.data_type, &NamedForm::data_type);
  if (found == kForms.end()) return column;
  if (found->form == Form::kDecimal && schema.precision > kDecimalDigitsMax) return column;
  column.form = found->form;
  column.bits = found->bits;
  column.is_unsigned |= found->is_unsigned;
  column.precision = static_cast<std::uint8_t>(schema.precision);
  column.scale = static_cast<std::uint8_t>(schema.scale);
  return column;
}

std::string SourceColumn::sql_type() const {
  switch (form) {
    case Form::kInteger: {
      const char* type = bits == 8 ? "TINYINT" : bits == 16 ? "SMALLINT" : bits == 32 ? "INTEGER" : "BIGINT";
      return (is_unsigned ? "U" : "") + std::string(type);
    }
    case Form::kDecimal:
      return fmt::format("DECIMAL({},{})", precision, scale);
    case Form::kFloat:
      return bits == 32 ? "FLOAT" : "DOUBLE";
    case Form::kDate:
      return "DATE";
    case Form::kDateTime:
    case Form::kTimestamp:
      return "TIMESTAMP";
    case Form::kTime:
      return "INTERVAL";
    case Form::kText:
      return "VARCHAR";
    case Form::kBytes:
      return "BLOB";
  }
  return "VARCHAR";
}

Result<std::unique_ptr<SourceRowAppender>> SourceRowAppender::open(
    duck::Connection& connection, const std::string& schema_name, const std::string& table,
    const TableSchema& schema, const TimeZone& zone, std::size_t extra_columns) {
  std::unique_ptr<SourceRowAppender> made(new SourceRowAppender(zone));
  for (const ColumnSchema& column : schema.columns) made->columns_.push_back(SourceColumn::of(column));
  const char* in = schema_name.empty() ? nullptr : schema_name.c_str();
  if (duckdb_appender_create(connection.handle(), in, table.c_str(), made->appender_.out()) != DuckDBSuccess)
    return fail(made->appender_error());
  const auto count = duckdb_appender_column_count(made->appender_.get());
  if (count != made->columns_.size() + extra_columns)
    return fail(Code::kInternal, fmt::format("the table {} has {} columns", table, count));
  std::vector<duck::LogicalType> owners;
  std::vector<duckdb_logical_type> types;
  for (idx_t i = 0; i < count; ++i) {
    owners.emplace_back(duckdb_appender_column_type(made->appender_.get(), i));
    types.push_back(owners.back().get());
  }
  made->chunk_ = duck::DataChunk(duckdb_create_data_chunk(types.data(), count));
  made->targets_.resize(count);
  made->begin_chunk();
  return made;
}

void SourceRowAppender::begin_chunk() {
  duckdb_data_chunk_reset(chunk_.get());
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    auto* vector = duckdb_data_chunk_get_vector(chunk_.get(), i);
    targets_[i] = {vector, duckdb_vector_get_data(vector), nullptr};
  }
  row_ = 0;
}

Status SourceRowAppender::append(const std::vector<RowCell>& row, std::initializer_list<std::int64_t> extra) {
  assert(row.size() == columns_.size() && row.size() + extra.size() == targets_.size());
  rejected_.clear();
  for (std::size_t i = 0; i < row.size(); ++i) {
    const char* reason = row[i] ? put(i, *row[i]) : nullptr;
    if (reason != nullptr) rejected_.push_back({i, *row[i], reason});
    if (reason != nullptr || !row[i]) put_null(targets_[i]);
  }
  std::size_t at = row.size();
  for (const std::int64_t value : extra) set(targets_[at++], value);
  if (++row_ < duckdb_vector_size()) return {};
  return append_chunk();
}

/// Write a value into the chunk; return why not, when it is none of its column's type.
const char* SourceRowAppender::put(std::size_t i, std::string_view value) {
  const SourceColumn& column = columns_[i];
  Target& target = targets_[i];
  switch (column.form) {
    case Form::kInteger:
      return put_integer(column, target, value);
    case Form::kDecimal:
      return put_decimal(column, target, value);
    case Form::kFloat:
      return put_float(column, target, value);
    case Form::kDate:
    case Form::kDateTime:
    case Form::kTimestamp:
    case Form::kTime:
      return put_time(column, target, value);
    case Form::kText:
      if (!is_utf8(value)) return "is not valid UTF-8";
      [[fallthrough]];
    case Form::kBytes:
      put_bytes(target, value);
      return nullptr;
  }
  return "has no type";
}

const char* SourceRowAppender::put_integer(const SourceColumn& column, Target& target,
                                           std::string_view value) {
  constexpr const char* kReason = "is no integer of the column's range";
  if (column.is_unsigned) {
    const auto number = read_number<std::uint64_t>(value);
    if (!number || (column.bits < 64 && *number >> column.bits != 0)) return kReason;
    if (column.bits == 8) set(target, static_cast<std::uint8_t>(*number));
    if (column.bits == 16) set(target, static_cast<std::uint16_t>(*number));
    if (column.bits == 32) set(target, static_cast<std::uint32_t>(*number));
    if (column.bits == 64) set(target, *number);
    return nullptr;
  }
  const auto number = read_number<std::int64_t>(value);
  const auto most = std::numeric_limits<std::int64_t>::max() >> (64 - column.bits);
  if (!number || *number > most || *number < -most - 1) return kReason;
  if (column.bits == 8) set(target, static_cast<std::int8_t>(*number));
  if (column.bits == 16) set(target, static_cast<std::int16_t>(*number));
  if (column.bits == 32) set(target, static_cast<std::int32_t>(*number));
  if (column.bits == 64) set(target, *number);
  return nullptr;
}

const char* SourceRowAppender::put_decimal(const SourceColumn& column, Target& target,
                                           std::string_view value) {
  const auto units = read_mysql_decimal(value, column.precision, column.scale);
  if (!units) return "is no decimal of the column's precision";
  if (column.precision <= 4) {
    set(target, static_cast<std::int16_t>(*units));
  } else if (column.precision <= 9) {
    set(target, static_cast<std::int32_t>(*units));
  } else if (column.precision <= 18) {
    set(target, static_cast<std::int64_t>(*units));
  } else {
    set(target, hugeint_of(*units));
  }
  return nullptr;
}

const char* SourceRowAppender::put_float(const SourceColumn& column, Target& target, std::string_view value) {
  const auto number = read_number<double>(value);
  if (!number) return "is no number";
  if (column.bits == 32) {
    set(target, static_cast<float>(*number));
  } else {
    set(target, *number);
  }
  return nullptr;
}

const char* SourceRowAppender::put_time(const SourceColumn& column, Target& target, std::string_view value) {
  if (column.form == Form::kDate) {
    const auto days = read_mysql_date(value);
    if (!days) return "is no date of the calendar";
    set(target, *days);
    return nullptr;
  }
  if (column.form == Form::kTime) {
    const auto time = read_mysql_time(value);
    if (!time) return "is no time";
    set(target, duckdb_interval{.months = 0, .days = 0, .micros = *time});
    return nullptr;
  }
  const auto clock = read_mysql_datetime(value);
  if (!clock) return "is no date and time of the calendar";
  set(target, column.form == Form::kDateTime ? zone_.to_utc(*clock) : *clock);
  return nullptr;
}

void SourceRowAppender::put_bytes(Target& target, std::string_view value) {
  constexpr std::size_t kInlineMax = 12;
  if (value.size() <= kInlineMax) {  // spares the call
    auto& cell = static_cast<duckdb_string_t*>(target.data)[row_];
    cell = {};
    cell.value.inlined.length = static_cast<std::uint32_t>(value.size());
    std::ranges::copy(value, cell.value.inlined.inlined);
  } else {
    duckdb_vector_assign_string_element_len(target.vector, row_, value.data(), value.size());
  }
}

void SourceRowAppender::put_null(Target& target) {
  if (target.validity == nullptr) {
    duckdb_vector_ensure_validity_writable(target.vector);
    target.validity = duckdb_vector_get_validity(target.vector);
  }
  target.validity[row_ / 64] &= ~(1ull << (row_ % 64));
}

Status SourceRowAppender::append_chunk() {
  if (row_ == 0) return {};
  duckdb_data_chunk_set_size(chunk_.get(), row_);
  const auto state = duckdb_append_data_chunk(appender_.get(), chunk_.get());
  begin_chunk();
  if (state != DuckDBSuccess) return fail(appender_error());
  return {};
}

Status SourceRowAppender::flush() {
  MILLRACE_TRY(append_chunk());
  if (duckdb_appender_flush(appender_.get()) != DuckDBSuccess) return fail(appender_error());
  return {};
}

Error SourceRowAppender::appender_error() {
  duck::Owned<duckdb_error_data, duckdb_destroy_error_data> data(duckdb_appender_error_data(appender_.get()));
  return duck::error_of(duckdb_error_data_error_type(data.get()), duckdb_error_data_message(data.get()));
}

}  // namespace millrace
