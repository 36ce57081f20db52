#include "source/ingest_ledger.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace millrace {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
// `files` is small; FULL makes a commit durable before `remember` returns.
constexpr const char* kSchema =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS files("
    "  content TEXT NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL, path TEXT NOT NULL,"
    "  row_count INTEGER NOT NULL, event_count INTEGER NOT NULL, quarantined_count INTEGER NOT NULL,"
    "  loaded_at_us INTEGER NOT NULL,"
    "  PRIMARY KEY (content, source, topic)"
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

  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  bool ok_ = false;
};

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

Result<std::optional<LoadedFile>> IngestLedger::find(const Hash128& content, std::string_view source,
                                                     std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  Statement select(database_.get(),
                   "SELECT path, row_count, event_count, quarantined_count, loaded_at_us FROM files "
                   "WHERE content = ?1 AND source = ?2 AND topic = ?3");
  MILLRACE_ASSIGN(const bool found, select.bind(to_hex(content)).bind(source).bind(topic).step());
  if (!found) return std::nullopt;
  LoadedFile file{content, std::string(source), std::string(topic), select.text(0)};
  file.rows = static_cast<std::uint64_t>(select.integer(1));
  file.events = static_cast<std::uint64_t>(select.integer(2));
  file.quarantined = static_cast<std::uint64_t>(select.integer(3));
  file.loaded_at = select.integer(4);
  return file;
}

Status IngestLedger::remember(const LoadedFile& file) {
  const std::lock_guard lock(mutex_);
  Statement insert(database_.get(), "INSERT OR REPLACE INTO files VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  insert.bind(to_hex(file.content)).bind(file.source).bind(file.topic).bind(file.path);
  insert.bind(static_cast<std::int64_t>(file.rows)).bind(static_cast<std::int64_t>(file.events));
  insert.bind(static_cast<std::int64_t>(file.quarantined)).bind(file.loaded_at);
  MILLRACE_TRY(insert.step());
  return {};
}

}  // namespace millrace
