#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/row_changes.h"
#include "warehouse/duck.h"
#include "warehouse/source_tables.h"

/// The statements behind the tables of sources (warehouse/source_tables.h).
namespace millrace::source_sql {

/// How many BIGINT columns a table of changes has behind those of its table: op, sequence, hash of the key,
/// when it was committed (0: not known).
inline constexpr std::size_t kChangeColumns = 4;

extern const char* const kMakeProgress;
extern const char* const kReadStates;
extern const char* const kReadStreams;

/// Read a row of kReadStates.
SourceTableState read_state(const duck::Rows& rows, std::size_t row);
Status write_state(duck::Connection& connection, const std::string& source, const std::string& table,
                   const SourceTableState& state);

std::string quote_name(std::string_view name);
/// Return "\"id\" INTEGER, …".
std::string columns_with_types(const TableSchema& schema);
std::string staging_name(std::string_view table);
std::string make_schema(std::string_view source);
std::string make_staging(std::string_view source, std::string_view table, const TableSchema& schema);
/// Put the staging table in the place of the table.
std::string exchange(std::string_view source, std::string_view table);

/// Give the table the columns of `after` behind those of `before`. "" when there is nothing to do.
std::string alter(std::string_view source, std::string_view table, const TableSchema& before,
                  const TableSchema& after);

std::string make_changes(std::string_view name, const TableSchema& schema);
/// Bring the changes of the temporary table `changes`, of each key the last, into the table, and drop it.
std::string merge(std::string_view source, std::string_view table, std::string_view changes,
                  const TableSchema& schema);

/// Drop what was rejected of other readings of the table than `run`.
std::string forget_rejected(std::string_view source, std::string_view table, std::string_view run);
std::string count_rows(std::string_view source, std::string_view table);
std::string count_rejected(std::string_view source, std::string_view table);

}  // namespace millrace::source_sql
