#include "warehouse/row_exchange.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "base/logging.h"
#include "event/event.h"
#include "warehouse/aggregator.h"
#include "warehouse/duck.h"
#include "warehouse/fact_changes.h"

namespace millrace {
namespace {

/// Of the disk: what DuckDB must find, and about what a row may take in its log and its file.
constexpr std::uint64_t kFreeBytesMin = 64ull << 20;
constexpr std::uint64_t kRowBytes = 512;

/// So often an aggregation may turn out not to be computable; each is then left alone.
constexpr int kAttemptsMax = 8;

constexpr std::array kEventTables = {"events", "order_lines", "event_items"};

/// {0}: the condition on the range.
constexpr const char* kFindOlderEvents =
    "CREATE OR REPLACE TEMP TABLE older_rows AS "
    "SELECT log_topic, log_partition, log_offset, event_index FROM events WHERE {0}";

/// The schema's events that the tables do not have now, at their place and under their id.
/// {0}: schema, {1}: the condition on the range.
constexpr const char* kFindNew =
    "CREATE OR REPLACE TEMP TABLE new_rows AS "
    "SELECT s.log_topic, s.log_partition, s.log_offset, s.event_index, s.source, s.message_id, "
    "s.received_time, s.type, s.order_id, s.order_total, s.order_revenue, s.order_shipping, s.order_tax, "
    "s.order_discount, r.log_offset IS NOT NULL AS replaces FROM {0}.events s "
    "LEFT JOIN (SELECT DISTINCT log_topic, log_partition, log_offset, event_index FROM {0}._replacing) r "
    "ON s.log_offset = r.log_offset AND s.event_index = r.event_index "
    "AND s.log_partition = r.log_partition AND s.log_topic = r.log_topic "
    "ANTI JOIN (SELECT log_topic, log_partition, log_offset, event_index, source, message_id FROM events "
    "WHERE {1}) e ON s.log_offset = e.log_offset AND s.event_index = e.event_index "
    "AND s.log_partition = e.log_partition AND s.log_topic = e.log_topic AND s.message_id = e.message_id "
    "AND s.source IS NOT DISTINCT FROM e.source";

/// Of a new row `n` and one that stands outside of the range, `e`: which came first. Offsets of different
/// partitions say nothing about that.
constexpr const char* kIsEarlier =
    "CASE WHEN e.log_topic = n.log_topic AND e.log_partition = n.log_partition THEN e.log_offset < "
    "n.log_offset ELSE e.received_time < n.received_time END";

/// Those of them whose id stands elsewhere, in an event that counts instead. A later load of a file replaces
/// earlier ones however much later; what is known by the file's content is recognised by its form.
/// {0}: the condition on the range, {1}: that for what stands after it, {2}: window in µs, {3}: kIsEarlier.
constexpr const char* kFindRepeats =
    "CREATE OR REPLACE TEMP TABLE repeated_rows AS "
    "SELECT DISTINCT n.log_topic, n.log_partition, n.log_offset, n.event_index FROM new_rows n "
    "JOIN (SELECT source, message_id, received_time, log_topic, log_partition, log_offset, {1} AS is_after "
    "FROM events WHERE NOT {0}) e "
    "ON n.message_id = e.message_id AND n.source IS NOT DISTINCT FROM e.source "
    "WHERE CASE WHEN n.replaces THEN NOT ({3}) ELSE e.is_after AND ("
    "abs(epoch_us(n.received_time) - epoch_us(e.received_time)) <= {2} "
    "OR regexp_full_match(n.message_id, '[0-9a-f]{{32}}:[0-9]+')) END";

/// And those whose row of a file was refused when it was loaded again. {0}: the condition on the range.
constexpr const char* kFindRefused =
    "INSERT INTO repeated_rows SELECT DISTINCT n.log_topic, n.log_partition, n.log_offset, n.event_index "
    "FROM new_rows n JOIN (SELECT source, message_id, received_time FROM quarantine WHERE message_id IS NOT "
    "NULL AND NOT {0}) q ON n.message_id = q.message_id AND n.source IS NOT DISTINCT FROM q.source "
    "WHERE q.received_time >= n.received_time";

/// What stands outside of the range and gives way to rows that come. {0}: the condition on the range,
/// {1}: kIsEarlier.
constexpr const char* kFindReplaced =
    "CREATE OR REPLACE TEMP TABLE replaced_rows AS WITH n AS (SELECT * FROM new_rows n ANTI JOIN "
    "repeated_rows o ON n.log_offset = o.log_offset AND n.event_index = o.event_index "
    "AND n.log_partition = o.log_partition AND n.log_topic = o.log_topic WHERE n.replaces) "
    "SELECT e.log_topic, e.log_partition, e.log_offset, e.event_index, 1::BIGINT AS events FROM (FROM "
    "events WHERE NOT {0}) e JOIN n ON e.message_id = n.message_id AND e.source IS NOT DISTINCT FROM "
    "n.source "
    "WHERE {1} UNION "
    "SELECT e.log_topic, e.log_partition, e.log_offset, e.event_index, e.events FROM (FROM "
    "quarantine WHERE NOT {0}) e JOIN n ON e.message_id = n.message_id AND e.source IS NOT DISTINCT FROM "
    "n.source "
    "WHERE e.received_time < n.received_time";

constexpr const char* kDeleteReplaced =
    "DELETE FROM {0} t USING replaced_rows o WHERE t.log_offset = o.log_offset "
    "AND t.event_index = o.event_index AND t.log_partition = o.log_partition AND t.log_topic = o.log_topic";

constexpr const char* kUpdateBooksOfReplaced =
    "UPDATE _books b SET applied = b.applied - d.events, duplicate = b.duplicate + d.events FROM ("
    "SELECT log_topic, log_partition, sum(events)::BIGINT AS events FROM replaced_rows GROUP BY ALL) d "
    "WHERE b.log_topic = d.log_topic AND b.log_partition = d.log_partition";

/// The orders of a table's purchases, as warehouse/whole_order.h knows them. {0}: FROM, {1}: condition.
constexpr const char* kOrders =
    "SELECT l.log_topic, l.log_partition, l.log_offset, l.event_index, l.source, l.order_id, "
    "CAST(list_sort(list(concat(l.quantity, '|', l.price, '|', l.item_id))) AS VARCHAR) AS lines, "
    "sum(l.amount) AS worth, count(*) = count(l.amount) AS priced FROM {0} l "
    "SEMI JOIN (SELECT order_id FROM new_rows WHERE type = 'purchase') n ON l.order_id = n.order_id "
    "WHERE l.type = 'purchase' AND l.quantity IS NOT NULL AND {1} GROUP BY ALL";

/// And those that carry a whole order which stands after the range. {0}: orders of the schema, {1}: of the
/// tables after the range.
constexpr const char* kFindRepeatedOrders =
    "INSERT INTO repeated_rows SELECT DISTINCT n.log_topic, n.log_partition, n.log_offset, n.event_index "
    "FROM new_rows n JOIN ({0}) s ON n.log_offset = s.log_offset AND n.event_index = s.event_index "
    "AND n.log_partition = s.log_partition AND n.log_topic = s.log_topic "
    "JOIN ({1}) o ON s.order_id = o.order_id AND s.source IS NOT DISTINCT FROM o.source AND s.lines = "
    "o.lines "
    "WHERE NOT n.replaces AND s.priced AND (s.worth = n.order_revenue OR s.worth = n.order_total OR s.worth "
    "= n.order_total "
    "- coalesce(n.order_shipping, 0) - coalesce(n.order_tax, 0) + coalesce(n.order_discount, 0))";

/// And those of an order that a shop's own database has told of outside of the range. {0}: the condition on
/// the range, {1}: what the ids of what it said begin with.
constexpr const char* kFindOwnedOrders =
    "INSERT INTO repeated_rows SELECT DISTINCT n.log_topic, n.log_partition, n.log_offset, n.event_index "
    "FROM new_rows n JOIN (SELECT source, order_id FROM events WHERE starts_with(message_id, '{1}') AND NOT "
    "{0}) e ON n.order_id = e.order_id AND n.source IS NOT DISTINCT FROM e.source "
    "WHERE n.type = 'purchase' AND NOT starts_with(n.message_id, '{1}')";

/// Purchases outside of the range that give way to what a database says of their order. {0}, {1}: as above.
constexpr const char* kFindReplacedOrders =
    "INSERT INTO replaced_rows SELECT e.log_topic, e.log_partition, e.log_offset, e.event_index, 1 "
    "FROM (FROM events WHERE type = 'purchase' AND NOT starts_with(message_id, '{1}') AND NOT {0}) e "
    "SEMI JOIN (FROM new_rows n ANTI JOIN repeated_rows o "
    "ON n.log_offset = o.log_offset AND n.event_index = o.event_index "
    "AND n.log_partition = o.log_partition AND n.log_topic = o.log_topic "
    "WHERE n.replaces AND starts_with(n.message_id, '{1}')) n "
    "ON e.order_id = n.order_id AND e.source IS NOT DISTINCT FROM n.source "
    "ANTI JOIN replaced_rows r ON e.log_offset = r.log_offset AND e.event_index = r.event_index "
    "AND e.log_partition = r.log_partition AND e.log_topic = r.log_topic";

constexpr const char* kDropRepeats =
    "DELETE FROM {0}.{1} t USING repeated_rows o WHERE t.log_offset = o.log_offset "
    "AND t.event_index = o.event_index AND t.log_partition = o.log_partition AND t.log_topic = o.log_topic";

/// What tables hold of each partition: events, and events put aside. {0}: schema and dot, {1}: condition.
constexpr const char* kCount =
    "SELECT log_topic, log_partition, sum(a)::BIGINT AS applied, sum(q)::BIGINT AS quarantined FROM ("
    "SELECT log_topic, log_partition, 1 AS a, 0 AS q FROM {0}events WHERE {1} UNION ALL "
    "SELECT log_topic, log_partition, 0, events FROM {0}quarantine WHERE {1}) GROUP BY ALL";

/// Counts the records of which the tables have something and which were not read. {0}: the condition on the
/// range.
constexpr const char* kCountLost =
    "SELECT count(*) FROM (SELECT log_topic, log_partition, log_offset FROM events WHERE {0} UNION "
    "SELECT log_topic, log_partition, log_offset FROM quarantine WHERE {0}) o "
    "ASOF LEFT JOIN read_spans r ON o.log_topic = r.log_topic AND o.log_partition = r.log_partition "
    "AND o.log_offset >= r.from_offset WHERE r.to_offset IS NULL OR o.log_offset >= r.to_offset";

/// Whatever became of an event, each counts once: what is in neither table is a duplicate.
constexpr const char* kUpdateBooks =
    "UPDATE _books b SET applied = b.applied + d.applied, quarantined = b.quarantined + d.quarantined, "
    "duplicate = b.duplicate - d.applied - d.quarantined FROM ("
    "SELECT log_topic, log_partition, coalesce(n.applied, 0) - coalesce(o.applied, 0) AS applied, "
    "coalesce(n.quarantined, 0) - coalesce(o.quarantined, 0) AS quarantined "
    "FROM newer_counts n FULL JOIN older_counts o USING (log_topic, log_partition)) d "
    "WHERE b.log_topic = d.log_topic AND b.log_partition = d.log_partition";

/// Returns how many partitions have fewer duplicates than none.
constexpr const char* kCountOverdrawn = "SELECT count(*) FROM _books WHERE duplicate < 0 OR applied < 0";

/// Topic names are of [A-Za-z0-9._-], so they need no escaping.
std::string condition(const OffsetRanges& ranges, auto&& of_offsets) {
  std::string any;
  for (const auto& [partition, range] : ranges) {
    any += fmt::format("{}(log_topic = '{}' AND log_partition = {} AND {})", any.empty() ? "" : " OR ",
                       partition.topic, partition.partition.value(), of_offsets(range));
  }
  return any.empty() ? "false" : "(" + any + ")";
}

std::string within(const OffsetRanges& ranges) {
  return condition(ranges, [](const OffsetRange& range) {
    return fmt::format("log_offset >= {} AND log_offset < {}", range.from.value(), range.to.value());
  });
}

std::string after(const OffsetRanges& ranges) {
  return condition(
      ranges, [](const OffsetRange& range) { return fmt::format("log_offset >= {}", range.to.value()); });
}

/// One exchange, as often as it is tried.
class Exchange {
 public:
  Exchange(duck::Connection& connection, Aggregator& aggregator, std::string schema,
           const ReplayedOffsets& offsets, DurationUs duplicate_window)
      : connection_(connection),
        aggregator_(aggregator),
        schema_(std::move(schema)),
        offsets_(offsets),
        duplicate_window_(duplicate_window),
        within_(within(offsets.ranges)),
        after_(after(offsets.ranges)) {}

