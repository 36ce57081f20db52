#pragma once

#include <optional>
#include <string>

#include <duckdb.h>

#include "base/result.h"
#include "event/json_writer.h"

namespace millrace {

/// Write a whole number, or with `scale` a decimal in units of its last digit, in the forms of `write_cell`.
__extension__ void write_wide(JsonWriter& json, __int128 units, std::optional<unsigned> scale);

/// Return a cell that compares as a number: whole numbers, DECIMAL (in units), BOOLEAN, DATE, times, UUID;
/// nothing when the type is none of these. Needs a cell that is not NULL.
__extension__ std::optional<__int128> wide_cell(duckdb_vector vector, duckdb_logical_type type, idx_t row);

/// Return a column type as SQL writes it: "DECIMAL(18,4)", "VARCHAR[]". Errors: kInvalid for the few types
/// that have no form in our JSON (BIT, TIME WITH TIME ZONE, UNION …), with the remedy.
Result<std::string> sql_type_name(duckdb_logical_type type);

/// Write one cell as JSON: integers beyond 2^53 and DECIMALs as strings, times in ISO 8601 with Z, BLOBs in
/// base64, lists as arrays, structs as objects, maps as arrays of {"key","value"}. Needs a type that
/// `sql_type_name` accepts.
void write_cell(JsonWriter& json, duckdb_vector vector, duckdb_logical_type type, idx_t row);

}  // namespace millrace
