#include "warehouse/json_cells.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

using duck::LogicalType;

constexpr std::int64_t kExactIntegerMax = 1ll << 53;

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

struct ScalarType {
  duckdb_type id;
  const char* name;
};
constexpr ScalarType kScalarTypes[] = {
    {DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},
    {DUCKDB_TYPE_TINYINT, "TINYINT"},
    {DUCKDB_TYPE_SMALLINT, "SMALLINT"},
    {DUCKDB_TYPE_INTEGER, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, "BIGINT"},
    {DUCKDB_TYPE_UTINYINT, "UTINYINT"},
    {DUCKDB_TYPE_USMALLINT, "USMALLINT"},
    {DUCKDB_TYPE_UINTEGER, "UINTEGER"},
    {DUCKDB_TYPE_UBIGINT, "UBIGINT"},
    {DUCKDB_TYPE_HUGEINT, "HUGEINT"},
    {DUCKDB_TYPE_UHUGEINT, "UHUGEINT"},
    {DUCKDB_TYPE_FLOAT, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, "DOUBLE"},
    {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP_S"},
    {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP_MS"},
    {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP_NS"},
    {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
    {DUCKDB_TYPE_DATE, "DATE"},
    {DUCKDB_TYPE_TIME, "TIME"},
    {DUCKDB_TYPE_INTERVAL, "INTERVAL"},
    {DUCKDB_TYPE_VARCHAR, "VARCHAR"},
    {DUCKDB_TYPE_BLOB, "BLOB"},
    {DUCKDB_TYPE_UUID, "UUID"},
    {DUCKDB_TYPE_ENUM, "ENUM"},
    {DUCKDB_TYPE_SQLNULL, "NULL"},
};

LogicalType child_of(duckdb_logical_type type) {
  return LogicalType(duckdb_get_type_id(type) == DUCKDB_TYPE_ARRAY ? duckdb_array_type_child_type(type)
                                                                   : duckdb_list_type_child_type(type));
}

Result<std::string> struct_name(duckdb_logical_type type) {
  std::string name = "STRUCT(";
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    char* field = duckdb_struct_type_child_name(type, i);
    name += fmt::format("{}{} ", i == 0 ? "" : ", ", field);
    duckdb_free(field);
    MILLRACE_ASSIGN(const auto child,
                    sql_type_name(LogicalType(duckdb_struct_type_child_type(type, i)).get()));
    name += child;
  }
  return name + ")";
}

Result<std::string> list_name(duckdb_logical_type type, const std::string& length) {
  MILLRACE_ASSIGN(const auto child, sql_type_name(child_of(type).get()));
  return fmt::format("{}[{}]", child, length);
}

Result<std::string> map_name(duckdb_logical_type type) {
  MILLRACE_ASSIGN(const auto key, sql_type_name(LogicalType(duckdb_map_type_key_type(type)).get()));
  MILLRACE_ASSIGN(const auto value, sql_type_name(LogicalType(duckdb_map_type_value_type(type)).get()));
  return fmt::format("MAP({}, {})", key, value);
}

template <class T>
const T& at(duckdb_vector vector, idx_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

bool is_null(duckdb_vector vector, idx_t row) {
  auto* validity = duckdb_vector_get_validity(vector);
  return validity != nullptr && !duckdb_validity_row_is_valid(validity, row);
}

template <class T>
void write_integer(JsonWriter& json, T value) {
  if (std::cmp_less_equal(value, kExactIntegerMax) && std::cmp_greater_equal(value, -kExactIntegerMax)) {
    json.integer(static_cast<std::int64_t>(value));
  } else {
    json.text(fmt::to_string(value));
  }
}

Int128 wide(const duckdb_hugeint& value) {
  return static_cast<Int128>((static_cast<UInt128>(static_cast<std::uint64_t>(value.upper)) << 64) |
                             value.lower);
}

std::string digits(UInt128 value) {
  std::string out;
  do {
    out.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  std::ranges::reverse(out);
  return out;
}

void write_huge(JsonWriter& json, bool negative, UInt128 magnitude) {
  if (magnitude <= static_cast<UInt128>(kExactIntegerMax)) {
    const auto small = static_cast<std::int64_t>(magnitude);
    json.integer(negative ? -small : small);
  } else {
    json.text((negative ? "-" : "") + digits(magnitude));
  }
}

void write_huge(JsonWriter& json, Int128 value) {
  write_huge(json, value < 0, value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value));
}

std::string decimal_text(Int128 units, unsigned scale) {
  auto text = digits(units < 0 ? -static_cast<UInt128>(units) : static_cast<UInt128>(units));
  if (scale > 0) {
    if (text.size() <= scale) text.insert(0, scale + 1 - text.size(), '0');
    text.insert(text.size() - scale, ".");
  }
  return (units < 0 ? "-" : "") + text;
}

Int128 decimal_units(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  switch (duckdb_decimal_internal_type(type)) {
    case DUCKDB_TYPE_SMALLINT:
      return at<std::int16_t>(vector, row);
    case DUCKDB_TYPE_INTEGER:
      return at<std::int32_t>(vector, row);
    case DUCKDB_TYPE_BIGINT:
      return at<std::int64_t>(vector, row);
    default:
      return wide(at<duckdb_hugeint>(vector, row));
  }
}

/// DuckDB's calendar is longer than ours and has infinities: those are written as it would.
void write_time(JsonWriter& json, std::int64_t us) {
  if (us >= kTimeMin && us <= kTimeMax) {
    json.time(us);
  } else if (!duckdb_is_finite_timestamp({us})) {
    json.text(us > 0 ? "infinity" : "-infinity");
  } else {
    json.text(fmt::format("{} us since 1970", us));
  }
}

/// Write `ticks`, of which `us_per_tick` make a microsecond's multiple; infinities stay what they are.
void write_scaled_time(JsonWriter& json, std::int64_t ticks, std::int64_t us_per_tick) {
  std::int64_t us = 0;
  if (!duckdb_is_finite_timestamp({ticks}) || __builtin_mul_overflow(ticks, us_per_tick, &us)) us = ticks;
  write_time(json, us);
}

void write_date(JsonWriter& json, std::int32_t days) {
  const auto us = days * kDayUs;
  if (us >= kTimeMin && us <= kTimeMax) {
    json.text(format_date(us));
  } else {
    json.text(duckdb_is_finite_date({days}) ? fmt::format("{} days since 1970", days)
                                            : (days > 0 ? "infinity" : "-infinity"));
  }
}

std::string time_of_day(std::int64_t us) {
  return fmt::format("{:02}:{:02}:{:02}.{:06}", us / kHourUs, us / kMinuteUs % 60, us / kSecondUs % 60,
                     us % kSecondUs);
}

std::string duration_text(const duckdb_interval& interval) {
  return fmt::format("P{}M{}DT{}S", interval.months, interval.days, decimal_text(interval.micros, 6));
}

std::string uuid_text(const duckdb_hugeint& value) {
  const auto high =
      static_cast<std::uint64_t>(value.upper) ^ (1ull << 63);  // stored so that it sorts as signed
  const auto hex = fmt::format("{:016x}{:016x}", high, value.lower);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string_view string_at(duckdb_vector vector, idx_t row) {
  const auto& string = at<duckdb_string_t>(vector, row);
  const auto length = string.value.inlined.length;
  return {duckdb_string_is_inlined(string) ? string.value.inlined.inlined : string.value.pointer.ptr, length};
}

void write_enum(JsonWriter& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  idx_t index = 0;
  switch (duckdb_enum_internal_type(type)) {
    case DUCKDB_TYPE_UTINYINT:
      index = at<std::uint8_t>(vector, row);
      break;
    case DUCKDB_TYPE_USMALLINT:
      index = at<std::uint16_t>(vector, row);
      break;
    default:
      index = at<std::uint32_t>(vector, row);
  }
  char* name = duckdb_enum_dictionary_value(type, index);
  json.text(name);
  duckdb_free(name);
}

void write_elements(JsonWriter& json, duckdb_vector child, duckdb_logical_type type,
                    duckdb_list_entry range) {
  const auto child_type = child_of(type);
  json.begin_array();
  for (idx_t i = 0; i < range.length; ++i) write_cell(json, child, child_type.get(), range.offset + i);
  json.end_array();
}

void write_array(JsonWriter& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  const auto size = duckdb_array_type_array_size(type);
  write_elements(json, duckdb_array_vector_get_child(vector), type, {row * size, size});
}

void write_struct(JsonWriter& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  json.begin_object();
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    char* name = duckdb_struct_type_child_name(type, i);
    json.key(name);
    duckdb_free(name);
    write_cell(json, duckdb_struct_vector_get_child(vector, i),
               LogicalType(duckdb_struct_type_child_type(type, i)).get(), row);
  }
  json.end_object();
}

void write_number(JsonWriter& json, duckdb_vector vector, duckdb_type id, idx_t row) {
  switch (id) {
    case DUCKDB_TYPE_TINYINT:
      return write_integer(json, at<std::int8_t>(vector, row) + 0);
    case DUCKDB_TYPE_SMALLINT:
      return write_integer(json, at<std::int16_t>(vector, row));
    case DUCKDB_TYPE_INTEGER:
      return write_integer(json, at<std::int32_t>(vector, row));
    case DUCKDB_TYPE_BIGINT:
      return write_integer(json, at<std::int64_t>(vector, row));
    case DUCKDB_TYPE_UTINYINT:
      return write_integer(json, at<std::uint8_t>(vector, row) + 0);
    case DUCKDB_TYPE_USMALLINT:
      return write_integer(json, at<std::uint16_t>(vector, row));
    case DUCKDB_TYPE_UINTEGER:
      return write_integer(json, at<std::uint32_t>(vector, row));
    case DUCKDB_TYPE_UBIGINT:
      return write_integer(json, at<std::uint64_t>(vector, row));
    case DUCKDB_TYPE_HUGEINT:
      return write_huge(json, wide(at<duckdb_hugeint>(vector, row)));
    case DUCKDB_TYPE_UHUGEINT: {
      const auto& value = at<duckdb_uhugeint>(vector, row);
      return write_huge(json, false, (static_cast<UInt128>(value.upper) << 64) | value.lower);
    }
    case DUCKDB_TYPE_FLOAT:
      json.number(static_cast<double>(at<float>(vector, row)));
      return;
    default:
      json.number(at<double>(vector, row));
  }
}

void write_temporal(JsonWriter& json, duckdb_vector vector, duckdb_type id, idx_t row) {
  switch (id) {
    case DUCKDB_TYPE_DATE:
      return write_date(json, at<std::int32_t>(vector, row));
    case DUCKDB_TYPE_TIME:
      json.text(time_of_day(at<std::int64_t>(vector, row)));
      return;
    case DUCKDB_TYPE_INTERVAL:
      json.text(duration_text(at<duckdb_interval>(vector, row)));
      return;
    case DUCKDB_TYPE_TIMESTAMP_S:
      return write_scaled_time(json, at<std::int64_t>(vector, row), kSecondUs);
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return write_scaled_time(json, at<std::int64_t>(vector, row), kMillisecondUs);
    case DUCKDB_TYPE_TIMESTAMP_NS: {
      const auto ns = at<std::int64_t>(vector, row);
      return write_time(json, duckdb_is_finite_timestamp({ns}) ? ns / 1000 : ns);
    }
    default:
      return write_time(json, at<std::int64_t>(vector, row));
  }
}

}  // namespace

void write_wide(JsonWriter& json, Int128 units, std::optional<unsigned> scale) {
  scale ? static_cast<void>(json.text(decimal_text(units, *scale))) : write_huge(json, units);
}

std::optional<Int128> wide_cell(duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_UTINYINT:
      return at<std::uint8_t>(vector, row);
    case DUCKDB_TYPE_TINYINT:
      return at<std::int8_t>(vector, row);
    case DUCKDB_TYPE_SMALLINT:
      return at<std::int16_t>(vector, row);
    case DUCKDB_TYPE_USMALLINT:
      return at<std::uint16_t>(vector, row);
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return at<std::int32_t>(vector, row);
    case DUCKDB_TYPE_UINTEGER:
      return at<std::uint32_t>(vector, row);
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return at<std::int64_t>(vector, row);
    case DUCKDB_TYPE_UBIGINT:
      return at<std::uint64_t>(vector, row);
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UUID:
      return wide(at<duckdb_hugeint>(vector, row));
    case DUCKDB_TYPE_DECIMAL:
      return decimal_units(vector, type, row);
    default:
      return std::nullopt;
  }
}

Result<std::string> sql_type_name(duckdb_logical_type type) {
  const auto id = duckdb_get_type_id(type);
  for (const auto& scalar : kScalarTypes) {
    if (scalar.id == id) return std::string(scalar.name);
  }
  switch (id) {
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("DECIMAL({},{})", duckdb_decimal_width(type), duckdb_decimal_scale(type));
    case DUCKDB_TYPE_LIST:
      return list_name(type, "");
    case DUCKDB_TYPE_ARRAY:
      return list_name(type, std::to_string(duckdb_array_type_array_size(type)));
    case DUCKDB_TYPE_STRUCT:
      return struct_name(type);
    case DUCKDB_TYPE_MAP:
      return map_name(type);
    default:
      return fail(Code::kInvalid,
                  "a column has a type that JSON cannot hold: cast it, as in CAST(x AS VARCHAR)");
  }
}

void write_cell(JsonWriter& json, duckdb_vector vector, duckdb_logical_type type, idx_t row) {
  if (is_null(vector, row)) {
    json.null();
    return;
  }
  switch (const auto id = duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_SQLNULL:
      json.null();
      return;
    case DUCKDB_TYPE_BOOLEAN:
      json.boolean(at<bool>(vector, row));
      return;
    case DUCKDB_TYPE_VARCHAR:
      json.text(string_at(vector, row));
      return;
    case DUCKDB_TYPE_BLOB:
      json.text(base64_encode(string_at(vector, row)));
      return;
    case DUCKDB_TYPE_UUID:
      json.text(uuid_text(at<duckdb_hugeint>(vector, row)));
      return;
    case DUCKDB_TYPE_ENUM:
      return write_enum(json, vector, type, row);
    case DUCKDB_TYPE_DECIMAL:
      json.text(decimal_text(decimal_units(vector, type, row), duckdb_decimal_scale(type)));
      return;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_MAP:  // stored as a list of structs (key, value)
      return write_elements(json, duckdb_list_vector_get_child(vector), type,
                            at<duckdb_list_entry>(vector, row));
    case DUCKDB_TYPE_ARRAY:
      return write_array(json, vector, type, row);
    case DUCKDB_TYPE_STRUCT:
      return write_struct(json, vector, type, row);
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_INTERVAL:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return write_temporal(json, vector, id, row);
    default:
      return write_number(json, vector, id, row);
  }
}

}  // namespace millrace
