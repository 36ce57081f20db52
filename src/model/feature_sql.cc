#include "model/feature_sql.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

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

/// The slices by which rows are added up beforehand: those of the window; any will do where there is none.
DurationUs part_of(DurationUs slice) {
  return slice == 0 ? kDayUs : slice;
}

std::string slice_start_sql(std::string_view time, DurationUs part) {
  return fmt::format("({0} - (({0} % {1}) + {1}) % {1})", time, part);
}

/// What rows of one entity add up to, in a form that can be added up further.
std::string partial_sql(FlowMeasure measure, std::size_t i) {
  const std::string value = fmt::format("r.v{}", i);
  switch (measure) {
    case FlowMeasure::kCount:
      return fmt::format("count({})", value);
    case FlowMeasure::kSum:
      return fmt::format("sum({})", value);
    case FlowMeasure::kMin:
      return fmt::format("min({})", value);
    case FlowMeasure::kMax:
      return fmt::format("max({})", value);
    case FlowMeasure::kLast:
      return fmt::format("max({{'t': r._t, 'v': {0}}}) FILTER ({0} IS NOT NULL)", value);
    case FlowMeasure::kDistinct:
      return fmt::format("hll({})", value);
  }
  return "";
}

/// What the partials of the slices in a window add up to.
std::string merged_sql(FlowMeasure measure, std::string_view name, DurationUs window, DurationUs part) {
  std::string value = fmt::format("p.{}", name);
  if (window > 0) value = fmt::format("CASE WHEN p._s >= p._now + {} THEN {} END", part - window, value);
  switch (measure) {
    case FlowMeasure::kCount:
      return fmt::format("CAST(coalesce(sum({}), 0) AS BIGINT)", value);
    case FlowMeasure::kSum:
      return fmt::format("coalesce(TRY_CAST(sum({}) AS DECIMAL(18,4)), 0)", value);
    case FlowMeasure::kMin:
      return fmt::format("min({})", value);
    case FlowMeasure::kMax:
      return fmt::format("max({})", value);
    case FlowMeasure::kLast:
      return fmt::format("max({}).v", value);
    case FlowMeasure::kDistinct:
      return fmt::format("coalesce(hll_count(hll_merge({})), 0)", value);
  }
  return "";
}

bool is_zero_of_nothing(FlowMeasure measure) {
  return measure == FlowMeasure::kCount || measure == FlowMeasure::kSum || measure == FlowMeasure::kDistinct;
}

/// The features of a view whose rows are added up by the same slices.
struct Group {
  DurationUs part = 0;
  DurationUs window = 0;  ///< the longest; 0: everything
  std::vector<std::size_t> features;
};

/// The first group has the horizon.
std::vector<Group> groups_of(const FeatureView& view) {
  std::vector<Group> groups = {{part_of(view.horizon_slice), view.horizon, {}}};
  for (std::size_t i = 0; i < view.features.size(); ++i) {
    const FlowAggregate& flow = view.features[i].flow;
    const DurationUs part = part_of(flow.slice);
    auto found = std::ranges::find(groups, part, &Group::part);
    if (found == groups.end()) found = groups.insert(groups.end(), {part, flow.window, {}});
    found->window = flow.window == 0 || found->window == 0 ? 0 : std::max(found->window, flow.window);
    found->features.push_back(i);
  }
  return groups;
}

/// SELECT of `_row`, `t` (the newest row in the horizon; of the first group) and the group's features by
/// number: whole slices, added up once for all moments, and of the slice of the moment the rows before it.
std::string group_sql(const FeatureView& view, const Group& group, std::string_view moments,
                      std::string_view rows, FlowAt at) {
  std::string partials = "max(r._t) AS t",
              merged = merged_sql(FlowMeasure::kMax, "t", view.horizon, group.part) + " AS t";
  for (const std::size_t i : group.features) {
    const FlowAggregate& flow = view.features[i].flow;
    partials += fmt::format(", {} AS p{}", partial_sql(flow.measure, i), i);
    merged += fmt::format(", {} AS f{}",
                          merged_sql(flow.measure, fmt::format("p{}", i), flow.window, group.part), i);
  }
  const std::string now = slice_start_sql("m._at", group.part);
  std::string in_reach = "true";
  if (group.window > 0) {
    in_reach = fmt::format("r._s >= l._now + {} AND r._s {} l._now", group.part - group.window,
                           at == FlowAt::kBefore ? "<" : "<=");
  } else if (at == FlowAt::kBefore) {
    in_reach = "r._s < l._now";
  }
  const std::string labels = fmt::format("(SELECT m._row, m._k, m._at, {} AS _now FROM {} m)", now, moments);
  std::string pieces = fmt::format(
      "SELECT l._row, l._now, r.* EXCLUDE (_key) FROM {} l JOIN (SELECT r._key, {} AS _s, {} FROM {} r WHERE "
      "r._key IN "
      "(SELECT _k FROM {}) GROUP BY ALL) r ON l._k = r._key AND {}",
      labels, slice_start_sql("r._t", group.part), partials, rows, moments, in_reach);
  if (at == FlowAt::kBefore)
    pieces += fmt::format(
        " UNION ALL SELECT l._row, any_value(l._now), any_value(l._now) AS _s, {} FROM {} l JOIN {} r ON "
        "l._k = r._key "
        "AND r._t >= l._now AND r._t < l._at GROUP BY l._row",
        partials, labels, rows);
  return fmt::format("SELECT p._row, {} FROM ({}) p GROUP BY p._row", merged, pieces);
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
  const std::vector<Group> groups = groups_of(view);
  std::string from;
  std::vector<std::string> values(view.features.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    from += fmt::format("{}({}) g{}{}", g == 0 ? "" : " LEFT JOIN ",
                        group_sql(view, groups[g], moments, rows, at), g,
                        g == 0 ? "" : fmt::format(" ON g0._row = g{}._row", g));
    for (const std::size_t i : groups[g].features) {
      const bool zero = is_zero_of_nothing(view.features[i].flow.measure);
      const std::string value = fmt::format("g{}.f{}", g, i);
      values[i] = fmt::format(", {} AS {}", zero ? "coalesce(" + value + ", 0)" : value,
                              sql_identifier(view.features[i].name));
    }
  }
  return fmt::format("SELECT g0._row, g0.t AS _t{} FROM {} WHERE g0.t IS NOT NULL", fmt::join(values, ""),
                     from);
}

std::string flow_horizon_sql(const FeatureView& view, TimeUs now) {
  if (view.horizon == 0) return "true";
  return fmt::format("event_time >= make_timestamp({})",
                     slice_start(now, view.horizon_slice) + view.horizon_slice - view.horizon);
}

}  // namespace millrace
