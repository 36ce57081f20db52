#include "warehouse/interactions.h"

#include <vector>

#include <fmt/format.h>

#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr const char* kOffsetsSql = "SELECT log_topic, log_partition, next_offset FROM _offsets";
constexpr const char* kItemsSql =
    "SELECT item_id, name, category, price, currency, available, attributes FROM items";
constexpr const char* kUsersSql = "SELECT user_id, country FROM users";
constexpr const char* kDeletionsSql =
    "SELECT log_topic = 'users', id, deleted_time FROM _deleted "
    "WHERE log_topic = 'users' OR id NOT IN (SELECT item_id FROM items) ORDER BY deleted_time";
constexpr const char* kInteractionsSql =
    "SELECT event_time, type, source, user_id, anonymous_id, session_id, visit_id, item_id, category, "
    "country, "
    "price, quantity, currency, order_id, value, in_cart FROM item_interactions ";

std::optional<Decimal> decimal_at(const duck::Rows& rows, std::size_t column, std::size_t row) {
  return rows.is_null(column, row) ? std::nullopt : std::optional(rows.decimal(column, row));
}

Interaction interaction_at(const duck::Rows& rows, std::size_t row) {
  Interaction one;
  one.event_time = rows.int64(0, row);
  one.type_name = rows.text(1, row);
  one.type = event_type_of(one.type_name);
  one.source = rows.text(2, row);
  one.user_id = rows.text(3, row);
  one.anonymous_id = rows.text(4, row);
  one.session_id = rows.text(5, row);
  one.visit_id = rows.is_null(6, row) ? 0 : rows.uint64(6, row);
  one.item_id = rows.text(7, row);
  one.category = rows.text(8, row);
  one.country = rows.text(9, row);
  one.price = decimal_at(rows, 10, row);
  one.quantity = decimal_at(rows, 11, row);
  one.currency = rows.text(12, row);
  one.order_id = rows.text(13, row);
  if (!rows.is_null(14, row)) one.value = rows.real(14, row);
  one.in_cart = !rows.is_null(15, row) && rows.boolean(15, row);
  return one;
}

CatalogueItem item_at(const duck::Rows& rows, std::size_t row) {
  return {.item_id = rows.text(0, row),
          .name = rows.text(1, row),
          .category = rows.text(2, row),
          .price = decimal_at(rows, 3, row),
          .currency = rows.text(4, row),
          .available = rows.boolean(5, row),
          .attributes = rows.text(6, row)};
}

KnownUser user_at(const duck::Rows& rows, std::size_t row) {
  return {.user_id = rows.text(0, row), .country = rows.text(1, row)};
}

Deletion deletion_at(const duck::Rows& rows, std::size_t row) {
  return {.is_user = rows.boolean(0, row), .id = rows.text(1, row), .time = rows.int64(2, row)};
}

/// Give the rows of `sql` to `on_block`, a chunk at a time.
template <class Row>
Status give_rows(duck::Connection& connection, const std::string& sql,
                 Row (*row_at)(const duck::Rows&, std::size_t),
                 const std::function<void(std::span<const Row>)>& on_block) {
  if (!on_block) return {};
  MILLRACE_ASSIGN(auto rows, connection.stream(sql));
  std::vector<Row> block;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    block.clear();
    for (std::size_t row = 0; row < rows.size(); ++row) block.push_back(row_at(rows, row));
    on_block(block);
  }
}

Result<SnapshotOffsets> read_offsets(duck::Connection& connection) {
  MILLRACE_ASSIGN(auto rows, connection.query(kOffsetsSql));
  SnapshotOffsets offsets;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return offsets;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const TopicPartition partition{std::string(rows.text(0, i)),
                                     PartitionId(static_cast<std::uint32_t>(rows.int32(1, i)))};
      offsets[partition] = Offset(static_cast<std::uint64_t>(rows.int64(2, i)));
    }
  }
}

}  // namespace

Result<SnapshotOffsets> scan_interactions(Warehouse& warehouse, const InteractionScan& scan) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  MILLRACE_ASSIGN(auto offsets, read_offsets(connection));
  MILLRACE_TRY(give_rows(connection, kDeletionsSql, deletion_at, scan.on_deletions));
  MILLRACE_TRY(give_rows(connection, kItemsSql, item_at, scan.on_items));
  MILLRACE_TRY(give_rows(connection, kUsersSql, user_at, scan.on_users));
  const auto since = scan.since ? fmt::format("WHERE event_time >= make_timestamp({}) ", *scan.since) : "";
  MILLRACE_TRY(give_rows(connection, kInteractionsSql + since + "ORDER BY event_time", interaction_at,
                         scan.on_interactions));
  return offsets;
}

}  // namespace millrace