  Result<RowExchange> run();

 private:
  Status find_repeats();
  Status find_replaced();
  Status count(const char* into, const std::string& schema);
  Status note_spans();
  Status check_end();
  Status check_nothing_is_lost();
  Status move_rows();
  Status update_books();
  Result<std::uint64_t> total(const std::string& sql);

  duck::Connection& connection_;
  Aggregator& aggregator_;
  const std::string schema_;
  const ReplayedOffsets& offsets_;
  const DurationUs duplicate_window_;
  const std::string within_;
  const std::string after_;
};

Result<std::uint64_t> Exchange::total(const std::string& sql) {
  MILLRACE_ASSIGN(const auto rows, connection_.scalar(sql));
  return static_cast<std::uint64_t>(rows.value_or(0));
}

Status Exchange::find_repeats() {
  MILLRACE_TRY(connection_.execute(fmt::format(kFindNew, schema_, within_)));
  MILLRACE_TRY(
      connection_.execute(fmt::format(kFindRepeats, within_, after_, duplicate_window_, kIsEarlier)));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindRefused, within_)));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindRepeatedOrders,
                                               fmt::format(kOrders, schema_ + ".order_lines", within_),
                                               fmt::format(kOrders, "order_lines", after_))));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindOwnedOrders, within_, kOrderIdPrefix)));
  MILLRACE_ASSIGN(const auto repeats, total("SELECT count(*) FROM repeated_rows"));
  if (repeats == 0) return {};
  for (const auto* table : kEventTables) {
    MILLRACE_TRY(connection_.execute(fmt::format(kDropRepeats, schema_, table)));
  }
  return {};
}

