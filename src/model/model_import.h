#pragma once

#include <optional>
#include <string>
#include <vector>

#include "linalg/matrix.h"
#include "model/model_registry.h"
#include "model/ranking_features.h"
#include "model/training_feedback.h"
#include "model/two_tower.h"

namespace millrace {

/// A model that was made elsewhere.
struct ImportedModel {
  IdMap users;
  Matrix user_vectors;  ///< users × dimensions; may have no rows
  IdMap items;
  Matrix item_vectors;  ///< items × dimensions
  std::optional<TwoTowerModel> towers;
};

/// Add the vectors that the towers give to the users and items of `feedback` which have none yet. Needs
/// towers and features. Errors: kInvalid for features that are not those the towers want.
Status embed_the_rest(ImportedModel& model, const TrainingFeedback& feedback, int threads);

/// Check that vectors fit each other and the towers. Errors: kInvalid for no items, vectors of different
/// lengths, numbers that are not finite.
Status check_imported(const ImportedModel& model);

/// Make a model that can be asked, of the name and version it is to have.
std::shared_ptr<ServedModel> served(ImportedModel model, std::string name, std::string version);

}  // namespace millrace
