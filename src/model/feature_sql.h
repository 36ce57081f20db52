#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/feature_view.h"

namespace millrace {

/// At which side of a moment rows of the flow end that count at it.
enum class FlowAt : std::uint8_t {
  kBefore,   ///< earlier than the moment: what training may see
  kPresent,  ///< to the end of its slices: what memory answers at it, with rows of producers whose clock is
             ///< ahead
};

/// The SQL of a view of the flow: its definition over the tables of facts.

/// SELECT of its rows where `condition` holds: `_key`, `_t` (µs), `log_partition`, `log_offset`, and for each
/// feature `v0` …, which is NULL where its conditions do not hold.
std::string flow_rows_sql(const FeatureView& view, std::string_view condition);

/// SELECT of the values: `_row`, `_t` (µs, the entity's newest row) and the features by their names, for
/// those rows of `moments` (`_row`, `_k`, `_at` in µs) whose entity is known. `rows` gives what flow_rows_sql
/// does.
std::string flow_values_sql(const FeatureView& view, std::string_view moments, std::string_view rows,
                            FlowAt at);

/// The condition that a row lies in the view's horizon at `now`, or may later.
std::string flow_horizon_sql(const FeatureView& view, TimeUs now);

/// An expression of the text of one key, of columns or expressions. NULL parts must be kept out before.
std::string entity_key_sql(std::span<const std::string> parts);

}  // namespace millrace
