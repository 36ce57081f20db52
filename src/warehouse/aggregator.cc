#include "warehouse/aggregator.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/logging.h"
#include "warehouse/fact_changes.h"

namespace millrace {
namespace {

constexpr std::string_view kComponent = "aggregations";

/// A table is filled from days of facts, so many events at once, about.
constexpr std::int64_t kBuildEvents = 1'000'000;

/// Return whether a failure is the machine's, and not that of an aggregation's SQL.
bool blames_machine(const Error& error) {
  return error.code == Code::kOverloaded || error.code == Code::kNoSpace || error.code == Code::kIo ||
         error.code == Code::kCancelled;
}

/// Days that are aggregated together.
struct Days {
  std::string first;
  std::string last;
  std::int64_t events = 0;
};

Result<std::vector<Days>> days_of_events(duck::Connection& connection) {
  std::vector<Days> out;
  MILLRACE_ASSIGN(auto rows, connection.query(
                                 "SELECT CAST(dt AS VARCHAR), count(*) FROM events GROUP BY dt ORDER BY dt"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (out.empty() || out.back().events >= kBuildEvents)
        out.push_back({std::string(rows.text(0, i)), {}, 0});
      out.back().last = rows.text(0, i);
      out.back().events += rows.int64(1, i);
    }
  }
}

std::string build_sql(const AggregationSql& sql, const Days& days) {
  const auto condition = fmt::format("dt BETWEEN DATE '{}' AND DATE '{}'", days.first, days.last);
  return fmt::format("INSERT INTO {} SELECT 1, * FROM ({})", sql.table(),
                     sql.partial(sql.input().all, condition));
}

}  // namespace

Result<std::unique_ptr<Aggregator>> Aggregator::open(duck::Connection& connection,
                                                     const AggregatorOptions& options) {
  std::unique_ptr<Aggregator> aggregator(new Aggregator(connection, options));
  MILLRACE_TRY(aggregator->read_tables());
  for (auto& table : aggregator->tables_) {
    if (!table.built) MILLRACE_TRY(aggregator->build(table));
    MILLRACE_TRY(aggregator->read_counts(table));
    table.insert = fmt::format("INSERT INTO {} SELECT 0, * FROM ({})", table.sql.table(),
                               table.sql.partial(table.sql.input().added));
  }
  aggregator->committed();
  return aggregator;
}

Status Aggregator::read_tables() {
  MILLRACE_ASSIGN(auto rows, connection_.query("SELECT path, text, built FROM _aggregations WHERE stored "
                                               "ORDER BY position"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      MILLRACE_ASSIGN(const auto source,
                      AggregationSource::parse({std::string(rows.text(0, i)), std::string(rows.text(1, i))}));
      const auto& aggregation = source.aggregation();
      tables_.push_back({.sql = {aggregation, fact_input(aggregation.from)},
                         .name = aggregation.name,
                         .insert = {},
                         .built = rows.boolean(2, i)});
    }
  }
}

Status Aggregator::read_counts(Table& table) {
  MILLRACE_ASSIGN(auto rows,
                  connection_.query(fmt::format("SELECT count(*) FILTER (tier = 0), count(*) FILTER "
                                                "(tier = 1) FROM {}",
                                                table.sql.table())));
  MILLRACE_TRY(rows.next_chunk());
  table.fresh = rows.int64(0, 0);
  table.middle = rows.int64(1, 0);
  return {};
}

/// Fill a table from the facts. One whose SQL fails on them is given up.
Status Aggregator::build(Table& table) {
  auto done = build_in_transaction(table);
  if (done || blames_machine(done.error())) return done;
  log_error(kComponent, "an aggregation cannot be computed and stays empty",
            {field("name", table.name), field("error", done.error().text())});
  table.given_up = true;
  return {};
}

Status Aggregator::build_in_transaction(Table& table) {
  MILLRACE_ASSIGN(const auto days, days_of_events(connection_));
  std::int64_t total = 0, done = 0;
  for (const auto& some : days) total += some.events;
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_TRY(connection_.execute("DELETE FROM " + table.sql.table()));
  for (const auto& some : days) {
    MILLRACE_TRY(connection_.execute(build_sql(table.sql, some)));
    done += some.events;
    log_info(kComponent, "computing from the facts",
             {field("name", table.name), field("events", done), field("of", total)});
  }
  MILLRACE_TRY(connection_.query("UPDATE _aggregations SET built = true WHERE name = ?", {table.name}));
  MILLRACE_TRY(transaction.commit());
  table.built = true;
  return {};
}

Result<std::int64_t> Aggregator::changed(const std::string& sql) {
  MILLRACE_ASSIGN(const auto rows, connection_.scalar(sql));
  return rows.value_or(0);
}

/// One pass over the events, whatever the number of aggregations: rows of the other tables have the time and
/// the visit of their event.
Status Aggregator::note_deleted() {
  MILLRACE_TRY(note_fact_changes(connection_,
                                 "SELECT e.event_time FROM events e JOIN older_rows o ON e.log_offset = "
                                 "o.log_offset AND e.event_index = o.event_index AND e.log_partition = "
                                 "o.log_partition AND e.log_topic = o.log_topic"));
  if (tables_.empty()) return {};
  deleted_ = true;
  return connection_.execute(
      "CREATE OR REPLACE TEMP TABLE deleted_times AS SELECT DISTINCT e.event_time, e.visit_id FROM events e "
      "JOIN older_rows o ON e.log_offset = o.log_offset AND e.event_index = o.event_index "
      "AND e.log_partition = o.log_partition AND e.log_topic = o.log_topic");
}

Status Aggregator::add() {
  for (auto& table : tables_) {
    auto done = table.given_up ? give_up(table) : deleted_ ? compute_again(table) : add_to(table);
    if (!done) return failed(table, std::move(done).error());
  }
  return compact_one();
}

/// Note that a table could not be written, unless the machine is at fault, and return what to say of it.
Status Aggregator::failed(Table& table, Error error) {
  if (blames_machine(error)) return fail(std::move(error));
  table.given_up = true;
  log_error(kComponent,
            "an aggregation cannot be kept up: it is emptied, and computed again at the next start",
            {field("name", table.name), field("error", error.text())});
  return fail(Code::kInternal, fmt::format("the aggregation {}: {}", table.name, error.text()));
}

/// Empty its table, so that nobody reads figures that stand still.
Status Aggregator::give_up(Table& table) {
  if (!table.built) return {};
  MILLRACE_TRY(connection_.execute("DELETE FROM " + table.sql.table()));
  MILLRACE_TRY(connection_.query("UPDATE _aggregations SET built = false WHERE name = ?", {table.name}));
  table.built = false;
  return {};
}

Status Aggregator::add_to(Table& table) {
  MILLRACE_ASSIGN(const auto added, changed(table.insert));
  table.fresh += added;
  return {};
}

/// Facts were deleted: make the windows that held them anew from all facts, and add to the others as ever.
Status Aggregator::compute_again(Table& table) {
  const auto& sql = table.sql;
  MILLRACE_TRY(
      connection_.execute(fmt::format("CREATE OR REPLACE TEMP TABLE stale_windows AS SELECT DISTINCT {} AS w "
                                      "FROM deleted_times",
                                      sql.window_key())));
  const auto stale = fmt::format("{} IN (SELECT w FROM stale_windows WHERE w IS NOT NULL)", sql.window_key());
  MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM {} WHERE {} IN (SELECT w FROM stale_windows)",
                                               sql.table(), sql.window_column())));
  for (const auto& part : {sql.partial(sql.input().all, stale),
                           sql.partial(sql.input().added, "NOT coalesce(" + stale + ", false)")}) {
    MILLRACE_TRY(connection_.execute(fmt::format("INSERT INTO {} SELECT 0, * FROM ({})", sql.table(), part)));
  }
  return read_counts(table);
}

