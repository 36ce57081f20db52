#include "model/feature_read.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "model/feature_sql.h"
#include "model/training_set.h"
#include "model/training_set_sql.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

constexpr std::size_t kKeysInStatement = 1000;
constexpr std::size_t kRowBytes = 96;  // of a hash table, beside the row itself

/// The type of the column `v0` …: of what a row gives, not of what they add up to.
FeatureType row_type(const Feature& feature) {
  if (feature.flow.measure == FlowMeasure::kDistinct) return FeatureType::kVarchar;
  return feature.type;
}

/// The type that `flow_values_sql` gives.
std::vector<FeatureType> types_of(const FeatureView& view) {
  std::vector<FeatureType> types;
  for (const Feature& feature : view.features) types.push_back(feature.type);
  return types;
}

/// Fill the temporary table `moments` with `keys`, all at one moment.
Status put_moments(duck::Connection& connection, const std::set<std::string>& keys, TimeUs at) {
  MILLRACE_TRY(
      connection.execute("CREATE OR REPLACE TEMP TABLE moments (_row BIGINT NOT NULL, _k VARCHAR NOT NULL, "
                         "_at BIGINT NOT NULL)"));
  std::vector<std::string> rows;
  std::int64_t number = 0;
  const auto flush = [&]() -> Status {
    if (rows.empty()) return {};
    MILLRACE_TRY(connection.execute(fmt::format("INSERT INTO moments VALUES {}", fmt::join(rows, ", "))));
    rows.clear();
    return {};
  };
  for (const std::string& key : keys) {
    rows.push_back(fmt::format("({}, {}, {})", number++, sql_literal(key), at));
    if (rows.size() == kKeysInStatement) MILLRACE_TRY(flush());
  }
  return flush();
}

/// The definition of a training set whose labels are all entities of a view of a table, at one moment.
TrainingSet labels_of(const FeatureView& view) {
  TrainingSet set;
  std::vector<std::string> on;
  std::vector<std::pair<std::string, std::string>> columns;
  for (const auto& entity : view.entities) on.push_back(entity.name);
  for (std::size_t i = 0; i < view.features.size(); ++i)
    columns.emplace_back(fmt::format("v{}", i), view.features[i].name);
  set.key = on;
  if (!view.time.empty()) set.time = "_at";
  set.features.push_back(feature_of_view(view, on, columns));
  set.features.back().with_time = true;
  return set;
}

std::string labels_sql(const FeatureView& view, TimeUs at) {
  std::string names, known;
  for (const auto& entity : view.entities) {
    names += fmt::format("{}{} AS {}", names.empty() ? "" : ", ", entity.column, sql_identifier(entity.name));
    known += fmt::format("{}{} IS NOT NULL", known.empty() ? "" : " AND ", entity.column);
  }
  return fmt::format(
      "CREATE TEMP TABLE ts_labels AS SELECT row_number() OVER () AS _row, *, make_timestamp({}) AS _at FROM "
      "(SELECT DISTINCT {} FROM {} WHERE {})",
      at, names, from_sql(view.from), known);
}

Status read_into(duck::Connection& connection, const FeatureView& view, TableMemory& memory,
                 std::size_t bytes_max) {
  std::vector<std::string> names;
  for (const auto& entity : view.entities) names.push_back("l." + sql_identifier(entity.name));
  std::string values;
  for (std::size_t i = 0; i < view.features.size(); ++i) values += fmt::format(", f.v{}", i);
  const std::vector<FeatureType> types = types_of(view);
  MILLRACE_ASSIGN(auto rows, connection.stream(fmt::format(
                                 "SELECT {}, {}{} FROM ts_labels l JOIN ts_f0 f ON l._row = f._row",
                                 entity_key_sql(names), view.time.empty() ? "l._at" : "f._t", values)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      TableMemory::Row one{rows.int64(1, row), {}};
      std::size_t bytes = kRowBytes + sizeof(TableMemory::Row) + types.size() * sizeof(FeatureValue);
      for (std::size_t i = 0; i < types.size(); ++i) {
        one.values.push_back(feature_cell(rows, types[i], i + 2, row));
        bytes += bytes_beyond(one.values.back());
      }
      if (memory.bytes + bytes > bytes_max) {
        ++memory.left_out;
        continue;
      }
      memory.bytes += bytes;
      memory.rows.emplace(rows.text(0, row), std::move(one));
    }
  }
}

}  // namespace

