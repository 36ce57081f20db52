#include "warehouse/transform_run.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/logging.h"
#include "base/text.h"

namespace millrace {
namespace {

/// What the loader and a checkpoint need is left alone.
constexpr std::uint64_t kFreeBytesMin = 256ull << 20;

/// DuckDB's complaint without its kind.
Error failed(const Transform& transform, Error error) {
  if (const auto colon = error.message.find("Error: ");
      colon != std::string::npos && error.code == Code::kInvalid)
    error.message = error.message.substr(colon + 7);
  error.message = error.message.substr(0, error.message.find("\n\nLINE "));  // of a statement that we made
  if (error.where.empty()) error.where = transform.path.string();
  if (error.code == Code::kOverloaded)
    error.message +=
        "; give warehouse.memory more, or make its batch or interval smaller, so that a statement has less "
        "to do";
  return error;
}

std::string names_of(const std::vector<std::string>& columns) {
  std::string out;
  for (const auto& column : columns) out += (out.empty() ? "" : ", ") + sql_identifier(column);
  return out;
}

/// Say that `bad` rows fail a check, if any do.
Status judge(duck::Connection& connection, const Transform& transform, const std::string& count,
             const std::string& what) {
  MILLRACE_ASSIGN(const auto bad, connection.scalar(count));
  if (bad.value_or(0) == 0) return {};
  return fail(Code::kInvalid,
              fmt::format("{} rows fail the check {}: nothing was changed",
                          with_thousands(static_cast<std::uint64_t>(*bad)), what),
              transform.path.string());
}

std::string version_view(std::string_view name, std::uint32_t version) {
  return fmt::format("{}.{}", kTransformSchema, sql_identifier(fmt::format("{}_v{}", name, version)));
}

}  // namespace

Status check_rows(duck::Connection& connection, const Transform& transform, const TransformSpan* span) {
  const auto time = sql_identifier(transform.time);
  std::string of_span = "true";
  if (span != nullptr)
    of_span = fmt::format("{0} >= {1} AND {0} < {2}", time, sql_time(span->start), sql_time(span->end));
  for (const auto& columns : transform.unique) {
    const auto names = names_of(columns);
    MILLRACE_TRY(
        judge(connection, transform,
              fmt::format("SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM (SELECT count(*) AS n FROM {} "
                          "WHERE {} GROUP BY {} HAVING count(*) > 1)",
                          transform.table(), of_span, names),
              fmt::format("unique: {}", fmt::join(columns, ", "))));
  }
  for (const auto& column : transform.not_null)
    MILLRACE_TRY(judge(connection, transform,
                       fmt::format("SELECT count(*) FROM {} WHERE {} AND {} IS NULL", transform.table(),
                                   of_span, sql_identifier(column)),
                       "not_null: " + column));
  for (const auto& accepted : transform.accepted) {
    std::string values;
    for (const auto& value : accepted.values) values += (values.empty() ? "" : ", ") + sql_literal(value);
    MILLRACE_TRY(judge(connection, transform,
                       fmt::format("SELECT count(*) FROM {} WHERE {} AND CAST({} AS VARCHAR) NOT IN ({})",
                                   transform.table(), of_span, sql_identifier(accepted.column), values),
                       fmt::format("accepted: {} is {}", accepted.column, fmt::join(accepted.values, ", "))));
  }
  return {};
}

Status keep_versions(duck::Connection& connection, const SoundTransform& one,
                     const std::map<std::string, TransformRecord>& records, TimeUs now) {
  const auto& transform = one.transform;
  const auto name = sql_literal(transform.name);
  const auto record = records.find(transform.name);
  const auto before = record == records.end() ? 0 : std::max(1u, record->second.version);
  // A record without a run is one of an error: there was no table yet.
  if (record != records.end() && record->second.run_time && before < transform.version &&
      transform.old_until) {
    const std::string path = record->second.file.path.string();
    MILLRACE_TRY(connection.query(
        fmt::format("DELETE FROM main._transform_versions WHERE name = ? AND version = {}", before),
        {std::string_view(transform.name)}));
    MILLRACE_TRY(connection.query(fmt::format("INSERT INTO main._transform_versions VALUES (?, {}, ?, ?, {})",
                                              before, sql_time(*transform.old_until)),
                                  {std::string_view(transform.name), std::string_view(path),
                                   std::string_view(record->second.file.text)}));
  }
  MILLRACE_ASSIGN(auto rows, connection.query(fmt::format("SELECT version, text, until_time FROM "
                                                          "main._transform_versions WHERE name = {}",
                                                          name)));
  MILLRACE_TRY(rows.next_chunk());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto version = static_cast<std::uint32_t>(rows.int32(0, i));
    const auto view = version_view(transform.name, version);
    if (rows.int64(2, i) > now && version < std::max(1u, transform.version)) {
      const Status made = connection.execute(
          fmt::format("CREATE OR REPLACE VIEW {} AS {}", view, expand_transform(rows.text(1, i), {})));
      if (made) continue;
      if (made.error().code != Code::kInvalid) return made;
      // What it reads is gone, and it must not hold up the new one.
      log_warning(
          "transforms", "an old version cannot be read any more, so it goes",
          {field("name", transform.name), field("version", version), field("error", made.error().text())});
    }
    MILLRACE_TRY(connection.execute("DROP VIEW IF EXISTS " + view));
    MILLRACE_TRY(connection.execute(
        fmt::format("DELETE FROM main._transform_versions WHERE name = {} AND version = {}", name, version)));
  }
  if (before > 0 && before != transform.version && !transform.old_until)
    MILLRACE_TRY(connection.execute("DROP VIEW IF EXISTS " + version_view(transform.name, before)));
  return {};
}