/// What gives way outside of the range is among the older rows too.
Status Exchange::find_replaced() {
  MILLRACE_TRY(connection_.execute(fmt::format(kFindReplaced, within_, kIsEarlier)));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindReplacedOrders, within_, kOrderIdPrefix)));
  return connection_.execute(
      "INSERT INTO older_rows SELECT log_topic, log_partition, log_offset, event_index FROM replaced_rows");
}

Status Exchange::count(const char* into, const std::string& schema) {
  return connection_.execute(
      fmt::format("CREATE OR REPLACE TEMP TABLE {} AS {}", into, fmt::format(kCount, schema, within_)));
}

Status Exchange::note_spans() {
  MILLRACE_TRY(
      connection_.execute("CREATE OR REPLACE TEMP TABLE read_spans (log_topic VARCHAR, log_partition "
                          "INTEGER, from_offset BIGINT, "
                          "to_offset BIGINT)"));
  MILLRACE_ASSIGN(const auto rows, duck::TableAppender::open(connection_, "read_spans"));
  for (const auto& [partition, spans] : offsets_.read) {
    for (const auto& [from, to] : spans) {
      rows->text(partition.topic).int32(static_cast<std::int32_t>(partition.partition.value()));
      rows->int64(static_cast<std::int64_t>(from.value())).int64(static_cast<std::int64_t>(to.value()));
      MILLRACE_TRY(rows->end_row());
    }
  }
  return rows->flush();
}

