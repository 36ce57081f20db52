#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "linalg/matrix.h"
#include "model/model_bundle.h"
#include "model/ranking_features.h"
#include "model/ranking_model.h"
#include "model/training.h"
#include "model/two_tower.h"

namespace millrace {

// Models that are vectors of users and items, whose dot product is the score. The vector of a person is, of
// these the first there is: what their features give, where the model has towers and the features are told;
// their own, where the model knows them; the mean of the vectors of what they met (not where scores are
// ratings, of which that would tell nothing).

/// Return for each number (Feedback::user or Feedback::item) the row of features that the last of `rows` has
/// for it, else `first`'s. `row_of` and `first` are of RankingFeatures.
std::vector<std::uint32_t> last_rows(std::span<const Feedback> rows, std::vector<std::uint32_t> first,
                                     std::span<const std::uint32_t> row_of, std::uint32_t Feedback::* number);

/// Make one of vectors, in the order of the numbers of users and items. `owner` holds what the views look at.
/// Needs views of as many columns.
std::unique_ptr<RankingModel> make_embedding_ranking(MatrixView users, MatrixView items,
                                                     std::shared_ptr<const void> owner,
                                                     std::optional<TwoTowerModel> towers);

/// Train two towers, on everything at last: where some is held out to tell when to stop, once more for as
/// many epochs as that found good. Make the vectors of every user and item of `features`, whether `rows` have
/// them or not, of what the last row says of them. Errors: those of train_two_tower.
Result<std::unique_ptr<RankingModel>> train_two_tower_ranking(std::span<const Feedback> rows,
                                                              const RankingFeatures& features,
                                                              const TwoTowerSettings& settings,
                                                              const TrainingControl& control);

/// Load what such a model saved. Errors: kCorrupt for vectors that are not one for each user and item, or not
/// as long as the towers'; those of read_towers.
Result<std::unique_ptr<RankingModel>> load_embedding_ranking(const BundleReader& bundle, std::size_t users,
                                                             std::size_t items);

}  // namespace millrace
