#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/row_changes.h"
#include "source/gtid.h"

namespace millrace {

// The events of MariaDB's and MySQL's binary log that matter to who follows rows. Layouts: the pages
// "Replication Protocol" of MariaDB's documentation. All bytes come from another machine: nothing is taken on
// trust.

/// Takes numbers and bytes off the front of what is left. After something was not there `ok` is false and
/// everything is zero or empty.
class BinlogBytes {
 public:
  explicit BinlogBytes(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  std::string_view take(std::size_t size);
  /// Least significant byte first, `size` at most 8.
  std::uint64_t little(std::size_t size);
  /// Most significant byte first.
  std::uint64_t big(std::size_t size);
  /// A number of 1, 3, 4 or 9 bytes.
  std::uint64_t packed();

 private:
  std::string_view rest_;
  bool ok_ = true;
};

enum class BinlogEventType : std::uint8_t {
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kFormat = 15,
  kXid = 16,
  kTableMap = 19,
  kWriteRowsV1 = 23,
  kUpdateRowsV1 = 24,
  kDeleteRowsV1 = 25,
  kIncident = 26,
  kHeartbeat = 27,
  kWriteRows = 30,
  kUpdateRows = 31,
  kDeleteRows = 32,
  kXaPrepare = 38,
  kPartialUpdateRows = 39,
  kGtid = 162,
  kQueryCompressed = 165,
  kFirstCompressedRows = 166,
  kLastCompressedRows = 171,
};

struct BinlogEvent {
  std::uint32_t time_s = 0;  ///< when the statement began, by the server's clock
  BinlogEventType type{};
  std::uint32_t server = 0;  ///< where it happened first
  std::uint16_t flags = 0;
  std::string_view body;  ///< without header
};

/// Read the header of an event; the body is the rest. Errors: kCorrupt.
Result<BinlogEvent> parse_binlog_event(std::string_view bytes);

/// What begins a transaction.
struct BinlogGtid {
  std::uint64_t sequence = 0;
  std::uint32_t domain = 0;
  bool standalone = false;  ///< one statement, without a commit behind it
  bool ddl = false;
  bool prepared = false;  ///< of an XA transaction that may still be rolled back
};
Result<BinlogGtid> parse_gtid_event(std::string_view body);

struct BinlogQuery {
  std::string_view database;
  std::string_view statement;
  std::uint16_t error = 0;
};
Result<BinlogQuery> parse_query_event(std::string_view body);

/// How the rows of a table lie in the events that follow.
struct BinlogTableMap {
  struct Column {
    std::uint8_t type = 0;   ///< of MYSQL_TYPE_…; ENUM and SET are told from STRING
    std::uint16_t meta = 0;  ///< by type
    bool operator==(const Column&) const = default;
  };
  std::uint64_t table_id = 0;
  std::string database;
  std::string table;
  std::vector<Column> columns;
  bool operator==(const BinlogTableMap&) const = default;
};
Result<BinlogTableMap> parse_table_map_event(std::string_view body);

/// Rows of one table. The views live as long as the event.
struct BinlogRows {
  RowOp op = RowOp::kInsert;
  std::uint64_t table_id = 0;
  std::size_t columns = 0;
  std::string_view before;  ///< which columns the images have, a bit each; of an insert: the new image
  std::string_view after;   ///< of an update alone
  std::string_view images;
};
/// Return whether `type` is one that `parse_rows_event` reads.
bool is_rows_event(BinlogEventType type);
Result<BinlogRows> parse_rows_event(BinlogEventType type, std::string_view body);

}  // namespace millrace
