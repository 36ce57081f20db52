#include "warehouse/flow_expression.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "warehouse/duck.h"

namespace millrace {
namespace {

/// Interrupts what runs on a connection when it takes too long.
class TimeLimit {
 public:
  TimeLimit(duck::Connection& connection, DurationUs limit)
      : thread_([this, &connection, limit](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          const bool stopped = ended_.wait_for(lock, stop, std::chrono::microseconds(limit),
                                               [&] { return stop.stop_requested(); });
          if (!stopped) connection.interrupt();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread thread_;  ///< last: uses the others
};

class DuckFlowExpression : public FlowExpression {
 public:
  Status open_all(std::string_view sql);
  Result<std::vector<Outcome>> apply(std::span<const ExpressionRow> rows, DurationUs limit) override;

 private:
  Status apply_part(std::span<const ExpressionRow> rows, DurationUs limit, DurationUs part_limit,
                    std::vector<Outcome>& outcomes);
  Status fill(std::span<const ExpressionRow> rows);
  Status run(std::size_t count, DurationUs limit, std::vector<Outcome>& outcomes);

  std::unique_ptr<duck::Database> database_;
  std::optional<duck::Connection> connection_;
  std::string query_;
};

Status DuckFlowExpression::open_all(std::string_view sql) {
  MILLRACE_ASSIGN(database_, duck::Database::open(":memory:", {{"threads", "1"},
                                                               {"memory_limit", "256MB"},
                                                               {"enable_external_access", "false"}}));
  MILLRACE_ASSIGN(auto connection, database_->connect());
  connection_.emplace(std::move(connection));
  MILLRACE_TRY(connection_->execute(
      "SET TimeZone = 'UTC';"
      "CREATE TABLE given (n BIGINT, text VARCHAR, key VARCHAR, time TIMESTAMP, attributes VARCHAR);"
      "CREATE VIEW message AS SELECT n, TRY_CAST(text AS JSON) AS data, key, time, "
      "CAST(attributes AS JSON) AS attributes FROM given;"
      "SET lock_configuration = true"));
  // On lines of its own, so that a comment at its end hides nothing.
  query_ = fmt::format("SELECT n, CAST((\n{}\n) AS VARCHAR) FROM message ORDER BY n", sql);
  MILLRACE_TRY(connection_->check(query_));
  // What closes the brackets around it to say something else does not fit into others.
  MILLRACE_TRY(connection_->check(fmt::format("SELECT (\n{}\n) FROM message", sql)));
  return {};
}

Status DuckFlowExpression::fill(std::span<const ExpressionRow> rows) {
  MILLRACE_TRY(connection_->execute("TRUNCATE given"));
  MILLRACE_ASSIGN(auto appender, duck::TableAppender::open(*connection_, "given"));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    appender->int64(static_cast<std::int64_t>(i)).text(rows[i].data).text(rows[i].key).time(rows[i].time);
    appender->text(rows[i].attributes);
    MILLRACE_TRY(appender->end_row());
  }
  return appender->flush();
}

/// Each of the `count` rows must give one value: who takes them goes by their places.
Status DuckFlowExpression::run(std::size_t count, DurationUs limit, std::vector<Outcome>& outcomes) {
  const TimeLimit time_limit(*connection_, limit);
  MILLRACE_ASSIGN(duck::Rows rows, connection_->query(query_));
  for (std::size_t given = 0;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more && given == count) return {};
    for (std::size_t i = 0; i < rows.size() || !more; ++i, ++given) {
      if (!more || rows.int64(0, i) != static_cast<std::int64_t>(given))
        return fail(Code::kInvalid, "must give one value for each message: unnest() gives more or fewer");
      if (rows.is_null(1, i)) {
        outcomes.emplace_back(std::nullopt);
      } else {
        outcomes.emplace_back(std::string(rows.text(1, i)));
      }
    }
  }
}

Status DuckFlowExpression::apply_part(std::span<const ExpressionRow> rows, DurationUs limit, DurationUs part_limit,
                                      std::vector<Outcome>& outcomes) {
  MILLRACE_TRY(fill(rows));
  const std::size_t before = outcomes.size();
  const Status ran = run(rows.size(), limit, outcomes);
  if (ran) return {};
  outcomes.resize(before, std::nullopt);
  const Error& error = ran.error();
  if (rows.size() == 1) {
    const bool is_late = error.code == Code::kCancelled;
    outcomes.push_back(is_late ? Outcome(fail(Code::kDeadline, "the expression took too long"))
                               : Outcome(fail(error)));
    return {};
  }
  const std::size_t half = rows.size() / 2;
  MILLRACE_TRY(apply_part(rows.first(half), part_limit, part_limit, outcomes));
  return apply_part(rows.subspan(half), part_limit, part_limit, outcomes);
}

Result<std::vector<FlowExpression::Outcome>> DuckFlowExpression::apply(std::span<const ExpressionRow> rows,
                                                                       DurationUs limit) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(rows.size());
  if (!rows.empty()) MILLRACE_TRY(apply_part(rows, limit, limit / 4, outcomes));
  return outcomes;
}

}  // namespace

Result<std::unique_ptr<FlowExpression>> FlowExpression::open(std::string_view sql) {
  auto expression = std::make_unique<DuckFlowExpression>();
  MILLRACE_TRY(expression->open_all(sql));
  return expression;
}

}  // namespace millrace
