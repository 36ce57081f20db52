#include "warehouse/row_exchange.h"

#include <array>
#include <memory>

#include <fmt/format.h>

#include "base/logging.h"
#include "warehouse/aggregator.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

/// Of the disk: what DuckDB must find, and about what a row may take in its log and its file.
constexpr std::uint64_t kFreeBytesMin = 64ull << 20;
constexpr std::uint64_t kRowBytes = 512;

/// So often an aggregation may turn out not to be computable; each is then left alone.
constexpr int kAttemptsMax = 8;

constexpr std::array kEventTables = {"events", "order_lines", "event_items"};

/// {0}: the condition on the range.
constexpr const char* kFindOlder =
    "CREATE OR REPLACE TEMP TABLE older_rows AS "
    "SELECT log_topic, log_partition, log_offset, event_index FROM events WHERE {0}";

/// The schema's events that the tables do not have now, at their place and under their id.
/// {0}: schema, {1}: the condition on the range.
constexpr const char* kFindNew =
    "CREATE OR REPLACE TEMP TABLE new_rows AS "
    "SELECT s.log_topic, s.log_partition, s.log_offset, s.event_index, s.source, s.message_id, s.type, "
    "s.order_id, "
    "s.order_total, s.order_revenue, s.order_shipping, s.order_tax, s.order_discount FROM {0}.events s "
    "ANTI JOIN (SELECT log_topic, log_partition, log_offset, event_index, source, message_id FROM events "
    "WHERE {1}) e ON s.log_offset = e.log_offset AND s.event_index = e.event_index "
    "AND s.log_partition = e.log_partition AND s.log_topic = e.log_topic AND s.message_id = e.message_id "
    "AND s.source IS NOT DISTINCT FROM e.source";

/// Those of them whose id stands after the range. {0}: the condition for that.
constexpr const char* kFindRepeats =
    "CREATE OR REPLACE TEMP TABLE repeated_rows AS "
    "SELECT DISTINCT n.log_topic, n.log_partition, n.log_offset, n.event_index FROM new_rows n "
    "JOIN (SELECT source, message_id FROM events WHERE {0}) e "
    "ON n.message_id = e.message_id AND n.source IS NOT DISTINCT FROM e.source";

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
    "WHERE s.priced AND (s.worth = n.order_revenue OR s.worth = n.order_total OR s.worth = n.order_total "
    "- coalesce(n.order_shipping, 0) - coalesce(n.order_tax, 0) + coalesce(n.order_discount, 0))";

constexpr const char* kDropRepeats =
    "DELETE FROM {0}.{1} t USING repeated_rows o WHERE t.log_offset = o.log_offset "
    "AND t.event_index = o.event_index AND t.log_partition = o.log_partition AND t.log_topic = o.log_topic";

/// What tables hold of each partition: events, and events put aside. {0}: schema and dot, {1}: condition.
constexpr const char* kCount =
    "SELECT log_topic, log_partition, sum(a)::BIGINT AS applied, sum(q)::BIGINT AS quarantined FROM ("
    "SELECT log_topic, log_partition, 1 AS a, 0 AS q FROM {0}events WHERE {1} UNION ALL "
    "SELECT log_topic, log_partition, 0, events FROM {0}quarantine WHERE {1}) GROUP BY ALL";

/// Returns partitions of which the schema saw fewer events than the tables have. {0}: schema.
constexpr const char* kCountLost =
    "SELECT count(*) FROM older_counts o LEFT JOIN {0}._books b USING (log_topic, log_partition) "
    "WHERE o.applied + o.quarantined > coalesce(b.applied + b.duplicate + b.quarantined, 0)";

