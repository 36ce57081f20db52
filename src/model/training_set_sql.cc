#include "model/training_set_sql.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "warehouse/sql_check.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

/// Join the texts that `of` makes of each, with commas.
template <class Range, class Of>
std::string list_of(const Range& range, Of of) {
  std::string out;
  for (const auto& one : range) out += (out.empty() ? "" : ", ") + of(one);
  return out;
}

std::string keys_of(const TrainingFeature& feature) {
  std::string out;
  for (std::size_t i = 0; i < feature.on.size(); ++i) out += fmt::format("{}_k{}", i == 0 ? "" : ", ", i);
  return out;
}

std::string columns_of(const TrainingFeature& feature, std::string_view table) {
  return list_of(feature.columns, [&](const auto& column) {
    return fmt::format("{}.{}", table, sql_identifier(column.first));
  });
}

}  // namespace

Status make_checked(duck::Connection& connection, const std::string& sql) {
  MILLRACE_TRY(check_steady_select(connection, std::string_view(sql).substr(sql.find("SELECT"))));
  return connection.execute(sql);
}

std::string from_sql(const std::string& from) {
  const bool is_query = from.find_first_of(" \n") != std::string::npos;
  return is_query ? fmt::format("(\n{}\n)", from) : from;
}

std::string TrainingSetSql::all_labels() const {
  return fmt::format("CREATE TEMP TABLE ts_all AS SELECT * FROM (\n{}\n)", set_.labels);
}

std::string TrainingSetSql::is_complete() const {
  std::string out;
  for (const auto& name : set_.key)
    out += fmt::format("{}{} IS NOT NULL", out.empty() ? "" : " AND ", sql_identifier(name));
  if (!set_.time.empty()) out += fmt::format(" AND {} IS NOT NULL", sql_identifier(set_.time));
  return out;
}

std::string TrainingSetSql::complete_labels() const {
  return "SELECT count(*) FROM ts_all WHERE " + is_complete();
}

std::string TrainingSetSql::labels() const {
  std::string id = list_of(set_.key, sql_identifier);
  if (!set_.time.empty()) id += ", " + sql_identifier(set_.time);
  return fmt::format(
      "CREATE TEMP TABLE ts_labels AS SELECT row_number() OVER (ORDER BY {0}) AS _row, * FROM ("
      "SELECT DISTINCT ON ({0}) * FROM ts_all WHERE {1} ORDER BY ALL)",
      id, is_complete());
}

std::string TrainingSetSql::feature_rows(std::size_t i) const {
  const TrainingFeature& feature = set_.features[i];
  if (feature.flow) return "CREATE TEMP VIEW ts_rows AS " + flow_rows_sql(*feature.flow, "true");
  const std::string from = from_sql(feature.from);
  std::string keys, complete;
  for (std::size_t k = 0; k < feature.on.size(); ++k) {
    keys += fmt::format("{}{} AS _k{}", k == 0 ? "" : ", ", feature.on[k].second, k);
    complete += fmt::format("{}{} IS NOT NULL", k == 0 ? "" : " AND ", feature.on[k].second);
  }
  const std::string columns = list_of(feature.columns, [](const auto& column) {
    return fmt::format("({}) AS {}", column.second, sql_identifier(column.first));
  });
  if (feature.time.empty())
    return fmt::format("CREATE TEMP VIEW ts_rows AS SELECT {}, {} FROM {} WHERE {}", keys, columns, from,
                       complete);
  const std::string since = fmt::format("CAST({} AS TIMESTAMP)", sql_identifier(feature.time));
  const std::string usable = since + " + INTERVAL 1 MICROSECOND";
  complete += fmt::format(" AND {} IS NOT NULL", sql_identifier(feature.time));
  if (feature.known.empty())
    return fmt::format("CREATE TEMP VIEW ts_rows AS SELECT {}, {}, {} AS _t, {} AS _a FROM {} WHERE {}", keys,
                       columns, since, usable, from, complete);
  const std::string known = fmt::format("CAST({} AS TIMESTAMP)", sql_identifier(feature.known));
  complete += fmt::format(" AND {} IS NOT NULL", sql_identifier(feature.known));  // nobody knows when
  return fmt::format(
      "CREATE TEMP TABLE ts_rows AS SELECT * FROM (SELECT {}, {}, {} AS _t, greatest({}, {}) AS _a, {} AS _n "
      "FROM {} WHERE {}) QUALIFY _t >= max(_t) OVER (PARTITION BY {} ORDER BY _a, _t)",
      keys, columns, since, usable, known, known, from, complete, keys_of(feature));
}

std::string TrainingSetSql::drop_rows(std::size_t i) const {
  return set_.features[i].known.empty() ? "DROP VIEW ts_rows" : "DROP TABLE ts_rows";
}