/// What the schema has not come to is missing from it.
Status Exchange::check_end() {
  for (const auto& [partition, range] : offsets_.ranges) {
    if (range.from == range.to) continue;
    MILLRACE_ASSIGN(const auto next,
                    total(fmt::format("SELECT max(next_offset) FROM {}._offsets WHERE log_topic = '{}' AND "
                                      "log_partition = {}",
                                      schema_, partition.topic, partition.partition.value())));
    if (next >= range.to.value()) continue;
    return fail(
        Code::kInvalid,
        fmt::format("the rows made of {}/{} end at offset {} and not at {}: nothing was changed; give "
                    "the command again",
                    partition.topic, partition.partition.value(), next, range.to.value()));
  }
  return {};
}

Status Exchange::check_nothing_is_lost() {
  MILLRACE_TRY(check_end());
  MILLRACE_TRY(note_spans());
  MILLRACE_ASSIGN(const auto lost, total(fmt::format(kCountLost, within_)));
  if (lost == 0) return {};
  return fail(Code::kInvalid,
              fmt::format("the log and the lake no longer hold {} records of this range that the tables have "
                          "rows of, so these would be lost: nothing was changed; leave them out with --from "
                          "and --to",
                          lost));
}

/// The rows that come go in as they stand, in the order in which they were made.
Status Exchange::move_rows() {
  MILLRACE_TRY(note_fact_changes(connection_, fmt::format("SELECT event_time FROM {}.events", schema_)));
  for (const auto* table : kEventTables) {
    MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM {} WHERE {}", table, within_)));
    MILLRACE_TRY(connection_.execute(fmt::format(kDeleteReplaced, table)));
    MILLRACE_TRY(connection_.execute(fmt::format("INSERT INTO {0} SELECT * FROM {1}.{0}", table, schema_)));
  }
  MILLRACE_TRY(connection_.execute(fmt::format(kDeleteReplaced, "quarantine")));
  return connection_.execute(
      fmt::format("DELETE FROM quarantine WHERE {0}; INSERT INTO quarantine SELECT * FROM {1}.quarantine "
                  "WHERE {0}",
                  within_, schema_));
}

