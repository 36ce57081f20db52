#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "base/result.h"
#include "model/feedback.h"
#include "model/model_spec.h"
#include "model/ranking_features.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Where training sets are found.
struct TrainingSetFiles {
  Path lake_dir;  ///< the directory of the store
  std::function<Result<std::string>(const std::string&)>
      manifest;  ///< of the newest version of a set, by name
};

/// What it is that there are no interactions.
enum class NoRows : std::uint8_t { kError, kAllowed };

/// What a model is trained on.
struct TrainingFeedback {
  FeedbackSet set;
  std::string hash;            ///< of every row, in order: the same rows give the same
  nlohmann::json offsets;      ///< of the log, that the tables held: {"events/0": 1234}
  std::size_t incomplete = 0;  ///< rows without a user, an item, a time or a label, left out
  std::string training_set;    ///< that the rows are from, NAME@VERSION; else empty
  std::unique_ptr<const RankingFeatures> features;  ///< null unless the model reads some
};

/// Read what a model's file asks for, of one state of the tables, ordered by time, user and item. Where the
/// file says that there is no time, rows are in an order that is drawn, the same for the same rows, a second
/// apart. Errors: kInvalid for SQL that cannot be run, or that is more than one steady SELECT; kInvalid for a
/// weight or a label that is no number or a weight below 0, and, unless allowed, for no rows at all; those of
/// FeatureSideReader and, of a training set, of training_files_sql; kCancelled.
Result<TrainingFeedback> read_training_feedback(Warehouse& warehouse, const ModelSpec& spec,
                                                const TrainingSetFiles& sets = {},
                                                NoRows no_rows = NoRows::kError);

}  // namespace millrace