std::string offsets_sql(const LoadedOffsets& from, const LoadedOffsets& to) {
  std::string out;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::uint64_t begin = i < from.size() ? from[i].value() : 0;
    if (begin >= to[i].value()) continue;
    out += fmt::format("{}(log_partition = {} AND log_offset >= {} AND log_offset < {})",
                       out.empty() ? "" : " OR ", i, begin, to[i].value());
  }
  return out.empty() ? "false" : "(" + out + ")";
}

Status read_flow_rows(duck::Connection& connection, const FeatureView& view, std::string_view condition,
                      const std::function<void(std::vector<FlowEntry>)>& take) {
  MILLRACE_ASSIGN(auto rows, connection.stream(flow_rows_sql(view, condition)));
  constexpr std::size_t kFirst = 4;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    std::vector<FlowEntry> some(rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      FlowEntry& entry = some[row];
      entry.key = rows.text(0, row);
      entry.time = rows.int64(1, row);
      entry.partition = static_cast<std::uint32_t>(rows.int32(2, row));
      entry.offset = Offset(static_cast<std::uint64_t>(rows.int64(3, row)));
      entry.values.reserve(view.features.size());
      for (std::size_t i = 0; i < view.features.size(); ++i)
        entry.values.push_back(feature_cell(rows, row_type(view.features[i]), kFirst + i, row));
    }
    take(std::move(some));
  }
}

Result<ValuesByKey> read_flow_values(duck::Connection& connection, const FeatureView& view,
                                     const std::set<std::string>& keys, TimeUs at,
                                     const LoadedOffsets& before) {
  MILLRACE_TRY(put_moments(connection, keys, at));
  const std::string rows_of = fmt::format("({})", flow_rows_sql(view, offsets_sql({}, before)));
  const std::vector<FeatureType> types = types_of(view);
  MILLRACE_ASSIGN(auto rows,
                  connection.query(fmt::format(
                      "SELECT m._k, v.* EXCLUDE (_row) FROM ({}) v JOIN moments m ON m._row = v._row",
                      flow_values_sql(view, "moments", rows_of, FlowAt::kPresent))));
  ValuesByKey values;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return values;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      FeatureValues one{rows.int64(1, row), {}};
      for (std::size_t i = 0; i < types.size(); ++i)
        one.values.push_back(feature_cell(rows, types[i], i + 2, row));
      values.emplace(rows.text(0, row), std::move(one));
    }
  }
}

Result<std::set<std::string>> read_flow_keys(duck::Connection& connection, const FeatureView& view, TimeUs at,
                                             const LoadedOffsets& before, std::size_t max) {
  const std::string condition = offsets_sql({}, before) + " AND " + flow_horizon_sql(view, at);
  MILLRACE_ASSIGN(auto rows,
                  connection.query(fmt::format(
                      "SELECT _key FROM (SELECT DISTINCT _key FROM ({})) ORDER BY hash(_key), _key LIMIT {}",
                      flow_rows_sql(view, condition), max)));
  std::set<std::string> keys;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return keys;
    for (std::size_t row = 0; row < rows.size(); ++row) keys.emplace(rows.text(0, row));
  }
}

Result<TableMemory> read_table_view(Warehouse& warehouse, const FeatureView& view, TimeUs at,
                                    std::size_t bytes_max) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(connection));
  const TrainingSet set = labels_of(view);
  const TrainingSetSql sql(set);
  MILLRACE_TRY(make_checked(connection, labels_sql(view, at)));
  MILLRACE_TRY(make_checked(connection, sql.feature_rows(0)));
  if (view.time.empty()) {
    MILLRACE_ASSIGN(const auto several, connection.scalar(sql.ambiguous_keys(0)));
    if (several.value_or(0) > 0)
      return fail(
          Code::kInvalid,
          fmt::format("{} entities have several rows; give time, or make `from` a SELECT with one each",
                      *several),
          view.path);
  }
  MILLRACE_TRY(connection.execute(sql.matches(0)));
  TableMemory memory;
  memory.at = at;
  MILLRACE_TRY(read_into(connection, view, memory, bytes_max));
  return memory;
}

}  // namespace millrace
