#include "warehouse/source_orders.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/duck.h"
#include "warehouse/source_order_marks.h"
#include "warehouse/source_sql.h"
#include "warehouse/write_transaction.h"

namespace millrace {
namespace {

using source_sql::quote_name;

constexpr std::int64_t kLinesMax = 50'000;  // that are held in memory, unless one order has more

std::string full_name(const OrderTables& tables, const std::string& table) {
  return quote_name(tables.source) + "." + quote_name(table);
}

std::string quoted(const OrderTables::Column& column) {
  return quote_name(column.table) + "." + quote_name(column.column);
}

/// Return head, lines and what is joined to them, each under its own name.
std::string joined(const OrderTables& tables) {
  std::string sql = fmt::format("{} AS {} JOIN {} AS {} ON {} = {}", full_name(tables, tables.head.table),
                                quote_name(tables.head.table), full_name(tables, tables.lines.table),
                                quote_name(tables.lines.table), quoted(tables.lines), quoted(tables.head));
  for (const OrderTables::Join& join : tables.joins)
    sql += fmt::format(" LEFT JOIN {} AS {} ON {} = {}", full_name(tables, join.own.table),
                       quote_name(join.own.table), quoted(join.own), quoted(join.to));
  return sql;
}

/// Return the column's type in SQL; empty when there is none.
Result<std::string> column_type(duck::Connection& connection, const std::string& source,
                                const OrderTables::Column& column) {
  MILLRACE_ASSIGN(auto rows,
                  connection.query("SELECT data_type FROM duckdb_columns() WHERE schema_name = ? AND "
                                   "table_name = ? AND column_name = ?",
                                   {std::string_view(source), std::string_view(column.table),
                                    std::string_view(column.column)}));
  MILLRACE_ASSIGN(const bool any, rows.next_chunk());
  return any && rows.size() > 0 ? std::string(rows.text(0, 0)) : std::string();
}

/// {0}: type of the head's key, {1}: source, {2}: changed until then, µs, {3}: how many.
constexpr const char* kFindDue =
    "CREATE OR REPLACE TEMP TABLE due_orders AS SELECT order_key, TRY_CAST(order_key AS {0}) AS head_key, "
    "number "
    "FROM (SELECT order_key, min(number) AS first, max(number) AS number FROM _sources.orders_due WHERE "
    "source_name = {1} GROUP BY order_key HAVING min(due_time) <= make_timestamp({2}) ORDER BY first LIMIT "
    "{3})";

class DuckSourceOrders final : public SourceOrders {
 public:
  DuckSourceOrders(Warehouse& warehouse, duck::Connection connection)
      : warehouse_(warehouse), connection_(std::move(connection)) {}

  Status note_versions(const std::vector<OrderTables>& all);
  Result<std::vector<ChangedOrder>> take(const OrderTables& tables, std::size_t orders_max) override;
  Status told(const OrderTables& tables, const std::vector<ChangedOrder>& orders) override;

 private:
  Status note_version(const OrderTables& tables);
  Result<bool> has_tables(const OrderTables& tables);
  Status find_due(const OrderTables& tables, const std::string& type, std::size_t orders_max);
  Status read_told(const OrderTables& tables, std::vector<ChangedOrder>& orders);
  Status read_rows(const OrderTables& tables, std::vector<ChangedOrder>& orders);
  Status write_told(const OrderTables& tables, const std::vector<ChangedOrder>& orders);

