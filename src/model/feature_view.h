#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"
#include "model/feature_value.h"
#include "model/flow_row.h"

namespace millrace {

/// What a feature of the flow computes of the rows of one entity. All of them add up in whatever order and
/// pieces rows come, so that memory, which follows the log, and SQL over all facts give the same.
enum class FlowMeasure : std::uint8_t { kCount, kSum, kMin, kMax, kLast, kDistinct };

/// `column` is one of `values`.
struct FlowCondition {
  const FlowColumn* column = nullptr;
  std::vector<std::string> values;
};

struct FlowAggregate {
  FlowMeasure measure = FlowMeasure::kCount;
  const FlowColumn* column = nullptr;  ///< none: count of rows
  std::vector<FlowCondition> where;    ///< all must hold
  /// The feature at a moment t looks at the slices of the length `slice` that end with the one t is in,
  /// `window` / `slice` of them, counted from 1970-01-01 00:00 UTC. `window` 0: at everything.
  DurationUs window = 0;
  DurationUs slice = 0;
};

struct Feature {
  std::string name;
  std::string description;
  FeatureType type = FeatureType::kBigint;
  std::string expression;  ///< over a row of `from`, for features of a table
  FlowAggregate flow;      ///< for features of the flow
};

/// A file `features/NAME.yaml` of a project: docs/how-to/features.md. What is known of one kind of thing,
/// from a table or SELECT (`from`), or from the flow of events.
struct FeatureView {
  struct Entity {
    std::string name;    ///< in requests, and of the column of labels
    std::string column;  ///< of the source, as SQL
    const FlowColumn* flow = nullptr;
  };

  std::string name;
  std::string owner;
  std::string description;
  std::vector<Entity> entities;
  DurationUs max_age = 0;  ///< older values are not served, nor trained on; 0: any age will do

  std::optional<FlowTable> flow;  ///< none: of a table
  std::string from;
  std::string time;   ///< since when a row of `from` holds; empty: always, and there is one for each entity
  std::string known;  ///< when it became known
  DurationUs refresh = 0;  ///< how often memory takes `from` anew

  std::vector<Feature> features;
  std::string path;
  std::string text;  ///< the file's

  /// The longest window of the flow's features, with its slice: an entity is known while a row of it is in
  /// there. 0: for ever.
  DurationUs horizon = 0;
  DurationUs horizon_slice = 0;

  const Feature* find(std::string_view feature) const;
};

/// Read a file. Errors: kInvalid, all mistakes at once, each with file and line.
Result<FeatureView> parse_feature_view(std::string_view text, const Path& path);

/// Return the view of that name. Errors: kNotFound with the nearest name.
Result<const FeatureView*> find_view(std::span<const FeatureView> views, std::string_view name);

/// Return the slice of a window: the largest of 1 s, 10 s, 1 min, 10 min, 1 h, 1 day that divides it into 24
/// or more; nothing when there is none.
std::optional<DurationUs> slice_of(DurationUs window);

/// Write what an aggregate of the flow computes, for people.
std::string flow_text(const FlowAggregate& flow);

/// Return where the slice of `time` begins.
inline TimeUs slice_start(TimeUs time, DurationUs slice) {
  if (slice == 0) return 0;
  const TimeUs rest = time % slice;
  return time - (rest < 0 ? rest + slice : rest);
}

}  // namespace millrace
