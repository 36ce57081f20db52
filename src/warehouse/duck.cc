#include "warehouse/duck.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <thread>
#include <tuple>

#include "base/text.h"

namespace millrace::duck {
namespace {

Code code_of(duckdb_error_type type, std::string_view message) {
  const auto says = [&](std::string_view words) { return message.find(words) != std::string_view::npos; };
  if (says("No space left")) return Code::kNoSpace;
  if (says("Could not set lock") || says("Conflicting lock")) return Code::kExists;
  switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return Code::kOverloaded;
    case DUCKDB_ERROR_INTERRUPT:
      return Code::kCancelled;
    case DUCKDB_ERROR_IO:
      return says("not a valid DuckDB") ? Code::kCorrupt : Code::kIo;
    case DUCKDB_ERROR_SERIALIZATION:
      return Code::kCorrupt;
    case DUCKDB_ERROR_PERMISSION:
      return Code::kDenied;
    case DUCKDB_ERROR_INTERNAL:
    case DUCKDB_ERROR_FATAL:
    case DUCKDB_ERROR_INVALID:
    case DUCKDB_ERROR_CONNECTION:
      return Code::kInternal;
    case DUCKDB_ERROR_TRANSACTION:  // a commit's failure, whatever it came from
      return says("could not allocate block") || says("failed to pin block") ? Code::kOverloaded
                                                                             : Code::kInternal;
    default:
      return Code::kInvalid;
  }
}

Error result_error(duckdb_result& result) {
  auto error = error_of(duckdb_result_error_type(&result), duckdb_result_error(&result));
  duckdb_destroy_result(&result);
  return error;
}

duckdb_state bind(duckdb_prepared_statement statement, idx_t index, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return duckdb_bind_int64(statement, index, *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) return duckdb_bind_double(statement, index, *real);
  const auto text = std::get<std::string_view>(value);
  return duckdb_bind_varchar_length(statement, index, text.data(), text.size());
}

Status bind_all(duckdb_prepared_statement statement, std::span<const Value> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (bind(statement, i + 1, values[i]) != DuckDBSuccess) {
      return fail(Code::kInvalid, words(duckdb_prepare_error(statement)));
    }
  }
  return {};
}

using Pending = Owned<duckdb_pending_result, duckdb_destroy_pending>;

/// Return why a pending result failed. It tells the kind of error in words alone, before ": ".
Error pending_error(const Pending& pending) {
  static constexpr std::pair<std::string_view, duckdb_error_type> kKinds[] = {
      {"INTERRUPT", DUCKDB_ERROR_INTERRUPT},
      {"Out of Memory", DUCKDB_ERROR_OUT_OF_MEMORY},
      {"IO", DUCKDB_ERROR_IO},
      {"Serialization", DUCKDB_ERROR_SERIALIZATION},
      {"Permission", DUCKDB_ERROR_PERMISSION},
      {"INTERNAL", DUCKDB_ERROR_INTERNAL},
      {"FATAL", DUCKDB_ERROR_FATAL},
      {"Invalid", DUCKDB_ERROR_INVALID},
      {"TransactionContext", DUCKDB_ERROR_TRANSACTION},
      {"Connection", DUCKDB_ERROR_CONNECTION}};
  const char* message = duckdb_pending_error(pending.get());
  const std::string text = words(message);
  for (const auto& [kind, type] : kKinds) {
    if (text.starts_with(std::string(kind) + " Error")) return error_of(type, message);
  }
  return error_of(DUCKDB_ERROR_INVALID_INPUT, message);
}

