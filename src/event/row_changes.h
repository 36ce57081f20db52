#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

// Rows of another database's tables on their way through the log: how they lie in the records of the topics
// `source.NAME`. Bytes: docs/formats/row-changes.md.

/// One column as the database describes it.
struct ColumnSchema {
  std::string name;
  std::string data_type;    ///< "bigint", "varchar", … in lower case
  std::string column_type;  ///< "bigint(20) unsigned", "enum('a','b')": for people
  bool is_unsigned = false;
  std::uint32_t precision = 0;  ///< of a decimal
  std::uint32_t scale = 0;

  bool operator==(const ColumnSchema&) const = default;
};

/// What the cells of a table's rows mean.
struct TableSchema {
  std::vector<ColumnSchema> columns;
  std::vector<std::string> key;  ///< names of the columns that make a row unique; empty: nothing does
  std::string zone = "UTC";      ///< whose clock a DATETIME shows, an IANA name

  bool operator==(const TableSchema&) const = default;

  std::string to_json() const;
  /// Errors: kCorrupt.
  static Result<TableSchema> from_json(std::string_view text);
  /// Return the places of the key's columns. Needs a key of columns that are there.
  std::vector<std::size_t> key_places() const;
};

/// Return a number that differs for schemas that differ.
std::uint64_t schema_id(const TableSchema& schema);

enum class RowRecordKind : std::uint8_t {
  kBegin = 1,    ///< a table is read from its beginning; the payload is its TableSchema as JSON
  kRows = 2,     ///< rows of it, in the order of the key
  kEnd = 3,      ///< all its rows have come: `count` in all
  kPublish = 4,  ///< the tables named take the place of what was there; the payload has a cell run and a cell
                 ///< table for each
  kChanges = 5,  ///< rows that came, changed or went; those of no run are followed by a commit
  kCommit = 6,   ///< the changes since the last one are whole transactions, up to `position`
  kAlter =
      7,  ///< a table has the columns of the payload from now on: those it had, and more of NULLs at the end
};

enum class RowOp : std::uint8_t {
  kUpsert = 1,  ///< one row: it is so now, whether it was there or not
  kInsert = 2,  ///< one row: it is new
  kUpdate = 3,  ///< two rows: as it was, and as it is
  kDelete = 4,  ///< one row: it was so, and is gone
  kMoment = 5,  ///< no row: the changes behind it were committed then, a cell of microseconds since 1970
};

/// One record. The views live as long as the bytes it was read from.
struct RowRecord {
  RowRecordKind kind = RowRecordKind::kRows;
  std::string_view run;         ///< the reading it belongs to: begin, rows and end of a table share one
  std::string_view table;       ///< of the source; empty for kPublish and kCommit
  std::uint64_t schema_id = 0;  ///< what the cells mean
  std::string_view position;    ///< of the source when this was true, such as its GTID; may be empty
  /// Where to read on after it, as cells: of kRows the key of the last row, of kBegin (when there is a
  /// cursor) and kChanges the cursor's value.
  std::string_view resume;
  std::uint64_t count = 0;   ///< rows in it
  std::string_view payload;  ///< by kind; rows: cells of each row; changes: op and cells of each
};

/// Append the record's bytes to `out`.
void encode_row_record(const RowRecord& record, std::string& out);

/// Errors: kCorrupt; kInvalid for a version this program does not know.
Result<RowRecord> decode_row_record(std::string_view bytes);

/// The bytes of a value as MySQL's text protocol gives them; nothing for NULL.
using RowCell = std::optional<std::string_view>;

/// Append one cell.
void append_cell(const RowCell& cell, std::string& out);
void append_op(RowOp op, std::string& out);

/// Takes cells off a payload, one after the other. Views point into the payload.
class CellReader {
 public:
  explicit CellReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  /// Errors: kCorrupt when it is cut short.
  Result<RowCell> next();
  /// Fill all of `row`. Errors: kCorrupt.
  Status next_row(std::vector<RowCell>& row);
  Result<RowOp> next_op();

 private:
  std::string_view rest_;
};

/// Read all cells of `bytes`. Errors: kCorrupt.
Result<std::vector<std::optional<std::string>>> read_cells(std::string_view bytes);

}  // namespace millrace