Status drop_transform(duck::Connection& connection, const std::string& name) {
  MILLRACE_ASSIGN(
      auto rows,
      connection.query("SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND "
                       "schema_name = 'analytics' AND regexp_full_match(view_name, ?)",
                       {std::string_view(name + "_v[0-9]+")}));
  MILLRACE_TRY(rows.next_chunk());
  for (std::size_t i = 0; i < rows.size(); ++i)
    MILLRACE_TRY(connection.execute(
        fmt::format("DROP VIEW {}.{}", kTransformSchema, sql_identifier(rows.text(0, i)))));
  MILLRACE_TRY(
      connection.execute(fmt::format("DROP TABLE IF EXISTS {}.{}", kTransformSchema, sql_identifier(name))));
  MILLRACE_TRY(
      connection.query("DELETE FROM main._transform_versions WHERE name = ?", {std::string_view(name)}));
  return TransformLedger(connection).forget(name);
}

Result<std::vector<RuleResult>> TransformTask::judge(JudgeWhich which) {
  if (context_.contracts == nullptr) return std::vector<RuleResult>{};
  return judge_by(connection_, *context_.contracts,
                  fmt::format("{}.{}", kTransformSchema, one_.transform.name), context_.warehouse.env().now(),
                  which);
}

/// Judge the table by the contracts that hold now, as it would be. Errors: kInvalid when a rule stops it.
Status TransformTask::check_contracts() {
  MILLRACE_ASSIGN(contract_results_, judge(JudgeWhich::kThatStop));
  const auto broken = std::ranges::find_if(contract_results_, &RuleResult::stops);
  if (broken == contract_results_.end()) return {};
  return fail(Code::kInvalid, fmt::format("breaks a contract: {}: nothing was changed", broken->text()),
              one_.transform.path.string());
}

/// Whether what was made is published or not, what the contracts say of it is kept. Rules that only warn look
/// at what is published, outside its transaction, which one whose SQL fails would end.
void TransformTask::keep_contract_results(bool is_published) {
  if (is_published) {
    if (auto warnings = judge(JudgeWhich::kThatWarn))
      std::ranges::move(*warnings, std::back_inserter(contract_results_));
    else
      log_warning("contract", "could not judge a table by the rules that warn",
                  {field("table", one_.transform.name), field("error", warnings.error().text())});
  }
  if (contract_results_.empty()) return;
  const WriterBeside beside(context_.warehouse);
  const Status kept = keep_results(connection_, contract_results_, std::to_string(context_.run), "transform",
                                   context_.warehouse.env().now());
  if (!kept)
    log_warning("contract", "could not keep what came of the rules of a table",
                {field("table", one_.transform.name), field("error", kept.error().text())});
}

Status TransformTask::check_room() const {
  MILLRACE_ASSIGN(const auto free, context_.warehouse.free_bytes());
  if (free >= kFreeBytesMin) return {};
  return fail(Code::kNoSpace, fmt::format("the warehouse's disk has {} MB left and needs {}: make room",
                                          free >> 20, kFreeBytesMin >> 20));
}

TransformLedger::Made TransformTask::made_since(DurationUs begun) const {
  Env& env = context_.warehouse.env();
  return {context_.run, env.now(), env.steady_now() - begun};
}

/// Run `work` beside others; when the memory did not suffice, once more alone.
template <class Work>
auto TransformTask::with_memory(const Work& work) -> decltype(work()) {
  {
    const std::shared_lock shared(context_.memory);
    auto done = work();
    if (done || done.error().code != Code::kOverloaded) return done;
  }
  const std::unique_lock alone(context_.memory);
  return work();
}

/// Make the views of versions, and, when what it was made of is not what it is now, an empty table.
Status TransformTask::begin() {
  const WriterBeside beside(context_.warehouse);
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  const auto& transform = one_.transform;
  MILLRACE_TRY(keep_versions(connection_, one_, context_.records, context_.warehouse.env().now()));
  if (transform.is_incremental()) {
    const auto record = context_.records.find(transform.name);
    const bool same = record != context_.records.end() && record->second.hash == one_.hash;
    if (!same || (context_.full && !context_.range.is_given())) MILLRACE_TRY(make_table_anew());
    MILLRACE_TRY(ledger_.find_stale(one_, context_.set, context_.range));
  }
  return transaction.commit();
}