/// Run a prepared statement and keep its rows. While DuckDB's own threads do the work this one sleeps, where
/// `duckdb_execute_prepared` would spin: a third of what loading cost beside a busy collector.
Result<duckdb_result> run_patiently(duckdb_prepared_statement statement) {
  constexpr std::chrono::microseconds kPauseMin(50);
  constexpr std::chrono::microseconds kPauseMax(500);
  Pending pending;
  if (duckdb_pending_prepared(statement, pending.out()) != DuckDBSuccess) return fail(pending_error(pending));
  for (auto pause = kPauseMin;;) {
    const auto state = duckdb_pending_execute_task(pending.get());
    if (state == DUCKDB_PENDING_ERROR) return fail(pending_error(pending));
    if (duckdb_pending_execution_is_finished(state)) break;
    if (state != DUCKDB_PENDING_NO_TASKS_AVAILABLE) continue;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
  duckdb_result result;
  if (duckdb_execute_pending(pending.get(), &result) != DuckDBSuccess) return fail(result_error(result));
  return result;
}

std::unexpected<Error> refused(const Session& session, Error error) {
  if (error.message.contains("database has been invalidated")) *session.lost = true;
  return fail(std::move(error));
}

/// Run a statement in the transaction that is open.
Result<duckdb_result> run(const Session& session, duckdb_prepared_statement statement) {
  auto result = run_patiently(statement);
  return result ? std::move(result) : refused(session, std::move(result).error());
}

/// Begin or end a transaction.
Status control(const Session& session, const char* sql) {
  PreparedStatement statement;
  if (duckdb_prepare(session.handle.get(), sql, statement.out()) != DuckDBSuccess)
    return refused(session, {Code::kInvalid, words(duckdb_prepare_error(statement.get())), {}});
  MILLRACE_ASSIGN(duckdb_result result, run(session, statement.get()));
  duckdb_destroy_result(&result);
  return {};
}

/// Copy `text` to `out` with each byte that is not part of a UTF-8 character replaced by '?'.
void mend_utf8(std::string_view text, std::string& out) {
  out.clear();
  while (!text.empty()) {
    std::size_t length = 1;
    while (length <= 4 && length <= text.size() && !is_utf8(text.substr(0, length))) ++length;
    const bool good = length <= 4 && length <= text.size();
    out.append(good ? text.substr(0, length) : "?");
    text.remove_prefix(good ? length : 1);
  }
}

}  // namespace

std::string words(const char* message) {
  if (message == nullptr) return "DuckDB failed without a word";
  const std::string_view text = message;
  return std::string(text.substr(0, text.find("\n\nStack Trace")));
}

Error error_of(duckdb_error_type type, const char* message) {
  auto text = words(message);
  const auto code = code_of(type, text);
  return {code, std::move(text), {}};
}

Rows::Rows(const duckdb_result& result, std::optional<Transaction> own)
    : own_(std::move(own)), result_(result) {}

Rows::Rows(Rows&& other) noexcept
    : own_(std::move(other.own_)),
      result_(other.result_),
      owns_(std::exchange(other.owns_, false)),
      chunk_(std::move(other.chunk_)),
      size_(other.size_),
      columns_(std::move(other.columns_)) {}

Rows::~Rows() {
  if (owns_) duckdb_destroy_result(&result_);
}

Result<bool> Rows::next_chunk() {
  chunk_ = DataChunk(duckdb_fetch_chunk(result_));
  size_ = 0;
  columns_.clear();
  if (chunk_.get() == nullptr) {
    const char* message = duckdb_result_error(&result_);
    if (message != nullptr && *message != '\0') {
      return fail(error_of(duckdb_result_error_type(&result_), message));
    }
    if (own_) MILLRACE_TRY(own_->commit());
    return false;
  }
  size_ = duckdb_data_chunk_get_size(chunk_.get());
  for (idx_t i = 0; i < duckdb_data_chunk_get_column_count(chunk_.get()); ++i) {
    auto* vector = duckdb_data_chunk_get_vector(chunk_.get(), i);
    columns_.push_back({duckdb_vector_get_data(vector), duckdb_vector_get_validity(vector)});
  }
  return size_ > 0;
}

std::size_t Rows::column_count() {
  return duckdb_column_count(&result_);
}
std::string Rows::column_name(std::size_t column) {
  return duckdb_column_name(&result_, column);
}
LogicalType Rows::column_type(std::size_t column) {
  return LogicalType(duckdb_column_logical_type(&result_, column));
}

bool Rows::is_null(std::size_t column, std::size_t row) const {
  const auto* validity = columns_[column].validity;
  return validity != nullptr && (validity[row / 64] >> (row % 64) & 1) == 0;
}

std::string_view Rows::text(std::size_t column, std::size_t row) const {
  if (is_null(column, row)) return {};
  const auto& string = static_cast<const duckdb_string_t*>(columns_[column].data)[row];
  const auto length = string.value.inlined.length;
  return {duckdb_string_is_inlined(string) ? string.value.inlined.inlined : string.value.pointer.ptr, length};
}

Status Connection::use_schema(const std::string& schema) {
  MILLRACE_TRY(execute("USE " + schema));
  schema_ = schema;
  return {};
}