/// A loader could not go on from books below zero.
Status Exchange::update_books() {
  MILLRACE_TRY(connection_.execute(kUpdateBooks));
  MILLRACE_TRY(connection_.execute(kUpdateBooksOfReplaced));
  MILLRACE_ASSIGN(const auto overdrawn, total(kCountOverdrawn));
  if (overdrawn == 0) return {};
  return fail(Code::kInvalid,
              "the records of this range now give more events than were counted when they were collected, so "
              "the books would not add up: nothing was changed; replay into a schema of its own, as --into "
              "replay_check");
}

Result<RowExchange> Exchange::run() {
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindOlderEvents, within_)));
  MILLRACE_TRY(find_repeats());
  MILLRACE_TRY(find_replaced());
  MILLRACE_TRY(count("older_counts", "main."));
  MILLRACE_TRY(count("newer_counts", schema_ + "."));
  MILLRACE_TRY(check_nothing_is_lost());
  RowExchange done;
  MILLRACE_ASSIGN(done.removed,
                  total("SELECT (SELECT coalesce(sum(applied), 0) FROM older_counts)::BIGINT + (SELECT "
                        "count(*) FROM replaced_rows WHERE log_topic = 'events')"));
  MILLRACE_ASSIGN(done.added, total("SELECT sum(applied)::BIGINT FROM newer_counts"));
  MILLRACE_TRY(aggregator_.note_deleted());
  MILLRACE_TRY(move_rows());
  MILLRACE_TRY(aggregator_.add());
  MILLRACE_TRY(update_books());
  MILLRACE_TRY(transaction.commit());
  return done;
}

Status check_room(const Warehouse& warehouse, duck::Connection& connection, const std::string& schema) {
  MILLRACE_ASSIGN(const auto rows, connection.scalar(fmt::format(
                                       "SELECT (SELECT count(*) FROM {0}.events) + (SELECT count(*) FROM "
                                       "{0}.order_lines) + (SELECT count(*) FROM {0}.event_items)",
                                       schema)));
  MILLRACE_ASSIGN(const auto free, warehouse.free_bytes());
  const auto needed = kFreeBytesMin + static_cast<std::uint64_t>(rows.value_or(0)) * kRowBytes;
  if (free >= needed) return {};
  return fail(Code::kNoSpace, fmt::format("the warehouse's disk has {} MB left and needs {}: make room",
                                          free >> 20, needed >> 20));
}

}  // namespace

Result<RowExchange> exchange_rows(Warehouse& warehouse, const std::string& schema,
                                  const ReplayedOffsets& offsets, const RowExchangeOptions& options) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_TRY(check_room(warehouse, connection, schema));
  const WriterTurn turn(warehouse);
  MILLRACE_ASSIGN(const auto aggregator, Aggregator::open(connection, options.aggregator));
  Exchange exchange(connection, *aggregator, schema, offsets, options.duplicate_window);
  for (int attempt = 1;; ++attempt) {
    auto done = exchange.run();
    if (done) {
      aggregator->committed();
      return done;
    }
    aggregator->rolled_back();
    // An aggregation that is at fault has been given up by now; anything else fails again the same way.
    if (done.error().code != Code::kInternal || attempt == kAttemptsMax) return done;
  }
}

Status check_exchange_size(Warehouse& warehouse, const OffsetRanges& ranges, std::uint64_t rows_max) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_ASSIGN(
      const auto rows,
      connection.scalar(fmt::format("SELECT (SELECT count(*) FROM events WHERE {0}) + (SELECT count(*) FROM "
                                    "order_lines WHERE {0}) + (SELECT count(*) FROM event_items WHERE {0})",
                                    within(ranges))));
  std::uint64_t most = static_cast<std::uint64_t>(rows.value_or(0));
  std::uint64_t offsets = 0;
  for (const auto& [partition, range] : ranges) offsets += range.to.value() - range.from.value();
  most = std::max(most, offsets);
  if (most <= rows_max) return {};
  return fail(
      Code::kInvalid,
      fmt::format("about {} rows would go into the live tables in one transaction, while which their "
                  "loader waits; at most {} may: go in pieces, with --to and then that place as --from",
                  most, rows_max));
}

}  // namespace millrace
