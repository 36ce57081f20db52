#pragma once

#include <string>
#include <string_view>

#include "warehouse/aggregation.h"

namespace millrace {

/// What is aggregated over: a fact table's rows, or another aggregation's.
struct AggregationInput {
  std::string all;    ///< FROM of all rows
  std::string added;  ///< FROM of those that the present transaction added; empty for an aggregation
  std::string time;   ///< the column that windows go by
};

/// Return the fact table of that name: events, order_lines, event_items or item_interactions; `all` is empty
/// for any other name.
AggregationInput fact_input(std::string_view from);

/// The SQL of one aggregation. Its table `_agg_NAME` holds what transactions added: `tier`, then the window's
/// columns, keys and measures, the last in a form that can be added up (sketches as BLOBs). The view NAME
/// adds them up.
class AggregationSql {
 public:
  AggregationSql(const Aggregation& aggregation, AggregationInput input);

  std::string table() const { return "_agg_" + aggregation_.name; }
  const AggregationInput& input() const { return input_; }

  /// SELECT of the table's columns but for `tier`, from `from` where `condition` holds.
  std::string partial(std::string_view from, std::string_view condition = "true") const;
  /// The same apart for each source: `source`, the columns of `partial`, `events` (how many rows went in), in
  /// the order of source, window and keys. From all facts where `condition` holds.
  std::string by_source(std::string_view condition) const;
  /// SELECT that adds up rows of the table.
  std::string merged(std::string_view from, std::string_view condition = "true") const;
  /// SELECT of what readers see.
  std::string view() const;

  /// The expression that gives a fact its place in the table: its window's beginning, or its visit.
  std::string window_key() const;
  /// The column of the table that holds it.
  std::string_view window_column() const { return is_visit() ? "visit_id" : "window_start"; }
  bool is_visit() const { return aggregation_.window.kind == AggregationWindow::Kind::kVisit; }

 private:
  std::string select(std::string_view source, std::string_view from, std::string_view condition) const;
  std::string window_columns() const;
  std::string sliding(std::string_view from) const;

  const Aggregation aggregation_;
  const AggregationInput input_;
};

}  // namespace millrace