/// Begin a transaction for one statement, unless one is open.
Result<std::optional<Transaction>> Connection::begin_own() {
  if (session_->in_transaction) return std::nullopt;
  MILLRACE_ASSIGN(auto begun, Transaction::begin(session_, "BEGIN TRANSACTION"));
  return std::optional(std::move(begun));
}

Status Connection::execute(const std::string& sql) {
  ExtractedStatements statements;
  const idx_t count = duckdb_extract_statements(handle(), sql.c_str(), statements.out());
  if (count == 0) return fail(Code::kInvalid, words(duckdb_extract_statements_error(statements.get())));
  for (idx_t i = 0; i < count; ++i) {
    MILLRACE_ASSIGN(auto own, begin_own());
    PreparedStatement statement;
    if (duckdb_prepare_extracted_statement(handle(), statements.get(), i, statement.out()) != DuckDBSuccess) {
      return fail(Code::kInvalid, words(duckdb_prepare_error(statement.get())));
    }
    MILLRACE_ASSIGN(duckdb_result result, run(*session_, statement.get()));
    duckdb_destroy_result(&result);
    if (own) MILLRACE_TRY(own->commit());
  }
  return {};
}

Result<PreparedStatement> Connection::prepare(const std::string& sql) {
  PreparedStatement statement;
  if (duckdb_prepare(handle(), sql.c_str(), statement.out()) != DuckDBSuccess) {
    return fail(Code::kInvalid, words(duckdb_prepare_error(statement.get())));
  }
  return statement;
}

Status Connection::check(const std::string& sql) {
  MILLRACE_TRY(prepare(sql));
  return {};
}

Result<Rows> Connection::query(const std::string& sql, std::span<const Value> values) {
  MILLRACE_ASSIGN(auto own, begin_own());
  MILLRACE_ASSIGN(const auto statement, prepare(sql));
  MILLRACE_TRY(bind_all(statement.get(), values));
  MILLRACE_ASSIGN(const duckdb_result result, run(*session_, statement.get()));
  Rows rows(result);
  if (own) MILLRACE_TRY(own->commit());
  return rows;
}

Result<Rows> Connection::stream(const std::string& sql, std::span<const Value> values) {
  MILLRACE_ASSIGN(auto own, begin_own());
  MILLRACE_ASSIGN(const auto statement, prepare(sql));
  MILLRACE_TRY(bind_all(statement.get(), values));
  return stream(statement.get(), std::move(own));
}

Result<Rows> Connection::stream(duckdb_prepared_statement statement, std::optional<Transaction> own) {
  Pending pending;
  if (duckdb_pending_prepared_streaming(statement, pending.out()) != DuckDBSuccess)
    return refused(*session_, pending_error(pending));
  duckdb_result result;
  if (duckdb_execute_pending(pending.get(), &result) != DuckDBSuccess)
    return refused(*session_, result_error(result));
  return Rows(result, std::move(own));
}

Result<std::optional<std::int64_t>> Connection::scalar(const std::string& sql) {
  MILLRACE_ASSIGN(auto rows, query(sql));
  MILLRACE_ASSIGN(const bool any, rows.next_chunk());
  if (!any || rows.is_null(0, 0)) return std::nullopt;
  return rows.int64(0, 0);
}

Result<Transaction> Transaction::begin(Connection& connection, const char* sql) {
  return begin(connection.session_, sql);
}

Result<Transaction> Transaction::begin(const std::shared_ptr<Session>& session, const char* sql) {
  MILLRACE_TRY(control(*session, sql));
  session->in_transaction = true;
  return Transaction(session);
}

Transaction::~Transaction() {
  if (session_) std::ignore = end("ROLLBACK");
}

Status Transaction::commit() {
  return end("COMMIT");
}

Status Transaction::end(const char* sql) {
  const auto session = std::exchange(session_, nullptr);
  if (!session) return {};
  session->in_transaction = false;  // also where a commit fails
  return control(*session, sql);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 const std::map<std::string, std::string>& settings) {
  Owned<duckdb_config, duckdb_destroy_config> config;
  if (duckdb_create_config(config.out()) != DuckDBSuccess)
    return fail(Code::kInternal, "DuckDB gave no configuration");
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config.get(), name.c_str(), value.c_str()) != DuckDBSuccess) {
      return fail(Code::kInvalid, "DuckDB has no setting " + name + " = " + value);
    }
  }
  duckdb_database database = nullptr;
  char* message = nullptr;
  if (duckdb_open_ext(path.c_str(), &database, config.get(), &message) != DuckDBSuccess) {
    auto error = error_of(DUCKDB_ERROR_IO, message);
    duckdb_free(message);
    return fail(std::move(error).with_context("cannot open " + path));
  }
  return std::unique_ptr<Database>(new Database(database));
}