  Warehouse& warehouse_;
  duck::Connection connection_;
};

Status DuckSourceOrders::note_versions(const std::vector<OrderTables>& all) {
  const WriterTurn turn(warehouse_);
  MILLRACE_TRY(connection_.execute(source_sql::kMakeProgress));
  for (const OrderTables& tables : all) MILLRACE_TRY(note_version(tables));
  return {};
}

Status DuckSourceOrders::note_version(const OrderTables& tables) {
  const std::string source = sql_literal(tables.source);
  const auto version = static_cast<std::int64_t>(tables.version);
  MILLRACE_ASSIGN(
      const auto before,
      connection_.scalar("SELECT version FROM _sources.order_versions WHERE source_name = " + source));
  if (before == version) return {};
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_TRY(connection_.execute(fmt::format(
      "DELETE FROM _sources.order_versions WHERE source_name = {0}; INSERT INTO _sources.order_versions "
      "VALUES ({0}, {1})",
      source, version)));
  MILLRACE_TRY(source_order_marks::mark_all(connection_, tables, warehouse_.env().now()));
  return transaction.commit();
}

Result<bool> DuckSourceOrders::has_tables(const OrderTables& tables) {
  std::vector<std::string> names{tables.head.table, tables.lines.table};
  for (const OrderTables::Join& join : tables.joins) names.push_back(join.own.table);
  for (const std::string& name : names) {
    MILLRACE_ASSIGN(const auto count,
                    connection_.scalar(fmt::format(
                        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = {} AND table_name = {}",
                        sql_literal(tables.source), sql_literal(name))));
    if (count.value_or(0) == 0) return false;
  }
  return true;
}

Result<std::vector<ChangedOrder>> DuckSourceOrders::take(const OrderTables& tables, std::size_t orders_max) {
  std::vector<ChangedOrder> orders;
  const std::string source = sql_literal(tables.source);
  MILLRACE_ASSIGN(
      const auto any,
      connection_.scalar("SELECT count(*) FROM _sources.orders_due WHERE source_name = " + source));
  if (any.value_or(0) == 0) return orders;
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection_));
  MILLRACE_ASSIGN(const bool there, has_tables(tables));
  if (!there) return orders;
  MILLRACE_ASSIGN(const std::string type, column_type(connection_, tables.source, tables.head));
  if (type.empty())
    return fail(Code::kInvalid, fmt::format("{}.{} has no column {}, by which its orders are to be known",
                                            tables.source, tables.head.table, tables.head.column));
  MILLRACE_TRY(find_due(tables, type, orders_max));
  MILLRACE_TRY(read_told(tables, orders));
  if (!orders.empty()) MILLRACE_TRY(read_rows(tables, orders));
  MILLRACE_TRY(transaction.commit());  // keeps the temporary table
  return orders;
}

/// Take fewer orders where they have so many lines.
Status DuckSourceOrders::find_due(const OrderTables& tables, const std::string& type,
                                  std::size_t orders_max) {
  for (std::size_t limit = orders_max;; limit = std::max<std::size_t>(1, limit / 4)) {
    MILLRACE_TRY(connection_.execute(fmt::format(kFindDue, type, sql_literal(tables.source),
                                                 warehouse_.env().now() - tables.wait, limit)));
    MILLRACE_ASSIGN(
        const auto lines,
        connection_.scalar(fmt::format("SELECT count(*) FROM due_orders d JOIN {} AS {} ON {} = d.head_key",
                                       full_name(tables, tables.lines.table), quote_name(tables.lines.table),
                                       quoted(tables.lines))));
    if (limit == 1 || lines.value_or(0) <= kLinesMax) return {};
  }
}

Status DuckSourceOrders::read_told(const OrderTables& tables, std::vector<ChangedOrder>& orders) {
  MILLRACE_ASSIGN(
      auto rows,
      connection_.query("SELECT d.order_key, t.order_id, t.hash FROM due_orders d LEFT JOIN "
                        "(FROM _sources.orders_told WHERE source_name = ?) t USING (order_key) ORDER BY "
                        "d.order_key",
                        {std::string_view(tables.source)}));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ChangedOrder& order = orders.emplace_back();
      order.key = rows.text(0, i);
      if (!rows.is_null(2, i))
        order.told.emplace(std::string(rows.text(1, i)), static_cast<std::uint64_t>(rows.int64(2, i)));
    }
  }
}

