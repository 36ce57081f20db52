#include "warehouse/replacements.h"

#include <fmt/format.h>

#include "warehouse/fact_rows.h"

namespace millrace {
namespace {

constexpr const char* kMakeNewer =
    "CREATE OR REPLACE TEMP TABLE newer_rows (source VARCHAR, message_id VARCHAR, "
    "order_id VARCHAR, added BIGINT, log_topic VARCHAR, log_partition INTEGER, log_offset BIGINT, "
    "event_index INTEGER)";

/// Take down which row of each id stays.
constexpr const char* kFindAddedLast =
    "CREATE OR REPLACE TEMP TABLE newest_rows AS SELECT source, message_id, "
    "arg_max(log_topic, added) AS log_topic, arg_max(log_partition, added) AS log_partition, "
    "arg_max(log_offset, added) AS log_offset, arg_max(event_index, added) AS event_index "
    "FROM newer_rows GROUP BY source, message_id";

constexpr const char* kFindReceivedLast =
    "CREATE OR REPLACE TEMP TABLE newest_rows AS "
    "SELECT o.source, o.message_id, o.log_topic, o.log_partition, o.log_offset, o.event_index FROM ("
    "SELECT source, message_id, received_time, log_topic, log_partition, log_offset, event_index FROM events "
    "UNION ALL "
    "SELECT source, message_id, received_time, log_topic, log_partition, log_offset, event_index FROM "
    "quarantine WHERE message_id IS NOT NULL) o "
    "SEMI JOIN newer_rows i ON o.message_id = i.message_id AND o.source IS NOT DISTINCT FROM i.source "
    "LEFT JOIN newer_rows n ON o.log_offset = n.log_offset AND o.event_index = n.event_index "
    "AND o.log_partition = n.log_partition AND o.log_topic = n.log_topic "
    "QUALIFY row_number() OVER (PARTITION BY o.source, o.message_id "
    "ORDER BY o.received_time DESC, n.added DESC NULLS LAST) = 1";

constexpr const char* kNote =
    "INSERT INTO _replacing SELECT log_topic, log_partition, log_offset, event_index FROM newer_rows";

/// Take down where the other rows stand, and how many events each is. {0}: table, {1}: events of a row.
constexpr const char* kFindOlder =
    "CREATE OR REPLACE TEMP TABLE older_rows AS "
    "SELECT o.log_topic, o.log_partition, o.log_offset, o.event_index, {1} AS events "
    "FROM {0} o JOIN newest_rows n "
    "ON o.message_id = n.message_id AND o.source IS NOT DISTINCT FROM n.source "
    "WHERE NOT (o.log_topic = n.log_topic AND o.log_partition = n.log_partition "
    "AND o.log_offset = n.log_offset AND o.event_index = n.event_index)";

/// And where other purchases of their orders stand.
constexpr const char* kFindOrders =
    "INSERT INTO older_rows "
    "SELECT DISTINCT o.log_topic, o.log_partition, o.log_offset, o.event_index, 1 FROM order_lines o "
    "SEMI JOIN (FROM newer_rows WHERE order_id IS NOT NULL) n "
    "ON o.order_id = n.order_id AND o.source IS NOT DISTINCT FROM n.source "
    "ANTI JOIN newest_rows k ON o.log_offset = k.log_offset AND o.event_index = k.event_index "
    "AND o.log_partition = k.log_partition AND o.log_topic = k.log_topic "
    "ANTI JOIN older_rows k ON o.log_offset = k.log_offset AND o.event_index = k.event_index "
    "AND o.log_partition = k.log_partition AND o.log_topic = k.log_topic "
    "WHERE o.type = 'purchase'";

constexpr const char* kDeleteOlder =
    "DELETE FROM {0} t USING older_rows o WHERE t.log_offset = o.log_offset "
    "AND t.event_index = o.event_index AND t.log_partition = o.log_partition AND t.log_topic = o.log_topic";

constexpr const char* kCountOlder =
    "SELECT log_topic, log_partition, sum(events)::BIGINT FROM older_rows GROUP BY ALL";

Status count_older(duck::Connection& connection, std::map<TopicPartition, std::uint64_t>& deleted) {
  MILLRACE_ASSIGN(auto rows, connection.query(kCountOlder));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const PartitionId partition(static_cast<std::uint32_t>(rows.int32(1, i)));
      deleted[{std::string(rows.text(0, i)), partition}] += static_cast<std::uint64_t>(rows.int64(2, i));
    }
  }
}

}  // namespace

Status Replacements::add_row(duck::Connection& connection, std::string_view source,
                             std::string_view message_id, std::string_view order_id, const Place& place) {
  if (!newer_) {
    MILLRACE_TRY(connection.execute(kMakeNewer));
    MILLRACE_ASSIGN(newer_, duck::TableAppender::open(connection, "newer_rows"));
  }
  has_orders_ |= !order_id.empty();
  newer_->text(source).text(message_id).text(order_id).int64(static_cast<std::int64_t>(newer_->rows()));
  write_log_position(*newer_, place.partition, place.offset, place.event_index);
  return newer_->end_row();
}

Result<std::map<TopicPartition, std::uint64_t>> Replacements::delete_older(
    duck::Connection& connection, const How& how, const std::function<Status()>& on_events) {
  std::map<TopicPartition, std::uint64_t> deleted;
  if (!newer_) return deleted;
  MILLRACE_TRY(newer_->flush());
  const bool orders = has_orders_;
  clear();
  MILLRACE_TRY(connection.execute(how.stays == Stays::kReceivedLast ? kFindReceivedLast : kFindAddedLast));
  if (how.note) MILLRACE_TRY(connection.execute(kNote));
  MILLRACE_TRY(connection.execute(fmt::format(kFindOlder, "events", "1")));
  if (orders) MILLRACE_TRY(connection.execute(kFindOrders));
  MILLRACE_TRY(count_older(connection, deleted));
  if (!deleted.empty()) MILLRACE_TRY(on_events());
  for (const auto* table : {"order_lines", "event_items", "events"}) {
    MILLRACE_TRY(connection.execute(fmt::format(kDeleteOlder, table)));
  }
  MILLRACE_TRY(connection.execute(fmt::format(kFindOlder, "quarantine", "o.events")));
  MILLRACE_TRY(count_older(connection, deleted));
  MILLRACE_TRY(connection.execute(fmt::format(kDeleteOlder, "quarantine")));
  return deleted;
}

}  // namespace millrace