Result<Connection> Database::connect() {
  duckdb_connection connection = nullptr;
  if (duckdb_connect(database_.get(), &connection) != DuckDBSuccess) {
    return fail(Code::kInternal, "DuckDB refused another connection");
  }
  return Connection(connection, lost_);
}

Result<std::unique_ptr<TableAppender>> TableAppender::open(Connection& connection, const std::string& table,
                                                           const std::string& schema) {
  std::unique_ptr<TableAppender> made(new TableAppender());
  auto& appender = made->appender_;
  // Appenders do not look where statements do. What is not in the schema is a temporary table.
  const std::string& where = schema.empty() ? connection.schema() : schema;
  auto state = duckdb_appender_create(connection.handle(), where.empty() ? nullptr : where.c_str(),
                                      table.c_str(), appender.out());
  if (state != DuckDBSuccess && schema.empty() && !where.empty()) {
    appender.reset();
    state = duckdb_appender_create(connection.handle(), nullptr, table.c_str(), appender.out());
  }
  if (state != DuckDBSuccess) return fail(made->appender_error());
  const auto count = duckdb_appender_column_count(appender.get());
  std::vector<LogicalType> owners;
  std::vector<duckdb_logical_type> types;
  for (idx_t i = 0; i < count; ++i) {
    owners.emplace_back(duckdb_appender_column_type(appender.get(), i));
    types.push_back(owners.back().get());
  }
  made->chunk_ = DataChunk(duckdb_create_data_chunk(types.data(), count));
  made->columns_.resize(count);
  made->begin_chunk();
  return made;
}

void TableAppender::begin_chunk() {
  duckdb_data_chunk_reset(chunk_.get());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto* vector = duckdb_data_chunk_get_vector(chunk_.get(), i);
    columns_[i] = {vector, duckdb_vector_get_data(vector), nullptr};
  }
  row_ = 0;
}

TableAppender& TableAppender::null() {
  auto& column = columns_[column_++];
  if (column.validity == nullptr) {
    duckdb_vector_ensure_validity_writable(column.vector);
    column.validity = duckdb_vector_get_validity(column.vector);
  }
  column.validity[row_ / 64] &= ~(1ull << (row_ % 64));
  return *this;
}

TableAppender& TableAppender::text(std::string_view value) {
  if (value.empty()) return null();
  if (!is_utf8(value)) {
    mend_utf8(value, mended_);
    value = mended_;
  }
  return blob(value);
}

TableAppender& TableAppender::blob(std::string_view value) {
  auto& column = columns_[column_++];
  constexpr std::size_t kInlineMax = 12;
  if (value.size() <= kInlineMax) {  // most are: spares the call
    auto& cell = static_cast<duckdb_string_t*>(column.data)[row_];
    cell = {};
    cell.value.inlined.length = static_cast<std::uint32_t>(value.size());
    std::ranges::copy(value, cell.value.inlined.inlined);
  } else {
    duckdb_vector_assign_string_element_len(column.vector, row_, value.data(), value.size());
  }
  return *this;
}

Status TableAppender::end_row() {
  assert(column_ == columns_.size());
  column_ = 0;
  ++rows_;
  if (++row_ < duckdb_vector_size()) return {};
  return append_chunk();
}

Status TableAppender::append_chunk() {
  if (row_ == 0) return {};
  duckdb_data_chunk_set_size(chunk_.get(), row_);
  const auto state = duckdb_append_data_chunk(appender_.get(), chunk_.get());
  begin_chunk();
  if (state != DuckDBSuccess) return fail(appender_error());
  return {};
}

Status TableAppender::flush() {
  MILLRACE_TRY(append_chunk());
  if (duckdb_appender_flush(appender_.get()) != DuckDBSuccess) return fail(appender_error());
  return {};
}

Error TableAppender::appender_error() {
  Owned<duckdb_error_data, duckdb_destroy_error_data> data(duckdb_appender_error_data(appender_.get()));
  return error_of(duckdb_error_data_error_type(data.get()), duckdb_error_data_message(data.get()));
}

}  // namespace millrace::duck