/// Read the lines of all in the same order each time: what is told of an order that has not changed is the
/// same.
Status DuckSourceOrders::read_rows(const OrderTables& tables, std::vector<ChangedOrder>& orders) {
  std::string columns;
  for (const OrderTables::Column& column : tables.columns)
    columns += fmt::format(", {}::VARCHAR", quoted(column));
  auto found = connection_.query(
      fmt::format("SELECT d.order_key{} FROM due_orders d JOIN ({}) ON {} = d.head_key ORDER BY ALL", columns,
                  joined(tables), quoted(tables.head)));
  if (!found) return fail(std::move(found).error().with_context("the orders of " + tables.source));
  std::map<std::string_view, ChangedOrder*> by_key;
  for (ChangedOrder& order : orders) by_key[order.key] = &order;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, found->next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < found->size(); ++i) {
      ChangedOrder::Row& row = by_key.at(found->text(0, i))->rows.emplace_back();
      for (std::size_t k = 1; k <= tables.columns.size(); ++k)
        row.push_back(found->is_null(k, i) ? std::nullopt : std::optional<std::string>(found->text(k, i)));
    }
  }
}

Status DuckSourceOrders::told(const OrderTables& tables, const std::vector<ChangedOrder>& orders) {
  MILLRACE_ASSIGN(auto transaction, WriteTransaction::begin(warehouse_, connection_));
  const std::string source = sql_literal(tables.source);
  MILLRACE_TRY(
      connection_.execute(fmt::format("DELETE FROM _sources.orders_due o USING due_orders d WHERE "
                                      "o.source_name = {0} AND o.order_key = d.order_key "
                                      "AND o.number <= d.number;"
                                      "DELETE FROM _sources.orders_told t USING due_orders d WHERE "
                                      "t.source_name = {0} AND t.order_key = d.order_key",
                                      source)));
  MILLRACE_TRY(write_told(tables, orders));
  return transaction.commit();
}

Status DuckSourceOrders::write_told(const OrderTables& tables, const std::vector<ChangedOrder>& orders) {
  MILLRACE_ASSIGN(const auto rows, duck::TableAppender::open(connection_, "orders_told", "_sources"));
  for (const ChangedOrder& order : orders) {
    if (!order.told) continue;
    rows->text(tables.source).text(order.key).text(order.told->order_id);
    rows->int64(static_cast<std::int64_t>(order.told->hash));
    MILLRACE_TRY(rows->end_row());
  }
  return rows->flush();
}

}  // namespace

namespace source_order_marks {
namespace {

std::string mark(const OrderTables& tables, const std::string& keys, TimeUs now) {
  return fmt::format(
      "INSERT INTO _sources.orders_due SELECT {}, order_key, make_timestamp({}), "
      "nextval('_sources.due_numbers') "
      "FROM (FROM ({}) WHERE order_key IS NOT NULL AND order_key <> '' ORDER BY order_key)",
      sql_literal(tables.source), now, keys);
}

}  // namespace

Status mark_changes(duck::Connection& connection, const OrderTables& tables, std::string_view table,
                    const TableSchema& schema, std::string_view changes, TimeUs now) {
  for (const OrderTables::Column& of : {tables.head, tables.lines}) {
    if (of.table != table ||
        std::ranges::find(schema.columns, of.column, &ColumnSchema::name) == schema.columns.end())
      continue;
    MILLRACE_TRY(connection.execute(mark(tables,
                                         fmt::format("SELECT DISTINCT {}::VARCHAR AS order_key FROM temp.{}",
                                                     quote_name(of.column), quote_name(changes)),
                                         now)));
  }
  return {};
}

Status mark_all(duck::Connection& connection, const OrderTables& tables, TimeUs now) {
  std::string keys =
      "SELECT order_key FROM _sources.orders_told WHERE source_name = " + sql_literal(tables.source);
  MILLRACE_ASSIGN(const std::string type, column_type(connection, tables.source, tables.head));
  if (!type.empty())
    keys += fmt::format(" UNION SELECT {}::VARCHAR AS order_key FROM {}", quote_name(tables.head.column),
                        full_name(tables, tables.head.table));
  return connection.execute(mark(tables, keys, now));
}

}  // namespace source_order_marks

Result<std::unique_ptr<SourceOrders>> SourceOrders::open(Warehouse& warehouse,
                                                         std::vector<OrderTables> tables) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  auto orders = std::make_unique<DuckSourceOrders>(warehouse, std::move(connection));
  MILLRACE_TRY(orders->note_versions(tables));
  return orders;
}

}  // namespace millrace