/// The record says from now on of which SQL the table is: the run may end before all of it is filled.
Status TransformTask::make_table_anew() {
  const auto& transform = one_.transform;
  MILLRACE_TRY(
      connection_.execute(fmt::format("CREATE OR REPLACE TABLE {} AS {}\nWITH NO DATA", transform.table(),
                                      expand_transform(transform.text, {0, kDayUs}))));
  MILLRACE_TRY(ledger_.forget(transform.name));
  return ledger_.note_run(one_, made_since(context_.warehouse.env().steady_now()));
}

Result<TransformDone> TransformTask::run(const Progress& progress) {
  MILLRACE_TRY(check_room());
  if (Status begun = begin(); !begun) return fail(failed(one_.transform, begun.error()));
  Result<TransformDone> done = one_.transform.is_incremental() ? run_intervals(progress) : run_whole();
  keep_contract_results(done.has_value());
  if (!done) return fail(failed(one_.transform, done.error()));
  if (one_.transform.version == 0) return done;
  const WriterBeside beside(context_.warehouse);
  MILLRACE_TRY(connection_.execute(fmt::format("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}",
                                               version_view(one_.transform.name, one_.transform.version),
                                               one_.transform.table())));
  return done;
}

Result<std::uint64_t> TransformTask::try_whole() {
  const WriterBeside beside(context_.warehouse);
  const DurationUs begun = context_.warehouse.env().steady_now();
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  const auto& transform = one_.transform;
  MILLRACE_TRY(connection_.execute(fmt::format("CREATE OR REPLACE TABLE {} AS {}", transform.table(),
                                               expand_transform(transform.text, {}))));
  MILLRACE_TRY(check_rows(connection_, transform, nullptr));
  MILLRACE_TRY(check_contracts());
  MILLRACE_TRY(ledger_.note_run(one_, made_since(begun)));
  MILLRACE_ASSIGN(const auto rows, connection_.scalar("SELECT count(*) FROM " + transform.table()));
  MILLRACE_TRY(transaction.commit());
  return static_cast<std::uint64_t>(rows.value_or(0));
}

Result<TransformDone> TransformTask::run_whole() {
  MILLRACE_ASSIGN(const auto rows, with_memory([this] { return try_whole(); }));
  return TransformDone{0, rows};
}

Result<std::uint64_t> TransformTask::try_span(const TransformSpan& span) {
  const WriterBeside beside(context_.warehouse);
  const DurationUs begun = context_.warehouse.env().steady_now();
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  const auto& transform = one_.transform;
  const auto within = fmt::format("{0} >= {1} AND {0} < {2}", sql_identifier(transform.time),
                                  sql_time(span.start), sql_time(span.end));
  MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM {} WHERE {}", transform.table(), within)));
  // Rows of other intervals are not its business; those without a time are a mistake, which the ledger finds.
  MILLRACE_TRY(connection_.execute(fmt::format(
      "INSERT INTO {0} SELECT * FROM (\n{1}\n) AS made WHERE ({2}) OR {3} IS NULL", transform.table(),
      expand_transform(transform.text, {span.start, span.end}), within, sql_identifier(transform.time))));
  MILLRACE_TRY(check_rows(connection_, transform, &span));
  MILLRACE_TRY(check_contracts());
  MILLRACE_ASSIGN(const auto rows, ledger_.note_filled(one_, span, made_since(begun)));
  MILLRACE_TRY(transaction.commit());
  return rows;
}

/// What does not fit into memory is tried in halves.
Result<std::uint64_t> TransformTask::run_span(const TransformSpan& span) {
  auto rows = with_memory([&] { return try_span(span); });
  if (rows || rows.error().code != Code::kOverloaded || span.intervals < 2) return rows;
  const auto half = span.intervals / 2;
  const TimeUs middle = span.start + static_cast<DurationUs>(half) * one_.transform.interval;
  MILLRACE_ASSIGN(const auto first, run_span({span.start, middle, half}));
  MILLRACE_ASSIGN(const auto second, run_span({middle, span.end, span.intervals - half}));
  return first + second;
}

Result<TransformDone> TransformTask::run_intervals(const Progress& progress) {
  const DurationUs begun = context_.warehouse.env().steady_now();
  MILLRACE_ASSIGN(const auto spans, ledger_.stale_spans(one_.transform, context_.range));
  std::size_t total = 0;
  for (const auto& span : spans) total += span.intervals;
  TransformDone done;
  for (const auto& span : spans) {
    if (done.intervals > 0) MILLRACE_TRY(check_room());
    progress(done.intervals, total);
    MILLRACE_ASSIGN(const auto rows, run_span(span));
    done.intervals += span.intervals;
    done.rows += rows;
  }
  const WriterBeside beside(context_.warehouse);
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_TRY(ledger_.note_run(one_, made_since(begun)));
  MILLRACE_TRY(transaction.commit());
  return done;
}

}  // namespace millrace
