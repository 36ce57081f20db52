#include "warehouse/transform_ledger.h"

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

/// In the column log_topic of `_transform_offsets`, beside topics, which have no such letters: how many of
/// `_fact_changes` were seen.
constexpr std::string_view kChanges = "(changes)";

std::string interval_of(DurationUs length) {
  return fmt::format("INTERVAL '{} microseconds'", length);
}

/// The beginning of the interval that a time is in.
std::string bucket(const Transform& transform, std::string_view time) {
  return fmt::format("time_bucket({}, {}, TIMESTAMP '1970-01-01')", interval_of(transform.interval), time);
}

/// The tables that tell of new facts, with the column of their times.
std::map<std::string, std::string> fact_tables(const SoundTransform& one) {
  std::map<std::string, std::string> tables;
  for (const auto& source : one.reads.sources)
    if (const auto facts = facts_of(source); !facts.table.empty()) tables.emplace(facts.table, facts.time);
  return tables;
}

/// The intervals of a range, as a condition on interval_start and interval_end.
std::string within(const TransformRange& range) {
  std::string out = "true";
  if (range.from) out += fmt::format(" AND interval_end > {}", sql_time(*range.from));
  if (range.to) out += fmt::format(" AND interval_start < {}", sql_time(*range.to));
  return out;
}

std::optional<TimeUs> time_in(const duck::Rows& rows, std::size_t column, std::size_t row) {
  if (rows.is_null(column, row)) return std::nullopt;
  return rows.int64(column, row);
}

}  // namespace

Result<std::map<std::string, TransformRecord>> TransformLedger::records() {
  MILLRACE_ASSIGN(
      auto rows,
      connection_.query(
          "SELECT t.name, path, text, version, coalesce(hash, ''), run_time, coalesce(duration_us, 0), "
          "coalesce(row_count, 0), error, coalesce(filled, 0), coalesce(stale, 0), filled_from, filled_to "
          "FROM "
          "main._transforms t LEFT JOIN (SELECT name, count(*) FILTER (NOT stale) AS filled, count(*) FILTER "
          "(stale) AS stale, min(interval_start) FILTER (NOT stale) AS filled_from, max(interval_end) FILTER "
          "(NOT "
          "stale) AS filled_to FROM main._transform_intervals GROUP BY name) i ON i.name = t.name"));
  std::map<std::string, TransformRecord> records;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return records;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& record = records[std::string(rows.text(0, i))];
      record.file = {std::string(rows.text(1, i)), std::string(rows.text(2, i))};
      record.version = static_cast<std::uint32_t>(rows.int32(3, i));
      record.hash = rows.text(4, i);
      record.run_time = time_in(rows, 5, i);
      record.duration = rows.int64(6, i);
      record.rows = static_cast<std::uint64_t>(rows.int64(7, i));
      record.error = rows.text(8, i);
      record.filled = static_cast<std::uint64_t>(rows.int64(9, i));
      record.stale = static_cast<std::uint64_t>(rows.int64(10, i));
      record.filled_from = time_in(rows, 11, i);
      record.filled_to = time_in(rows, 12, i);
    }
  }
}

Result<std::int64_t> TransformLedger::next_run() {
  MILLRACE_ASSIGN(
      const auto last,
      connection_.scalar("SELECT greatest((SELECT max(run) FROM main._transforms), (SELECT max(run) FROM "
                         "main._transform_intervals))"));
  return last.value_or(0) + 1;
}

Status TransformLedger::forget(const std::string& name) {
  for (const char* table : {"_transform_intervals", "_transform_offsets", "_transforms"})
    MILLRACE_TRY(connection_.query(fmt::format("DELETE FROM main.{} WHERE name = ?", table),
                                   {std::string_view(name)}));
  return {};
}

/// Add to `touched` the intervals of facts whose offsets were not seen yet. Offsets tell exactly: a fact that
/// came into the tables after the run that saw the others has a larger one, however old its time is.
Status TransformLedger::touch_facts(const SoundTransform& one) {
  for (const auto& [table, time] : fact_tables(one)) {
    MILLRACE_ASSIGN(const auto least,
                    connection_.scalar(fmt::format(
                        "SELECT min(coalesce(s.next_offset, 0)) FROM main._offsets o LEFT JOIN "
                        "main._transform_offsets s ON s.name = {0} AND s.log_topic = o.log_topic AND "
                        "s.log_partition = o.log_partition WHERE o.log_topic = {1}",
                        sql_literal(one.transform.name), sql_literal(table))));
    MILLRACE_TRY(connection_.execute(fmt::format(
        "INSERT INTO touched SELECT DISTINCT {0} FROM main.{1} f LEFT JOIN main._transform_offsets s ON "
        "s.name = {2} "
        "AND s.log_topic = f.log_topic AND s.log_partition = f.log_partition WHERE f.log_offset >= {3} AND "
        "f.log_offset >= coalesce(s.next_offset, 0)",
        bucket(one.transform, "f." + time), table, sql_literal(one.transform.name),
        // Quarantine has records of other topics too, with offsets of their own.
        table == "quarantine" ? 0 : least.value_or(0))));
  }
  return {};
}

