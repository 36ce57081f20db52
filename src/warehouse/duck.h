#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <duckdb.h>

#include "base/decimal.h"
#include "base/result.h"
#include "base/time.h"

/// DuckDB's C API with owners and Results. Only src/warehouse/ includes this; other layers use what is built
/// on it.
namespace millrace::duck {

/// Owns a handle of the C API and gives it back.
template <class Handle, auto destroy>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() { reset(); }

  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }
  void reset() {
    if (handle_) destroy(&handle_);
    handle_ = Handle{};
  }

 private:
  Handle handle_{};
};

using LogicalType = Owned<duckdb_logical_type, duckdb_destroy_logical_type>;
using DataChunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using PreparedStatement = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;
using ExtractedStatements = Owned<duckdb_extracted_statements, duckdb_destroy_extracted>;

/// Return DuckDB's message, or something in its place when it gave none.
std::string words(const char* message);

/// Turn DuckDB's failure into ours: out of memory is kOverloaded, a full disk kNoSpace, an interrupt
/// kCancelled, what the query got wrong kInvalid.
Error error_of(duckdb_error_type type, const char* message);

/// What a statement's `?` stand for.
using Value = std::variant<std::int64_t, double, std::string_view>;

/// What a connection and those who work through it share.
struct Session {
  Owned<duckdb_connection, duckdb_disconnect> handle;
  std::shared_ptr<std::atomic<bool>> lost;  ///< set when DuckDB says that the database must be opened again
  bool in_transaction = false;
};

class Connection;

/// Begins a transaction, and rolls it back at the end of the scope unless it was committed.
class Transaction {
 public:
  /// Errors: kInvalid when the connection is in one already.
  static Result<Transaction> begin(Connection& connection, const char* sql = "BEGIN TRANSACTION");
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  friend class Connection;
  static Result<Transaction> begin(const std::shared_ptr<Session>& session, const char* sql);
  explicit Transaction(std::shared_ptr<Session> session) : session_(std::move(session)) {}
  Status end(const char* sql);

  std::shared_ptr<Session> session_;  ///< none: ended, or moved away
};

/// The rows of a query, a chunk at a time. Text views live until the next `next_chunk`.
/// Needs the connection it came from, which can run nothing else until a streamed Rows is gone.
class Rows {
 public:
  /// `own`: the transaction of rows that are made as they are fetched; it is committed after the last.
  explicit Rows(const duckdb_result& result, std::optional<Transaction> own = std::nullopt);
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  /// Go to the next chunk; false when there is none. Errors: as the query's.
  Result<bool> next_chunk();
  /// Return the rows in the present chunk.
  std::size_t size() const { return size_; }
  duckdb_data_chunk chunk() const { return chunk_.get(); }

  std::size_t column_count();
  std::string column_name(std::size_t column);
  LogicalType column_type(std::size_t column);

  bool is_null(std::size_t column, std::size_t row) const;
  /// Read a cell whose SQL type has that form: BIGINT and TIMESTAMP (µs), UBIGINT, INTEGER, DOUBLE, BOOLEAN,
  /// VARCHAR or BLOB, DECIMAL(18,4). Needs a cell that is not NULL; `text` gives "" for NULL.
  std::int64_t int64(std::size_t column, std::size_t row) const { return cell<std::int64_t>(column, row); }
  std::uint64_t uint64(std::size_t column, std::size_t row) const { return cell<std::uint64_t>(column, row); }
  std::int32_t int32(std::size_t column, std::size_t row) const { return cell<std::int32_t>(column, row); }
  double real(std::size_t column, std::size_t row) const { return cell<double>(column, row); }
  float single(std::size_t column, std::size_t row) const { return cell<float>(column, row); }
  bool boolean(std::size_t column, std::size_t row) const { return cell<bool>(column, row); }
  Decimal decimal(std::size_t column, std::size_t row) const {
    return Decimal::from_units(int64(column, row));
  }
  std::string_view text(std::size_t column, std::size_t row) const;

 private:
  struct Column {
    const void* data = nullptr;
    const std::uint64_t* validity = nullptr;
  };
  template <class T>
  T cell(std::size_t column, std::size_t row) const {
    return static_cast<const T*>(columns_[column].data)[row];
  }

  std::optional<Transaction> own_;  ///< before the rest: ends after it
  duckdb_result result_;
  bool owns_ = true;
  DataChunk chunk_;
  std::size_t size_ = 0;
  std::vector<Column> columns_;
};

/// A session with the database. One thread at a time, but `interrupt` from any.
///
/// A statement outside a transaction gets one of its own, begun before it is planned: DuckDB would plan it in
/// one and run it in another, and a plan leaves out conditions which all rows meet that are there when it is
/// made. Rows that others commit in between would pass.
class Connection {
 public:
  /// `lost` is set when DuckDB says that the database must be opened again.
  Connection(duckdb_connection connection, std::shared_ptr<std::atomic<bool>> lost)
      : session_(new Session{.handle = Handle(connection), .lost = std::move(lost)}) {}

