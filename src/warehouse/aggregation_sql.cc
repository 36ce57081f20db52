#include "warehouse/aggregation_sql.h"

#include <fmt/format.h>

namespace millrace {
namespace {

/// The ids that DuckDB gives to rows which a transaction has added and not yet committed begin here
/// (MAX_ROW_ID of its sources); a scan passes over all others by their statistics.
constexpr std::string_view kAdded = "rowid >= 36028797018960000";

constexpr std::string_view kInteractionColumns =
    "dt, event_time, source, type, visitor, user_id, anonymous_id, session_id, visit_id, item_id, item_name, "
    "category, category_top, price, quantity, currency";
constexpr std::string_view kInteractionEnd =
    "country, region, recommendation_id, log_topic, log_partition, log_offset, event_index";

/// The view item_interactions over the rows that were added.
std::string added_interactions() {
  return fmt::format(
      "(SELECT {0}, order_id, value, in_cart, {1} FROM events WHERE {2} AND item_id IS NOT NULL "
      "AND type NOT IN ('purchase', 'refund') UNION ALL "
      "SELECT {0}, NULL, NULL, in_cart, {1} FROM event_items WHERE {2} AND item_id IS NOT NULL UNION ALL "
      "SELECT {0}, order_id, NULL, false, {1} FROM order_lines WHERE {2} AND item_id IS NOT NULL)",
      kInteractionColumns, kInteractionEnd, kAdded);
}

/// A name may be a word of SQL's own.
std::string in_quotes(std::string_view name) {
  return fmt::format("\"{}\"", name);
}

/// Return a user's expression so that what follows it is not part of a comment at its end.
std::string enclosed(std::string_view expression) {
  return fmt::format("(\n{}\n)", expression);
}

/// Return the earliest of `value` that is not NULL, with its time: a struct of both. It goes into two
/// columns, since DuckDB 1.4.2 crashes over struct columns with text when a transaction of several row groups
/// commits.
std::string earliest(std::string_view time, std::string_view value) {
  return fmt::format("(min({{'at': {}, 'value': {}}}) FILTER (WHERE {} IS NOT NULL))", time, value, value);
}

/// The column that holds the time of a `first`; no measure can have that name.
std::string time_column(const Measure& measure) {
  return fmt::format("\"{} at\"", measure.name);
}

/// Return "EXPRESSION AS NAME", with the time before it for a `first`.
std::string named(const Measure& measure, const std::string& expression) {
  const auto name = in_quotes(measure.name);
  if (measure.kind != Measure::Kind::kFirst) return fmt::format("{} AS {}", expression, name);
  return fmt::format("{0}.at AS {1}, {0}.value AS {2}", expression, time_column(measure), name);
}

std::string partial_of(const Measure& measure, std::string_view time) {
  const auto value = enclosed(measure.expression);
  switch (measure.kind) {
    case Measure::Kind::kCount:
      return measure.expression.empty() ? "count(*)" : fmt::format("count(*) FILTER (WHERE {})", value);
    case Measure::Kind::kSum:
      return fmt::format("sum({})", value);
    case Measure::Kind::kMin:
      return fmt::format("min({})", value);
    case Measure::Kind::kMax:
      return fmt::format("max({})", value);
    case Measure::Kind::kFirst:
      return earliest(time, value);
    case Measure::Kind::kDistinct:
      return fmt::format("hll(CAST({} AS VARCHAR))", value);
    case Measure::Kind::kTop:
      return fmt::format("topk(CAST({} AS VARCHAR), {})", value, measure.k);
  }
  return {};
}

std::string merged_of(const Measure& measure) {
  const auto column = in_quotes(measure.name);
  switch (measure.kind) {
    case Measure::Kind::kCount:
      return fmt::format("CAST(sum({}) AS BIGINT)", column);
    case Measure::Kind::kSum:
      return fmt::format("sum({})", column);
    case Measure::Kind::kMin:
      return fmt::format("min({})", column);
    case Measure::Kind::kFirst:
      return earliest(time_column(measure), column);
    case Measure::Kind::kMax:
      return fmt::format("max({})", column);
    case Measure::Kind::kDistinct:
      return fmt::format("hll_merge({})", column);
    case Measure::Kind::kTop:
      return fmt::format("topk_merge({})", column);
  }
  return {};
}

std::string finished_of(const Measure& measure) {
  switch (measure.kind) {
    case Measure::Kind::kFirst:
      return merged_of(measure) + ".value";
    case Measure::Kind::kDistinct:
      return fmt::format("coalesce(hll_count({}), 0)", merged_of(measure));
    case Measure::Kind::kTop:
      return fmt::format("coalesce(topk_list({}), '[]')", merged_of(measure));
    default:
      return merged_of(measure);
  }
}

std::string interval(DurationUs length) {
  return fmt::format("to_microseconds({})", length);
}

}  // namespace

AggregationInput fact_input(std::string_view from) {
  if (from == "item_interactions") return {"item_interactions", added_interactions(), "event_time"};
  for (const auto* table : {"events", "order_lines", "event_items"}) {
    if (from == table)
      return {table, fmt::format("(SELECT * FROM {} WHERE {})", table, kAdded), "event_time"};
  }
  return {};
}

AggregationSql::AggregationSql(const Aggregation& aggregation, AggregationInput input)
    : aggregation_(aggregation), input_(std::move(input)) {}

std::string AggregationSql::window_key() const {
  if (is_visit()) return "visit_id";
  return fmt::format("time_bucket({}, {}, make_timestamp({}))", interval(aggregation_.window.period),
                     input_.time, aggregation_.window.offset);
}

/// The columns that stand for the window, in the table and in what is added up.
std::string AggregationSql::window_columns() const {
  return is_visit() ? "visit_id, min(start_time) AS start_time, max(end_time) AS end_time" : "window_start";
}

std::string AggregationSql::partial(std::string_view from, std::string_view condition) const {
  return select("", from, condition);
}

std::string AggregationSql::by_source(std::string_view condition) const {
  std::string order = "1, 2";
  for (std::size_t i = 0; i < aggregation_.keys.size(); ++i) order += fmt::format(", {}", i + 3);
  return select("source", input_.all, condition) + " ORDER BY " + order;
}

/// SELECT that groups by window and keys, and by `source` first when that is given.
std::string AggregationSql::select(std::string_view source, std::string_view from,
                                   std::string_view condition) const {
  const bool apart = !source.empty();
  std::string columns = fmt::format("{}{}{} AS {}", source, apart ? ", " : "", window_key(), window_column());
  std::string groups = apart ? "1, 2" : "1";
  if (is_visit()) columns += fmt::format(", min({0}) AS start_time, max({0}) AS end_time", input_.time);
  int column = (is_visit() ? 3 : 1) + (apart ? 1 : 0);
  for (const auto& key : aggregation_.keys) {
    columns += fmt::format(", {} AS {}", enclosed(key.expression), in_quotes(key.name));
    groups += fmt::format(", {}", ++column);
  }
  for (const auto& measure : aggregation_.measures) {
    columns += ", " + named(measure, partial_of(measure, input_.time));
  }
  if (apart) columns += ", count(*) AS events";
  const auto filter = aggregation_.filter.empty() ? "true" : enclosed(aggregation_.filter);
  return fmt::format("SELECT {} FROM {} WHERE {} AND {}{} GROUP BY {}", columns, from, filter, condition,
                     is_visit() ? " AND visit_id IS NOT NULL" : "", groups);
}

std::string AggregationSql::merged(std::string_view from, std::string_view condition) const {
  auto columns = window_columns();
  std::string groups = "1";
  int column = is_visit() ? 3 : 1;
  for (const auto& key : aggregation_.keys) {
    columns += ", " + in_quotes(key.name);
    groups += fmt::format(", {}", ++column);
  }
  for (const auto& measure : aggregation_.measures) {
    columns += ", " + named(measure, merged_of(measure));
  }
  return fmt::format("SELECT {} FROM {} WHERE {} GROUP BY {}", columns, from, condition, groups);
}

/// Each slice counts in all windows that it is part of.
std::string AggregationSql::sliding(std::string_view from) const {
  const auto& window = aggregation_.window;
  return fmt::format(
      "(SELECT unnest(generate_series(window_start - {}, window_start, {})) AS window_start, * "
      "EXCLUDE (window_start) FROM {})",
      interval(window.size - window.period), interval(window.period), from);
}

std::string AggregationSql::view() const {
  const auto& window = aggregation_.window;
  auto from = input_.added.empty() ? "(" + partial(input_.all) + ")" : table();
  if (window.kind == AggregationWindow::Kind::kSliding) from = sliding(from);
  auto columns = window_columns();
  const auto end = fmt::format("window_start + {}", interval(window.size));
  if (!is_visit()) columns += fmt::format(", {} AS window_end", end);
  std::string groups = is_visit() ? "visit_id" : "window_start";
  for (const auto& key : aggregation_.keys) {
    columns += ", " + in_quotes(key.name);
    groups += ", " + in_quotes(key.name);
  }
  for (const auto& measure : aggregation_.measures) {
    columns += fmt::format(", {} AS {}", finished_of(measure), in_quotes(measure.name));
  }
  if (aggregation_.lateness) {
    columns += fmt::format(", {} + {} <= (SELECT max(event_time) FROM events) AS final", end,
                           interval(*aggregation_.lateness));
  }
  return fmt::format("SELECT {} FROM {} GROUP BY {}", columns, from, groups);
}

}  // namespace millrace
