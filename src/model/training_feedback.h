#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/feedback.h"
#include "model/model_spec.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What a model is trained on.
struct TrainingFeedback {
  FeedbackSet set;
  std::string hash;            ///< of every row, in order: the same rows give the same
  nlohmann::json offsets;      ///< of the log, that the tables held: {"events/0": 1234}
  std::size_t incomplete = 0;  ///< rows without a user, an item or a time, left out
};

/// Read what a model's file asks for, of one state of the tables, ordered by time, user and item. Errors:
/// kInvalid for SQL that cannot be run, or that is more than one steady SELECT; kInvalid for a weight that is
/// negative or no number, and for no rows at all; kCancelled.
Result<TrainingFeedback> read_training_feedback(Warehouse& warehouse, const ModelSpec& spec);

}  // namespace millrace