  /// Run one or more statements for their effect.
  Status execute(const std::string& sql);
  /// Run one statement and keep all its rows in memory.
  Result<Rows> query(const std::string& sql, std::span<const Value> values = {});
  Result<Rows> query(const std::string& sql, std::initializer_list<Value> values) {
    return query(sql, std::span(values.begin(), values.size()));
  }
  /// Run one statement whose rows are made as they are fetched.
  Result<Rows> stream(const std::string& sql, std::span<const Value> values = {});
  /// The same for a statement that was prepared in the transaction which is open, or in `own`.
  Result<Rows> stream(duckdb_prepared_statement statement, std::optional<Transaction> own = std::nullopt);

  /// Return the one BIGINT that `sql` gives; nothing for NULL or no row.
  Result<std::optional<std::int64_t>> scalar(const std::string& sql);

  /// Return whether `sql` is one statement that could be run.
  Status check(const std::string& sql);

  /// Have names without a schema mean its tables, in statements and appenders.
  Status use_schema(const std::string& schema);
  const std::string& schema() const { return schema_; }

  /// Make the statement that is running, if any, end with kCancelled.
  void interrupt() { duckdb_interrupt(handle()); }
  duckdb_connection handle() const { return session_->handle.get(); }

  using Handle = Owned<duckdb_connection, duckdb_disconnect>;
  /// For who interrupts it from elsewhere, and does not know how long it lives.
  std::weak_ptr<Handle> weak_handle() const { return std::shared_ptr<Handle>(session_, &session_->handle); }

 private:
  friend class Transaction;
  Result<PreparedStatement> prepare(const std::string& sql);
  Result<std::optional<Transaction>> begin_own();

  std::shared_ptr<Session> session_;  ///< a moment longer while somebody interrupts it
  std::string schema_;                ///< empty: the database's own
};

/// The database file, opened.
class Database {
 public:
  /// Errors: kExists when another process has it; kCorrupt, kIo, kInvalid for a wrong setting.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                const std::map<std::string, std::string>& settings);
  Result<Connection> connect();

  /// Whether a statement was refused because the database must be opened again: after an error that may have
  /// hurt what it holds in memory, as a checkpoint that failed half-way. Threads: any.
  bool is_lost() const { return *lost_; }

 private:
  explicit Database(duckdb_database database) : database_(database) {}
  Owned<duckdb_database, duckdb_close> database_;
  std::shared_ptr<std::atomic<bool>> lost_ = std::make_shared<std::atomic<bool>>(false);
};

/// Appends rows to a table, column after column, in the connection's transaction. Text that is not UTF-8 has
/// its bad bytes replaced. Destroy it before the transaction ends: that is when what it holds is written or
/// lost.
///   rows.text("a").time(t).null();  rows.end_row();
class TableAppender {
 public:
  /// `schema`: where the table is; empty: in the connection's, else among the temporary ones.
  static Result<std::unique_ptr<TableAppender>> open(Connection& connection, const std::string& table,
                                                     const std::string& schema = {});

  TableAppender& null();
  TableAppender& text(std::string_view value);  ///< empty is NULL
  TableAppender& blob(std::string_view value);
  TableAppender& int64(std::int64_t value) { return put(value); }
  TableAppender& uint64(std::uint64_t value) { return put(value); }
  TableAppender& int32(std::int32_t value) { return put(value); }
  TableAppender& boolean(bool value) { return put(value); }
  TableAppender& real(std::optional<double> value) { return value ? put(*value) : null(); }
  TableAppender& decimal(const std::optional<Decimal>& value) { return value ? put(value->units()) : null(); }
  TableAppender& time(TimeUs value) { return put(value); }
  TableAppender& date(TimeUs value) { return put(days_since_epoch(value)); }

  /// End the row; all its columns must have been given. Errors: kOverloaded, kNoSpace, kInternal.
  Status end_row();
  /// Hand over everything to the transaction.
  Status flush();
  std::size_t rows() const { return rows_; }

 private:
  struct Column {
    duckdb_vector vector = nullptr;
    void* data = nullptr;
    std::uint64_t* validity = nullptr;
  };
  TableAppender() = default;

  template <class T>
  TableAppender& put(T value) {
    static_cast<T*>(columns_[column_++].data)[row_] = value;
    return *this;
  }
  void begin_chunk();
  Status append_chunk();
  Error appender_error();

  Owned<duckdb_appender, duckdb_appender_destroy> appender_;
  DataChunk chunk_;
  std::vector<Column> columns_;
  std::size_t column_ = 0;
  std::size_t row_ = 0;
  std::size_t rows_ = 0;
  std::string mended_;
};

}  // namespace millrace::duck
