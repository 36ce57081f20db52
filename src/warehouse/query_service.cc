#include "warehouse/query_service.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/text.h"
#include "event/json_writer.h"
#include "warehouse/duck.h"
#include "warehouse/json_cells.h"
#include "warehouse/sql_check.h"
#include "warehouse/sql_guard.h"

namespace millrace {
namespace {

/// Ends a connection's query when its time is up or the service stops. Interrupts again and again, since one
/// that comes before the query has begun is lost.
class Watchdog {
 public:
  Watchdog(Env& env, duck::Connection& connection, DurationUs time_max, const std::atomic<bool>& stopping)
      : thread_([this, &env, &connection, time_max, &stopping](const std::stop_token& done) {
          const auto until = env.steady_now() + time_max;
          while (!wait(done)) {
            if (env.steady_now() >= until) expired_ = true;
            if (expired_ || stopping) connection.interrupt();
          }
        }) {}

  bool expired() const { return expired_; }

 private:
  static constexpr auto kLook = std::chrono::milliseconds(10);

  /// Wait a moment; true once the query has ended.
  bool wait(const std::stop_token& done) {
    std::unique_lock lock(mutex_);
    return woken_.wait_for(lock, done, kLook, [&] { return done.stop_requested(); });
  }

  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::atomic<bool> expired_ = false;
  std::jthread thread_;  ///< last: uses the others
};

/// The answer as it grows, and whether it is full.
class Answer {
 public:
  explicit Answer(const QueryLimits& limits) : limits_(limits) {}

  Status begin(duck::Rows& rows) {
    json_.begin_object().key("columns").begin_array();
    for (std::size_t i = 0; i < rows.column_count(); ++i) {
      types_.push_back(rows.column_type(i));
      MILLRACE_ASSIGN(const auto type, sql_type_name(types_.back().get()));
      json_.begin_object().member("name", rows.column_name(i)).member("type", type).end_object();
    }
    json_.end_array().key("rows").begin_array();
    return {};
  }

  /// Add the rows of a chunk; false when the limit is reached.
  bool add(const duck::Rows& rows) {
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (rows_++ == limits_.rows_max || text_.size() >= limits_.bytes_max) {
        truncated_ = true;
        return false;
      }
      json_.begin_array();
      for (std::size_t i = 0; i < types_.size(); ++i) {
        write_cell(json_, duckdb_data_chunk_get_vector(rows.chunk(), i), types_[i].get(), row);
      }
      json_.end_array();
    }
    return true;
  }

  std::string finish() && {
    json_.end_array().member("truncated", truncated_).end_object();
    return std::move(text_);
  }

 private:
  const QueryLimits limits_;
  std::string text_;
  JsonWriter json_{text_};
  std::vector<duck::LogicalType> types_;
  std::size_t rows_ = 0;
  bool truncated_ = false;
};

/// Prepare the one statement in `query`. Errors: kInvalid.
Result<duck::PreparedStatement> prepare_one(duck::Connection& connection, const std::string& query) {
  duck::ExtractedStatements statements;
  const auto count = duckdb_extract_statements(connection.handle(), query.c_str(), statements.out());
  if (count == 0) {
    const char* message = duckdb_extract_statements_error(statements.get());
    return fail(Code::kInvalid, message == nullptr || *message == '\0' ? "give a query" : message);
  }
  if (count > 1) return fail(Code::kInvalid, "give exactly one statement");
  duck::PreparedStatement statement;
  if (duckdb_prepare_extracted_statement(connection.handle(), statements.get(), 0, statement.out()) !=
      DuckDBSuccess) {
    return fail(Code::kInvalid, duck::words(duckdb_prepare_error(statement.get())));
  }
  return statement;
}

Status check_statement(duckdb_prepared_statement statement) {
  const auto type = duckdb_prepared_statement_type(statement);
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return fail(Code::kDenied, "only SELECT is allowed: this is read-only SQL");
  }
  if (duckdb_nparams(statement) != 0)
    return fail(Code::kInvalid, "parameters such as ? or $1 have no value here");
  return {};
}

