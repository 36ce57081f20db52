#include "model/feature_sql.h"

#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

std::string condition_sql(const FlowCondition& condition) {
  std::string values;
  for (const auto& value : condition.values) values += (values.empty() ? "" : ", ") + sql_literal(value);
  return fmt::format("{} IN ({})", sql_identifier(condition.column->name), values);
}

/// What one row gives a feature.
std::string row_value(const FlowAggregate& flow) {
  std::string value = "1::BIGINT";
  if (flow.column != nullptr) value = sql_identifier(flow.column->name);
  // A sum of DOUBLEs would depend on their order.
  if (flow.measure == FlowMeasure::kSum && flow.column->type == FeatureType::kDouble)
    value = fmt::format("TRY_CAST({} AS DECIMAL(18,4))", value);
  std::string conditions;
  for (const auto& condition : flow.where)
    conditions += (conditions.empty() ? "" : " AND ") + condition_sql(condition);
  return conditions.empty() ? value : fmt::format("CASE WHEN {} THEN {} END", conditions, value);
}

std::string start_sql(DurationUs slice) {
  return fmt::format("(l._at - ((l._at % {0}) + {0}) % {0})", slice);
}

/// The condition that a row lies in a window at l._at.
std::string in_window(DurationUs window, DurationUs slice, FlowAt at) {
  if (window == 0) return "true";
  std::string out = fmt::format("r._t >= {} + {} - {}", start_sql(slice), slice, window);
  if (at == FlowAt::kPresent) out += fmt::format(" AND r._t < {} + {}", start_sql(slice), slice);
  return out;
}

std::string measure_sql(const FlowAggregate& flow, std::size_t index, FlowAt at) {
  const std::string value =
      fmt::format("CASE WHEN {} THEN r.v{} END", in_window(flow.window, flow.slice, at), index);
  switch (flow.measure) {
    case FlowMeasure::kCount:
      return fmt::format("count({})", value);
    case FlowMeasure::kSum:
      return fmt::format("coalesce(TRY_CAST(sum({}) AS DECIMAL(18,4)), 0)", value);
    case FlowMeasure::kMin:
      return fmt::format("min({})", value);
    case FlowMeasure::kMax:
      return fmt::format("max({})", value);
    case FlowMeasure::kLast:
      return fmt::format("(max({{'t': r._t, 'v': {0}}}) FILTER ({0} IS NOT NULL)).v", value);
    case FlowMeasure::kDistinct:
      return fmt::format("coalesce(hll_count(hll({})), 0)", value);
  }
  return "";
}

}  // namespace

std::string entity_key_sql(std::span<const std::string> parts) {
  if (parts.size() == 1) return fmt::format("CAST({} AS VARCHAR)", parts.front());
  std::string out;
  for (const auto& part : parts) out += fmt::format(", CAST({} AS VARCHAR)", part);
  return fmt::format("concat_ws(chr(31){})", out);
}

std::string flow_rows_sql(const FeatureView& view, std::string_view condition) {
  std::vector<std::string> columns;
  std::string known, values;
  for (const auto& entity : view.entities) {
    columns.push_back(entity.column);
    known += fmt::format("{} IS NOT NULL AND ", entity.column);
  }
  for (std::size_t i = 0; i < view.features.size(); ++i)
    values += fmt::format(", {} AS v{}", row_value(view.features[i].flow), i);
  return fmt::format(
      "SELECT {} AS _key, epoch_us(event_time) AS _t, log_partition, log_offset{} FROM {} WHERE {}{}",
      entity_key_sql(columns), values, flow_table_name(*view.flow), known, condition);
}

std::string flow_values_sql(const FeatureView& view, std::string_view moments, std::string_view rows,
                            FlowAt at) {
  std::string values;
  for (std::size_t i = 0; i < view.features.size(); ++i)
    values += fmt::format(", {} AS {}", measure_sql(view.features[i].flow, i, at),
                          sql_identifier(view.features[i].name));
  return fmt::format(
      "SELECT l._row, max(r._t) AS _t{} FROM {} l JOIN {} r ON l._k = r._key AND {}{} GROUP BY l._row",
      values, moments, rows, in_window(view.horizon, view.horizon_slice, at),
      at == FlowAt::kBefore ? " AND r._t < l._at" : "");
}

std::string flow_horizon_sql(const FeatureView& view, TimeUs now) {
  if (view.horizon == 0) return "true";
  return fmt::format("event_time >= make_timestamp({})",
                     slice_start(now, view.horizon_slice) + view.horizon_slice - view.horizon);
}

}  // namespace millrace