/// Add up the rows of the next table that has too many.
Status Aggregator::compact_one() {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    auto& table = tables_[(next_ + i) % tables_.size()];
    const bool fresh = table.fresh > options_.fresh_rows_max;
    if (table.given_up || (!fresh && table.middle <= options_.middle_rows_max)) continue;
    next_ = (next_ + i + 1) % tables_.size();
    auto rows = compact(table, fresh ? 0 : 1);
    if (!rows) return failed(table, std::move(rows).error());
    table.middle = fresh ? table.middle + *rows : 0;
    if (fresh) table.fresh = 0;
    return {};
  }
  return {};
}

/// Add up the rows of a tier and move them to the next. Return how many there are then.
Result<std::int64_t> Aggregator::compact(const Table& table, int tier) {
  const auto& sql = table.sql;
  const auto tier_is = fmt::format("tier = {}", tier);
  MILLRACE_TRY(connection_.execute(
      fmt::format("CREATE OR REPLACE TEMP TABLE added_up AS {}", sql.merged(sql.table(), tier_is))));
  MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM {} WHERE {}", sql.table(), tier_is)));
  return changed(fmt::format("INSERT INTO {} SELECT {}, * FROM added_up", sql.table(), tier + 1));
}

void Aggregator::committed() {
  deleted_ = false;
  before_.clear();
  for (const auto& table : tables_) before_.push_back({table.fresh, table.middle, table.built});
}

void Aggregator::rolled_back() {
  deleted_ = false;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    tables_[i].fresh = before_[i].fresh;
    tables_[i].middle = before_[i].middle;
    tables_[i].built = before_[i].built;
  }
}

}  // namespace millrace
