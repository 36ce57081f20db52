#include "warehouse/replay_schemas.h"

#include <algorithm>

#include <fmt/format.h>

#include "warehouse/aggregations.h"
#include "warehouse/duck.h"
#include "warehouse/migrations.h"

namespace millrace {
namespace {

/// The table `_replay` is in no other schema.
constexpr const char* kNames =
    "SELECT schema_name FROM duckdb_tables() WHERE database_name = current_database() "
    "AND table_name = '_replay' ORDER BY schema_name";

/// Which of its rows take the place of what has their id, whether they had done so in its own tables or not.
constexpr const char* kMakeReplacing =
    "CREATE TABLE IF NOT EXISTS _replacing (log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, "
    "log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL)";

/// Keep where the replay begins, or check that it is the same.
Status claim(duck::Connection& connection, const std::string& name, const std::string& origin) {
  MILLRACE_TRY(connection.execute("CREATE TABLE IF NOT EXISTS _replay (origin VARCHAR NOT NULL)"));
  MILLRACE_ASSIGN(auto found, connection.query("SELECT origin FROM _replay"));
  MILLRACE_ASSIGN(const bool any, found.next_chunk());
  if (any && found.text(0, 0) == origin) return {};
  if (any) {
    return fail(
        Code::kInvalid,
        fmt::format("{0} holds a replay from {1}: name another schema for one from {2}, or drop it with "
                    "millrace replay --drop {0}",
                    name, found.text(0, 0), origin));
  }
  MILLRACE_TRY(connection.query("INSERT INTO _replay VALUES (?)", {std::string_view(origin)}));
  return {};
}

Result<std::map<TopicPartition, Offset>> read_offsets(duck::Connection& connection,
                                                      const std::string& schema) {
  std::map<TopicPartition, Offset> next;
  MILLRACE_ASSIGN(auto rows, connection.query(fmt::format(
                                 "SELECT log_topic, log_partition, next_offset FROM {}._offsets", schema)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return next;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const PartitionId partition(static_cast<std::uint32_t>(rows.int32(1, i)));
      next[{std::string(rows.text(0, i)), partition}] = Offset(static_cast<std::uint64_t>(rows.int64(2, i)));
    }
  }
}

Status read_schema(duck::Connection& connection, ReplaySchema& schema) {
  MILLRACE_ASSIGN(auto origin, connection.query(fmt::format("SELECT origin FROM {}._replay", schema.name)));
  MILLRACE_ASSIGN(const bool any, origin.next_chunk());
  if (any) schema.origin = origin.text(0, 0);
  MILLRACE_ASSIGN(const auto rows,
                  connection.scalar(fmt::format("SELECT count(*) FROM {}.events", schema.name)));
  schema.rows = static_cast<std::uint64_t>(rows.value_or(0));
  MILLRACE_ASSIGN(schema.next, read_offsets(connection, schema.name));
  return {};
}

}  // namespace

Status make_replay_schema(Warehouse& warehouse, const std::string& name, const std::string& origin,
                          WithAggregations aggregations) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  const WriterTurn turn(warehouse);
  MILLRACE_TRY(connection.execute("CREATE SCHEMA IF NOT EXISTS " + name));
  MILLRACE_TRY(connection.use_schema(name));
  MILLRACE_TRY(migrate(connection, embedded_migrations(), warehouse.env().now()));
  MILLRACE_TRY(claim(connection, name, origin));
  if (aggregations == WithAggregations::kNo) return connection.execute(kMakeReplacing);
  MILLRACE_ASSIGN(const auto files, declared_aggregations(warehouse));
  return declare_aggregations(warehouse, files, name);
}

Result<std::vector<ReplaySchema>> replay_schemas(Warehouse& warehouse) {
  std::vector<ReplaySchema> schemas;
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  MILLRACE_ASSIGN(auto transaction, duck::Transaction::begin(connection));
  MILLRACE_ASSIGN(auto names, connection.query(kNames));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, names.next_chunk());
    if (!more) break;
    for (std::size_t i = 0; i < names.size(); ++i) schemas.push_back({.name = std::string(names.text(0, i))});
  }
  for (auto& schema : schemas) MILLRACE_TRY(read_schema(connection, schema));
  return schemas;
}

Result<ReplaySchema> replay_schema(Warehouse& warehouse, const std::string& name) {
  MILLRACE_ASSIGN(auto schemas, replay_schemas(warehouse));
  const auto found = std::ranges::find(schemas, name, &ReplaySchema::name);
  if (found != schemas.end()) return std::move(*found);
  return fail(Code::kNotFound,
              fmt::format("there is no schema '{}' of a replay; millrace replay --list shows those there are",
                          name.substr(0, 80)));
}

Result<std::map<TopicPartition, Offset>> loaded_offsets(Warehouse& warehouse) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  return read_offsets(connection, "main");
}

Status drop_replay_schema(Warehouse& warehouse, const std::string& name) {
  MILLRACE_TRY(replay_schema(warehouse, name));
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  const WriterTurn turn(warehouse);
  return connection.execute(fmt::format("DROP SCHEMA {} CASCADE", name));
}

}  // namespace millrace
