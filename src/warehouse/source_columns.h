#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time_zone.h"
#include "event/row_changes.h"
#include "warehouse/duck.h"

namespace millrace {

/// What a column of a MySQL or MariaDB table is in the warehouse. The table of both: docs/how-to/sources.md.
struct SourceColumn {
  enum class Form : std::uint8_t {
    kInteger,    ///< of `bits` bits
    kDecimal,    ///< of `precision` digits, `scale` of them after the point
    kFloat,      ///< 32 or 64 bits
    kDate,       ///< DATE
    kDateTime,   ///< TIMESTAMP: the clock of the source's zone, turned into UTC
    kTimestamp,  ///< TIMESTAMP: is in UTC already
    kTime,       ///< INTERVAL, since it may be negative or longer than a day
    kText,       ///< VARCHAR
    kBytes,      ///< BLOB
  };

  std::string name;
  Form form = Form::kText;
  bool is_unsigned = false;
  std::uint8_t bits = 64;
  std::uint8_t precision = 0;
  std::uint8_t scale = 0;

  static SourceColumn of(const ColumnSchema& schema);

  /// Return the type in DuckDB's SQL: "UBIGINT", "DECIMAL(10,2)".
  std::string sql_type() const;
};

/// A value that does not fit its column.
struct RejectedCell {
  std::size_t column = 0;
  std::string_view value;
  const char* reason = "";  ///< a fixed text
};

/// Appends rows of text cells to a table, each read as its column's type. A value that is none of its type
/// becomes NULL and is returned, so that nothing is lost. Destroy it before the transaction ends.
class SourceRowAppender {
 public:
  /// The table has the columns of `schema`, then `extra_columns` BIGINTs; `name` may be "schema.table" parts.
  static Result<std::unique_ptr<SourceRowAppender>> open(duck::Connection& connection,
                                                         const std::string& schema_name,
                                                         const std::string& table, const TableSchema& schema,
                                                         const TimeZone& zone, std::size_t extra_columns = 0);

  /// Append a row, with values for the extra columns. What was rejected is in `rejected` until the next row.
  /// Errors: kOverloaded, kNoSpace, kInternal.
  Status append(const std::vector<RowCell>& row, std::initializer_list<std::int64_t> extra = {});
  const std::vector<RejectedCell>& rejected() const { return rejected_; }

  /// Hand everything to the transaction.
  Status flush();

 private:
  struct Target {
    duckdb_vector vector = nullptr;
    void* data = nullptr;
    std::uint64_t* validity = nullptr;
  };
  explicit SourceRowAppender(const TimeZone& zone) : zone_(zone) {}

  void begin_chunk();
  Status append_chunk();
  const char* put(std::size_t column, std::string_view value);
  const char* put_integer(const SourceColumn& column, Target& target, std::string_view value);
  const char* put_decimal(const SourceColumn& column, Target& target, std::string_view value);
  const char* put_float(const SourceColumn& column, Target& target, std::string_view value);
  const char* put_time(const SourceColumn& column, Target& target, std::string_view value);
  void put_bytes(Target& target, std::string_view value);
  void put_null(Target& target);
  Error appender_error();

  template <class T>
  void set(Target& target, T value) {
    static_cast<T*>(target.data)[row_] = value;
  }

  const TimeZone zone_;
  std::vector<SourceColumn> columns_;
  duck::Owned<duckdb_appender, duckdb_appender_destroy> appender_;
  duck::DataChunk chunk_;
  std::vector<Target> targets_;
  std::vector<RejectedCell> rejected_;
  std::size_t row_ = 0;
};

}  // namespace millrace
