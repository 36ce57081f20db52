#include "source/ingest_ledger.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace millrace {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
// `loads` is small; FULL makes a commit durable before a method returns.
constexpr const char* kSchema =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS loads("
    "  content TEXT NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL, format TEXT NOT NULL,"
    "  mapping TEXT NOT NULL, path TEXT NOT NULL, begun_at_us INTEGER NOT NULL, loaded_at_us INTEGER,"
    "  PRIMARY KEY (content, source, topic, format, mapping)"
    ") STRICT";

Error problem_of(sqlite3* database) {
  const int code = sqlite3_errcode(database) & 0xFF;
  const auto kind = code == SQLITE_CORRUPT || code == SQLITE_NOTADB  ? Code::kCorrupt
                    : code == SQLITE_FULL                            ? Code::kNoSpace
                    : code == SQLITE_READONLY || code == SQLITE_PERM ? Code::kDenied
                                                                     : Code::kIo;
  return {kind, fmt::format("the list of loaded files: {}", sqlite3_errmsg(database)), ""};
}

/// One prepared statement with its values bound in order.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    ok_ = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) {
    ok_ = ok_ && sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                                     SQLITE_UTF8) == SQLITE_OK;
    return *this;
  }
  Statement& bind(std::int64_t number) {
    ok_ = ok_ && sqlite3_bind_int64(statement_, ++bound_, number) == SQLITE_OK;
    return *this;
  }

  /// Return whether there is a row.
  Result<bool> step() {
    const int outcome = ok_ ? sqlite3_step(statement_) : SQLITE_ERROR;
    if (outcome == SQLITE_ROW) return true;
    if (outcome == SQLITE_DONE) return false;
    return fail(problem_of(database_));
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  bool ok_ = false;
};

/// Bind ?1 to ?5.
Statement& bind_key(Statement& statement, const LoadKey& key) {
  return statement.bind(to_hex(key.content))
      .bind(key.source)
      .bind(key.topic)
      .bind(key.format)
      .bind(key.mapping == Hash128{} ? std::string() : to_hex(key.mapping));
}

}  // namespace

void IngestLedger::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

Result<std::unique_ptr<IngestLedger>> IngestLedger::open(const Path& path) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open(path.c_str(), &raw);
  std::unique_ptr<sqlite3, Close> database(raw);
  if (opened != SQLITE_OK) return fail(problem_of(raw));
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  if (sqlite3_exec(raw, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(problem_of(raw));
  return std::unique_ptr<IngestLedger>(new IngestLedger(std::move(database)));
}

Result<bool> IngestLedger::is_loaded(const LoadKey& key) const {
  const std::lock_guard lock(mutex_);
  Statement select(database_.get(),
                   "SELECT 1 FROM loads WHERE content = ?1 AND source = ?2 AND topic = ?3 AND format = ?4 "
                   "AND mapping = ?5 AND loaded_at_us IS NOT NULL");
  return bind_key(select, key).step();
}

Result<bool> IngestLedger::begin(const LoadKey& key, const Path& path, TimeUs now) {
  const std::lock_guard lock(mutex_);
  Statement select(database_.get(),
                   "SELECT 1 FROM loads WHERE content = ?1 AND source = ?2 AND topic = ?3 LIMIT 1");
  MILLRACE_ASSIGN(const bool known, select.bind(to_hex(key.content)).bind(key.source).bind(key.topic).step());
  Statement insert(database_.get(), "INSERT OR REPLACE INTO loads VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)");
  MILLRACE_TRY(bind_key(insert, key).bind(path.string()).bind(now).step());
  return known;
}

Status IngestLedger::finish(const LoadKey& key, TimeUs now) {
  const std::lock_guard lock(mutex_);
  Statement update(database_.get(),
                   "UPDATE loads SET loaded_at_us = ?6 WHERE content = ?1 AND source = ?2 AND topic = ?3 "
                   "AND format = ?4 AND mapping = ?5");
  MILLRACE_TRY(bind_key(update, key).bind(now).step());
  return {};
}

}  // namespace millrace