/// Whatever became of an event, each counts once: what is in neither table is a duplicate.
constexpr const char* kUpdateBooks =
    "UPDATE _books b SET applied = b.applied + d.applied, quarantined = b.quarantined + d.quarantined, "
    "duplicate = b.duplicate - d.applied - d.quarantined FROM ("
    "SELECT log_topic, log_partition, coalesce(n.applied, 0) - coalesce(o.applied, 0) AS applied, "
    "coalesce(n.quarantined, 0) - coalesce(o.quarantined, 0) AS quarantined "
    "FROM newer_counts n FULL JOIN older_counts o USING (log_topic, log_partition)) d "
    "WHERE b.log_topic = d.log_topic AND b.log_partition = d.log_partition";

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
           const OffsetRanges& ranges)
      : connection_(connection),
        aggregator_(aggregator),
        schema_(std::move(schema)),
        within_(within(ranges)),
        after_(after(ranges)) {}

  Result<RowExchange> run();

 private:
  Status find_repeats();
  Status count(const char* into, const std::string& schema);
  Status check_nothing_is_lost();
  Status move_rows();
  Result<std::uint64_t> total(const std::string& sql);

  duck::Connection& connection_;
  Aggregator& aggregator_;
  const std::string schema_;
  const std::string within_;
  const std::string after_;
};

Result<std::uint64_t> Exchange::total(const std::string& sql) {
  MILLRACE_ASSIGN(const auto rows, connection_.scalar(sql));
  return static_cast<std::uint64_t>(rows.value_or(0));
}

Status Exchange::find_repeats() {
  MILLRACE_TRY(connection_.execute(fmt::format(kFindNew, schema_, within_)));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindRepeats, after_)));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindRepeatedOrders,
                                               fmt::format(kOrders, schema_ + ".order_lines", within_),
                                               fmt::format(kOrders, "order_lines", after_))));
  MILLRACE_ASSIGN(const auto repeats, total("SELECT count(*) FROM repeated_rows"));
  if (repeats == 0) return {};
  for (const auto* table : kEventTables) {
    MILLRACE_TRY(connection_.execute(fmt::format(kDropRepeats, schema_, table)));
  }
  return {};
}

Status Exchange::count(const char* into, const std::string& schema) {
  return connection_.execute(
      fmt::format("CREATE OR REPLACE TEMP TABLE {} AS {}", into, fmt::format(kCount, schema, within_)));
}

Status Exchange::check_nothing_is_lost() {
  MILLRACE_ASSIGN(const auto lost, total(fmt::format(kCountLost, schema_)));
  if (lost == 0) return {};
  return fail(Code::kInvalid,
              "the log and the lake no longer hold all events that the tables have of this range, so these "
              "would be lost: nothing was changed; replay from a later position");
}

/// The rows that come go in as they stand, in the order in which they were made.
Status Exchange::move_rows() {
  for (const auto* table : kEventTables) {
    MILLRACE_TRY(connection_.execute(fmt::format("DELETE FROM {} WHERE {}", table, within_)));
    MILLRACE_TRY(connection_.execute(fmt::format("INSERT INTO {0} SELECT * FROM {1}.{0}", table, schema_)));
  }
  return connection_.execute(
      fmt::format("DELETE FROM quarantine WHERE {0}; INSERT INTO quarantine SELECT * FROM {1}.quarantine "
                  "WHERE {0}",
                  within_, schema_));
}

Result<RowExchange> Exchange::run() {
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_TRY(connection_.execute(fmt::format(kFindOlder, within_)));
  MILLRACE_TRY(find_repeats());
  MILLRACE_TRY(count("older_counts", "main."));
  MILLRACE_TRY(count("newer_counts", schema_ + "."));
  MILLRACE_TRY(check_nothing_is_lost());
  RowExchange done;
  MILLRACE_ASSIGN(done.removed, total("SELECT sum(applied)::BIGINT FROM older_counts"));
  MILLRACE_ASSIGN(done.added, total("SELECT sum(applied)::BIGINT FROM newer_counts"));
  MILLRACE_TRY(aggregator_.note_deleted());
  MILLRACE_TRY(move_rows());
  MILLRACE_TRY(aggregator_.add());
  MILLRACE_TRY(connection_.execute(kUpdateBooks));
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

Result<RowExchange> exchange_rows(Warehouse& warehouse, const std::string& schema, const OffsetRanges& ranges,
                                  const AggregatorOptions& options) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_TRY(check_room(warehouse, connection, schema));
  const WriterTurn turn(warehouse);
  MILLRACE_ASSIGN(const auto aggregator, Aggregator::open(connection, options));
  Exchange exchange(connection, *aggregator, schema, ranges);
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

}  // namespace millrace