Result<std::string> fetch_all(duck::Connection& connection, duckdb_prepared_statement statement,
                              const QueryLimits& limits) {
  MILLRACE_ASSIGN(auto rows, connection.stream(statement));
  Answer answer(limits);
  MILLRACE_TRY(answer.begin(rows));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more || !answer.add(rows)) return std::move(answer).finish();
  }
}

/// Run a query that passed `check_syntax`, in a transaction that could not write if it tried.
Result<std::string> execute(Env& env, duck::Connection& connection, const std::string& query,
                            const QueryLimits& limits, const std::atomic<bool>& stopping) {
  MILLRACE_ASSIGN(const auto transaction,
                  duck::Transaction::begin(connection, "BEGIN TRANSACTION READ ONLY"));
  const Watchdog watchdog(env, connection, limits.time_max, stopping);  // gone before the transaction ends
  MILLRACE_ASSIGN(const auto statement, prepare_one(connection, query));
  MILLRACE_TRY(check_statement(statement.get()));
  auto answer = fetch_all(connection, statement.get(), limits);
  if (!answer && answer.error().code == Code::kCancelled && watchdog.expired()) {
    return fail(Code::kDeadline,
                fmt::format("the query took longer than {} s: narrow it down, for example by dt",
                            static_cast<double>(limits.time_max) / kSecondUs));
  }
  return answer;
}

}  // namespace

struct QueryService::Impl {
  Env& env;
  const QueryServiceOptions options;
  std::atomic<bool> stopping = false;
  std::mutex mutex;  ///< guards the rest
  std::vector<std::unique_ptr<duck::Connection>> idle;

  std::unique_ptr<duck::Connection> take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return nullptr;
    auto connection = std::move(idle.back());
    idle.pop_back();
    return connection;
  }

  void give_back(std::unique_ptr<duck::Connection> connection) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(connection));
  }
};

QueryService::QueryService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QueryService::~QueryService() {
  stop();
}

Result<std::unique_ptr<QueryService>> QueryService::open(Warehouse& warehouse,
                                                         const QueryServiceOptions& options) {
  std::unique_ptr<Impl> impl(new Impl{warehouse.env(), options});
  for (unsigned i = 0; i < options.at_once_max; ++i) {
    MILLRACE_ASSIGN(auto connection, warehouse.connect());
    impl->idle.push_back(std::make_unique<duck::Connection>(std::move(connection)));
  }
  return std::unique_ptr<QueryService>(new QueryService(std::move(impl)));
}

Result<std::string> QueryService::run(std::string_view query, const QueryLimits& limits,
                                      const MayRead& may_read) {
  if (query.size() > impl_->options.query_bytes_max) {
    return fail(Code::kInvalid,
                fmt::format("the query is longer than {} bytes", impl_->options.query_bytes_max));
  }
  if (query.find('\0') != std::string_view::npos) return fail(Code::kInvalid, "the query holds a NUL byte");
  if (!is_utf8(query)) return fail(Code::kInvalid, "the query is not valid UTF-8");
  if (impl_->stopping) return fail(Code::kCancelled, "shutting down");
  auto connection = impl_->take();
  if (!connection) {
    return fail(Code::kOverloaded,
                fmt::format("{} queries run already: try again in a moment", impl_->options.at_once_max));
  }
  Result<std::string> answer;
  if (auto fine = check_select(*connection, without_explain(query), may_read); !fine) {
    answer = fail(std::move(fine).error());
  } else {
    answer = execute(impl_->env, *connection, std::string(query), limits, impl_->stopping);
  }
  impl_->give_back(std::move(connection));
  return answer;
}

Result<std::string> QueryService::run(std::string_view query, const QueryLimits& limits) {
  return run(query, limits, [](std::string_view) { return true; });
}

void QueryService::stop() {
  impl_->stopping = true;
}

}  // namespace millrace
