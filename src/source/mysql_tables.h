#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/row_changes.h"
#include "source/charset.h"
#include "source/keyset.h"
#include "source/mysql_connection.h"
#include "source/mysql_source.h"

namespace millrace {

/// A row may have so many bytes of values: a record of the log holds 16 MiB.
inline constexpr std::size_t kMysqlRowBytesMax = 15 << 20;

/// A column of a table, read or not, in the table's order: as its rows lie in the binary log.
struct MysqlColumn {
  ColumnSchema schema;
  std::string charset;  ///< of text
  std::shared_ptr<const ByteCharset>
      bytes;                      ///< of text whose characters are one byte each and not in ASCII or latin1
  bool is_read = false;           ///< it is the next of those in MysqlTable::schema
  bool is_virtual = false;        ///< computed when it is read
  bool is_null_at_first = false;  ///< rows that were there before it was added have NULL
};

/// A table that is to be read, and how.
struct MysqlTable {
  std::string name;
  std::vector<MysqlColumn> columns;      ///< all it has
  TableSchema schema;                    ///< of the columns that are read
  std::vector<std::string> expressions;  ///< what to select for each of them
  /// Behind them: NULL, or of a row that no record can hold, whose large columns are NULL then, the bytes of
  /// each of `large`, a space between two. Empty when no column can be so large.
  std::string sizes_expression;
  std::vector<std::string> large;  ///< columns that may be large
  std::vector<KeyColumn> key;      ///< as schema.key
  std::string key_index;
  bool whole = false;         ///< in one piece: it has no key
  bool is_versioned = false;  ///< the server keeps what rows were before among them
  std::optional<KeyColumn> cursor;
  bool cursor_is_time = false;
  std::string cursor_index;  ///< begins with the cursor's column; empty: there is none
  std::uint64_t rows_estimate = 0;
  std::optional<Error> problem;  ///< why it cannot be read, with what to do
};

/// Ask the server for the tables that the source's configuration chooses, those in `only` alone unless it is
/// empty, by name. A table that cannot be read is among them, with its problem. Errors: kNotFound for a name
/// in `only` that the source does not have; those of the connection.
Result<std::vector<MysqlTable>> read_mysql_tables(MysqlConnection& connection, const MysqlSource& source,
                                                  const std::vector<std::string>& only);

}  // namespace millrace