std::string TrainingSetSql::ambiguous_keys(std::size_t i) const {
  return fmt::format("SELECT count(*) FROM (SELECT 1 FROM ts_rows GROUP BY {} HAVING count(*) > 1)",
                     keys_of(set_.features[i]));
}

std::string TrainingSetSql::on_keys(const TrainingFeature& feature, std::string_view labels,
                                    std::string_view rows) const {
  std::string out;
  for (std::size_t k = 0; k < feature.on.size(); ++k)
    out += fmt::format("{}{}.{} = {}._k{}", k == 0 ? "" : " AND ", labels,
                       sql_identifier(feature.on[k].first), rows, k);
  return out;
}

std::string TrainingSetSql::flow_matches(std::size_t i) const {
  const TrainingFeature& feature = set_.features[i];
  std::vector<std::string> keys;
  for (const auto& on : feature.on) keys.push_back(sql_identifier(on.first));
  const std::string moments =
      fmt::format("(SELECT _row, {} AS _k, epoch_us(CAST({} AS TIMESTAMP)) AS _at FROM ts_labels WHERE {})",
                  entity_key_sql(keys), sql_identifier(set_.time),
                  fmt::format("{} IS NOT NULL", fmt::join(keys, " IS NOT NULL AND ")));
  const std::string columns = list_of(feature.columns, [](const auto& column) {
    return fmt::format("{} AS {}", sql_identifier(column.second), sql_identifier(column.first));
  });
  return fmt::format("CREATE TEMP TABLE ts_f{} AS SELECT _row, make_timestamp(_t) AS _t, {} FROM ({})", i,
                     columns, flow_values_sql(*feature.flow, moments, "ts_rows", at_));
}

std::string TrainingSetSql::matches(std::size_t i) const {
  const TrainingFeature& feature = set_.features[i];
  if (feature.flow) return flow_matches(i);
  const std::string columns = columns_of(feature, "r");
  if (feature.time.empty())
    return fmt::format("CREATE TEMP TABLE ts_f{} AS SELECT l._row, {} FROM ts_labels l JOIN ts_rows r ON {}",
                       i, columns, on_keys(feature, "l", "r"));
  std::string equal;
  for (std::size_t k = 0; k < feature.on.size(); ++k) equal += fmt::format("r._k{0} = m._k{0} AND ", k);
  const std::string ties = list_of(feature.columns, [](const auto& column) {
    return fmt::format("r.{} DESC NULLS LAST", sql_identifier(column.first));
  });
  return fmt::format(
      "CREATE TEMP TABLE ts_f{} AS SELECT DISTINCT ON (m._row) m._row{}, {} FROM ("
      "SELECT l._row, r.* FROM ts_labels l ASOF JOIN (SELECT {}, _a FROM ts_rows) r "
      "ON {} AND CAST(l.{} AS TIMESTAMP) >= r._a) m "
      "JOIN ts_rows r ON {}r._a = m._a ORDER BY m._row, r._t DESC, {}{}",
      i, feature.with_time ? ", r._t AS _t" : "", columns, keys_of(feature), on_keys(feature, "l", "r"),
      sql_identifier(set_.time), equal, feature.known.empty() ? "" : "r._n DESC, ", ties);
}

/// The last part by time, whole instants; or all rows of a column's value on the side its hash says.
std::string TrainingSetSql::split() const {
  if (set_.test <= 0) return "";
  std::string test;
  if (set_.split_by == "time")
    test = fmt::format("l.{0} > (SELECT quantile_disc({0}, {1}) FROM ts_labels)", sql_identifier(set_.time),
                       1 - set_.test);
  else
    test = fmt::format("md5_number_lower(concat({}, chr(31), l.{})) % 1000000 < {}", sql_literal(set_.seed),
                       sql_identifier(set_.split_by), static_cast<std::uint64_t>(set_.test * 1e6));
  return fmt::format(", CASE WHEN {} THEN 'test' ELSE 'train' END AS split", test);
}

std::string TrainingSetSql::joined() const {
  std::string columns, joins;
  for (std::size_t i = 0; i < set_.features.size(); ++i) {
    columns += ", " + columns_of(set_.features[i], fmt::format("f{}", i));
    joins += fmt::format(" LEFT JOIN ts_f{0} f{0} ON l._row = f{0}._row", i);
    if (set_.features[i].max_age > 0)
      joins += fmt::format(" AND f{}._t >= CAST(l.{} AS TIMESTAMP) - to_microseconds({})", i,
                           sql_identifier(set_.time), set_.features[i].max_age);
  }
  return fmt::format("CREATE TEMP TABLE ts_out AS SELECT l.*{}{} FROM ts_labels l{}", columns, split(),
                     joins);
}

}  // namespace millrace
