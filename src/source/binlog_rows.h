#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/row_changes.h"
#include "source/binlog_events.h"
#include "source/charset.h"
#include "source/mysql_tables.h"

namespace millrace {

/// Reads the rows of one table out of the binary log into the cells that an extraction of it gives
/// (event/row_changes.h), the columns alone that are read. Threads: one at a time.
class BinlogRowReader {
 public:
  /// Errors: kInvalid when rows so laid out are not those of `table` as it is now, which was altered in
  /// between; kDenied when they have a form that cannot be read, with what to do.
  static Result<BinlogRowReader> make(const BinlogTableMap& map, const MysqlTable& table);

  /// Append the op and the cells of each row. Return how many rows there were. After an error `out` has rows
  /// that do not count. Errors: kCorrupt; kDenied when a column is missing in the images, with the setting.
  Result<std::uint64_t> read(const BinlogRows& rows, std::string& out);

 private:
  /// How the bytes of a value become its text.
  enum class Form : std::uint8_t {
    kInteger,
    kFloat,
    kDouble,
    kDecimal,
    kYear,
    kBit,
    kDate,
    kOldTime,
    kOldDatetime,
    kOldTimestamp,
    kTime,
    kDatetime,
    kTimestamp,
    kText,   ///< a length, then bytes
    kBytes,  ///< the same, filled up with zeros to `size` when that is not 0
    kEnum,
    kSet,
    kUuid,
    kInet,
  };
  struct Column {
    std::string name;
    Form form = Form::kInteger;
    bool is_read = false;
    bool is_virtual = false;
    bool is_unsigned = false;
    std::uint8_t size = 0;           ///< bytes of the value, or of its length
    std::uint16_t width = 0;         ///< bytes that the server cut zeros off to; 0: it did not
    std::uint8_t precision = 0;      ///< of a decimal; digits of fractions of seconds
    std::uint8_t scale = 0;          ///< of a decimal
    std::vector<std::string> names;  ///< of ENUM and SET
    CharsetReader charset{""};
  };

  static Result<Column> describe(const BinlogTableMap::Column& stored, const MysqlColumn& column);
  static Status describe_number(const BinlogTableMap::Column& stored, const MysqlColumn& is, Column& column);
  static Status describe_time(const BinlogTableMap::Column& stored, const MysqlColumn& is, Column& column);
  static Status describe_bytes(const BinlogTableMap::Column& stored, const MysqlColumn& is, Column& column);
  Status read_image(BinlogBytes& in, std::string_view present, std::string& out);
  std::string_view value(Column& column, BinlogBytes& in);
  std::string_view set_names(const Column& column, std::uint64_t bits);
  std::string_view padded(const Column& column, std::string_view bytes);

  std::string table_;
  std::vector<Column> columns_;
  std::size_t missing_ = 0;  ///< columns at the end that are read and that rows so laid out do not have yet
  std::string scratch_;
};

/// Return the names in "enum('a','it''s')". Empty for what is no such text.
std::vector<std::string> read_enum_names(std::string_view column_type);

}  // namespace millrace