/// Likewise those of facts that were taken away or put in the place of others.
Status TransformLedger::touch_changes(const SoundTransform& one) {
  if (fact_tables(one).empty()) return {};
  return connection_.execute(
      fmt::format("INSERT INTO touched SELECT DISTINCT unnest(range({0}, c.hour + INTERVAL 1 HOUR, {1})) "
                  "FROM main._fact_changes "
                  "c WHERE c.number > coalesce((SELECT next_offset FROM main._transform_offsets WHERE name = "
                  "{2} AND log_topic = "
                  "'{3}'), 0)",
                  bucket(one.transform, "c.hour"), interval_of(one.transform.interval),
                  sql_literal(one.transform.name), kChanges));
}

/// Likewise those over intervals of other transforms that were made since.
Status TransformLedger::touch_refs(const SoundTransform& one, const TransformSet& set) {
  for (const auto& ref : one.reads.refs) {
    if (!set.find(ref)->transform.is_incremental()) continue;
    MILLRACE_TRY(connection_.execute(
        fmt::format("INSERT INTO touched SELECT DISTINCT r.start FROM (SELECT unnest(range({0}, "
                    "interval_end, {1})) AS start, run "
                    "FROM main._transform_intervals WHERE name = {2} AND NOT stale) r LEFT JOIN "
                    "main._transform_intervals t ON "
                    "t.name = {3} AND t.interval_start = r.start WHERE t.run IS NULL OR t.run < r.run",
                    bucket(one.transform, "interval_start"), interval_of(one.transform.interval),
                    sql_literal(ref), sql_literal(one.transform.name))));
  }
  return {};
}

Status TransformLedger::mark_touched(const Transform& transform) {
  const auto length = interval_of(transform.interval);
  MILLRACE_TRY(connection_.execute(
      fmt::format("CREATE OR REPLACE TEMP TABLE marked AS SELECT DISTINCT start - back * {0} AS start FROM "
                  "touched, range({1}) AS "
                  "b(back) WHERE start + {0} > {2} + back * {0}",
                  length, transform.lookback + 1,
                  transform.begin ? sql_time(*transform.begin) : "TIMESTAMP '0001-01-02 00:00:00'")));
  const auto name = sql_literal(transform.name);
  MILLRACE_TRY(
      connection_.execute(fmt::format("UPDATE main._transform_intervals SET stale = true WHERE name = {} AND "
                                      "NOT stale AND interval_start IN (SELECT "
                                      "start FROM marked)",
                                      name)));
  return connection_.execute(fmt::format(
      "INSERT INTO main._transform_intervals SELECT {0}, start, start + {1}, true, NULL, NULL, NULL, NULL, "
      "NULL FROM "
      "marked WHERE start NOT IN (SELECT interval_start FROM main._transform_intervals WHERE name = {0})",
      name, length));
}

Status TransformLedger::note_seen(const SoundTransform& one) {
  const auto name = sql_literal(one.transform.name);
  MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM main._transform_offsets WHERE name = {}", name)));
  return connection_.execute(
      fmt::format("INSERT INTO main._transform_offsets SELECT {0}, log_topic, log_partition, next_offset "
                  "FROM main._offsets UNION "
                  "ALL SELECT {0}, '{1}', 0, coalesce(max(number), 0) FROM main._fact_changes",
                  name, kChanges));
}

Status TransformLedger::find_stale(const SoundTransform& one, const TransformSet& set,
                                   const TransformRange& range) {
  MILLRACE_TRY(connection_.execute("CREATE OR REPLACE TEMP TABLE touched (start TIMESTAMP)"));
  MILLRACE_TRY(touch_facts(one));
  MILLRACE_TRY(touch_changes(one));
  MILLRACE_TRY(touch_refs(one, set));
  MILLRACE_TRY(mark_touched(one.transform));
  MILLRACE_TRY(note_seen(one));
  if (!range.is_given()) return {};
  return connection_.execute(
      fmt::format("UPDATE main._transform_intervals SET stale = true WHERE name = {} AND NOT stale AND {}",
                  sql_literal(one.transform.name), within(range)));
}

