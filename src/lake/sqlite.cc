#include "lake/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace millrace::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 500;

// EXCLUSIVE before WAL: then the index of the WAL lies in memory, and no second process gets in between.
constexpr const char* kSettings =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;";

// Frames that a crashed process wrote may live in the page cache alone, after a sync that failed: SQLite
// takes them for committed, and a later sync would not write them. Copied into the database file they are
// written again, before anybody relies on them. RESTART, not TRUNCATE: a WAL that is cut but not synced may
// come back in part after a loss of power, and would be taken for the newest state.
constexpr const char* kSettle = "PRAGMA wal_checkpoint(RESTART)";

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kCorrupt;
    case SQLITE_FULL:
      return Code::kNoSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::kExists;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return Code::kDenied;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
      return Code::kInternal;
    default:
      return Code::kIo;
  }
}

}  // namespace

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

Error Database::problem() const {
  const int code = sqlite3_errcode(handle());
  return {code_of(code), fmt::format("{}: {}", what_, sqlite3_errmsg(handle())), ""};
}

Result<Database> Database::open(const Path& path, std::string what, const std::string& vfs) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     vfs.empty() ? nullptr : vfs.c_str());
  Database database;
  database.database_.reset(raw);
  database.what_ = std::move(what);
  if (opened != SQLITE_OK) return fail(database.problem());
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  MILLRACE_TRY(database.execute(kSettings));
  MILLRACE_TRY(database.execute(kSettle));
  return database;
}

Status Database::execute(const char* sql) {
  if (sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(problem());
  return {};
}

Statement::Statement(const Database& database, const char* sql) : database_(database) {
  ok_ = sqlite3_prepare_v2(database.handle(), sql, -1, &statement_, nullptr) == SQLITE_OK;
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(std::string_view text) {
  ok_ = ok_ && sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8) == SQLITE_OK;
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  ok_ = ok_ && sqlite3_bind_int64(statement_, ++bound_, number) == SQLITE_OK;
  return *this;
}

Result<bool> Statement::step() {
  const int outcome = ok_ ? sqlite3_step(statement_) : SQLITE_ERROR;
  if (outcome == SQLITE_ROW) return true;
  if (outcome == SQLITE_DONE) return false;
  return fail(database_.problem());
}

Status Statement::run() {
  const auto stepped = step();
  if (ok_) sqlite3_reset(statement_);
  bound_ = 0;
  if (!stepped) return fail(stepped.error());
  return {};
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

}  // namespace millrace::sqlite
