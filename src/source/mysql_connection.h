#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/row_changes.h"
#include "source/mysql_source.h"

struct st_mysql;
struct st_mysql_res;

namespace millrace {

/// The rows of a query as the server sends them, none kept. While there is one its connection can run nothing
/// else. Destroyed before its end, it breaks the connection instead of reading what is left.
class MysqlRows {
 public:
  MysqlRows(st_mysql* connection, st_mysql_res* result);
  MysqlRows(MysqlRows&& other) noexcept;
  MysqlRows& operator=(MysqlRows&&) = delete;
  ~MysqlRows();

  /// Go to the next row; false at the end. Errors: as MysqlConnection's.
  Result<bool> next();
  std::size_t columns() const { return columns_; }
  /// Return a cell of the present row, as the server prints it; valid until `next`.
  RowCell cell(std::size_t column) const {
    if (row_[column] == nullptr) return std::nullopt;
    return std::string_view(row_[column], sizes_[column]);
  }
  /// Return the bytes of the present row's values.
  std::size_t bytes() const;

 private:
  st_mysql* connection_;
  st_mysql_res* result_;
  char** row_ = nullptr;
  unsigned long* sizes_ = nullptr;
  std::size_t columns_ = 0;
  bool ended_ = false;
};

/// A session with a MySQL or MariaDB server. Text is in UTF-8, times of TIMESTAMP columns in UTC. The server
/// cannot ask it for files of this machine. Threads: one at a time.
///
/// Errors of all methods, with what to do: kDenied for a user or a right that the server refuses; kNotFound
/// for what is not there; kIo when it cannot be reached or the connection broke; kInvalid for the rest. The
/// password is in none of them.
class MysqlConnection {
 public:
  /// `read_timeout_s`: how long to wait for an answer; a sort may take long before it gives its first row.
  static Result<std::unique_ptr<MysqlConnection>> connect(const MysqlSource& source,
                                                          unsigned read_timeout_s = 600);
  ~MysqlConnection();

  Status execute(const std::string& sql);

  /// Run a query with a small answer.
  using Row = std::vector<std::optional<std::string>>;
  Result<std::vector<Row>> query(const std::string& sql);
  /// Return the first column of the first row, or "" for NULL and for none.
  Result<std::string> value(const std::string& sql);
  /// The same, with the names of the columns as the first row.
  Result<std::vector<Row>> query_with_names(const std::string& sql);

  Result<MysqlRows> stream(const std::string& sql);

  bool is_mariadb() const;

  /// Break the connection, so that what waits for it ends. Threads: any.
  void interrupt();
  st_mysql* handle() { return connection_; }
  /// Return what the library or the server said last.
  Error last_error() const;

 private:
  MysqlConnection(st_mysql* connection, std::string address)
      : connection_(connection), address_(std::move(address)) {}

  st_mysql* connection_;
  const std::string address_;
};

}  // namespace millrace