Result<std::vector<TransformSpan>> TransformLedger::stale_spans(const Transform& transform,
                                                                const TransformRange& range) {
  MILLRACE_ASSIGN(auto rows,
                  connection_.query(fmt::format(
                      "SELECT interval_start, interval_end FROM main._transform_intervals WHERE name = {} "
                      "AND stale AND {} ORDER BY interval_start",
                      sql_literal(transform.name), within(range))));
  std::vector<TransformSpan> spans;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return spans;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const TransformSpan next{rows.int64(0, i), rows.int64(1, i), 1};
      if (spans.empty() || spans.back().end != next.start || spans.back().intervals == transform.batch) {
        spans.push_back(next);
      } else {
        spans.back().end = next.end;
        ++spans.back().intervals;
      }
    }
  }
}

Result<std::uint64_t> TransformLedger::note_filled(const SoundTransform& one, const TransformSpan& span,
                                                   const Made& made) {
  const auto& transform = one.transform;
  const auto time = sql_identifier(transform.time);
  const auto start = sql_time(span.start);
  const auto end = sql_time(span.end);
  // One look at what was made tells all: how many rows each interval has, and how many have none.
  MILLRACE_TRY(connection_.execute(fmt::format(
      "CREATE OR REPLACE TEMP TABLE counted AS SELECT {0} AS start, count(*) AS n FROM {1} WHERE ({2} >= "
      "{3} AND {2} < {4}) OR {2} IS NULL GROUP BY 1",
      bucket(transform, fmt::format("CAST({} AS TIMESTAMP)", time)), transform.table(), time, start, end)));
  MILLRACE_ASSIGN(const auto lost, connection_.scalar("SELECT n FROM counted WHERE start IS NULL"));
  if (lost)
    return fail(Code::kInvalid,
                fmt::format("{} rows have no {}, so they are of no interval: nothing was changed",
                            with_thousands(static_cast<std::uint64_t>(*lost)), transform.time));
  const auto name = sql_literal(transform.name);
  const auto length = interval_of(transform.interval);
  MILLRACE_TRY(
      connection_.execute(fmt::format("DELETE FROM main._transform_intervals WHERE name = {} AND "
                                      "interval_start >= {} AND interval_start < {}",
                                      name, start, end)));
  MILLRACE_TRY(connection_.execute(
      fmt::format("INSERT INTO main._transform_intervals SELECT {0}, s.start, s.start + {1}, false, '{2}', "
                  "{3}, {4}, {5}, "
                  "coalesce(c.n, 0) FROM (SELECT unnest(range({6}, {7}, {1})) AS start) s LEFT JOIN counted "
                  "c ON c.start = s.start",
                  name, length, one.hash, made.run, sql_time(made.time), made.duration, start, end)));
  MILLRACE_ASSIGN(const auto rows, connection_.scalar("SELECT CAST(sum(n) AS BIGINT) FROM counted"));
  return static_cast<std::uint64_t>(rows.value_or(0));
}

Status TransformLedger::note_run(const SoundTransform& one, const Made& made) {
  const auto& transform = one.transform;
  MILLRACE_TRY(
      connection_.query("DELETE FROM main._transforms WHERE name = ?", {std::string_view(transform.name)}));
  const std::string path = transform.path.string();
  MILLRACE_TRY(connection_.query(
      fmt::format("INSERT INTO main._transforms SELECT ?, ?, ?, {}, '{}', {}, {}, {}, (SELECT count(*) FROM "
                  "{}), NULL, "
                  "NULL",
                  transform.version, one.hash, made.run, sql_time(made.time), made.duration,
                  transform.table()),
      {std::string_view(transform.name), std::string_view(path), std::string_view(transform.text)}));
  return {};
}

Status TransformLedger::note_error(const Transform& transform, std::string_view error, TimeUs time) {
  MILLRACE_ASSIGN(const auto known,
                  connection_.scalar(fmt::format("SELECT count(*) FROM main._transforms WHERE name = {}",
                                                 sql_literal(transform.name))));
  const std::string path = transform.path.string();
  if (known.value_or(0) == 0)
    MILLRACE_TRY(connection_.query(
        "INSERT INTO main._transforms (name, path, text, version) VALUES (?, ?, ?, 0)",
        {std::string_view(transform.name), std::string_view(path), std::string_view(transform.text)}));
  MILLRACE_TRY(connection_.query(
      fmt::format("UPDATE main._transforms SET error = ?, error_time = {} WHERE name = ?", sql_time(time)),
      {error, std::string_view(transform.name)}));
  return {};
}

}  // namespace millrace
