#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::sqlite {

/// An SQLite database of this process alone, whose commits are durable before they return: WAL,
/// synchronous=FULL, locking_mode=EXCLUSIVE.
/// Threads: one at a time.
class Database {
 public:
  /// Open or make the file; `what` names it in errors ("the lake's manifest"). `vfs` is SQLite's name of a
  /// file system, for tests; empty is the usual one.
  /// Errors: kExists when another process has it open; kCorrupt, kDenied, kNoSpace, kIo.
  static Result<Database> open(const Path& path, std::string what, const std::string& vfs = {});

  /// Run statements that return nothing.
  Status execute(const char* sql);

  sqlite3* handle() const { return database_.get(); }

  /// Return what SQLite says of the last failure.
  Error problem() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  std::unique_ptr<sqlite3, Close> database_;
  std::string what_;
};

/// One prepared statement: bind the values in order, step through the rows. Must not outlive its database.
class Statement {
 public:
  Statement(const Database& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind(std::uint64_t number) { return bind(static_cast<std::int64_t>(number)); }

  /// Return whether there is a (further) row.
  Result<bool> step();

  /// Step through a statement that returns no rows, and get ready to bind again.
  Status run();

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }

 private:
  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  bool ok_ = false;
};

}  // namespace millrace::sqlite
