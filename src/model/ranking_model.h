#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/feedback.h"
#include "model/model_bundle.h"
#include "model/ranking_features.h"
#include "model/ranking_settings.h"
#include "model/training.h"

namespace millrace {

/// Someone to recommend to.
struct Person {
  std::span<const Feedback> history;  ///< what they did before, oldest first; may be empty
  TimeUs now = 0;
  std::optional<std::uint32_t> user;  ///< their number in the training, for models that know people by it
  const FeatureTable* features =
      nullptr;  ///< one row of what is known of them, for models that read features
};

/// A trained model that ranks a whole catalogue for anyone with a history. Threads: any, at once.
class RankingModel {
 public:
  virtual ~RankingModel() = default;

  /// Write how much each item is for this person; -∞ where the model has nothing to say. `scores` has a place
  /// for each item of the training; items of the history beyond it are left out.
  virtual void score(const Person& person, std::span<float> scores) const = 0;

  /// Add what `load_ranking` needs to a bundle.
  virtual Status save(BundleWriter& into) const = 0;

  /// Return vectors of the items whose dot product with `user_vector` is the score; nothing for a model
  /// without. They stay as long as the model.
  virtual std::optional<MatrixView> item_vectors() const { return std::nullopt; }
  /// Return the vectors of the training's users; nothing for a model without.
  virtual std::optional<MatrixView> user_vectors() const { return std::nullopt; }
  /// Return someone's vector; empty when nothing is known of them.
  virtual std::vector<float> user_vector(const Person&) const { return {}; }

  /// Whether scores are ratings, as people would give them.
  virtual bool foresees_ratings() const { return false; }

  /// Return the towers of a model that has some, else null.
  virtual const TwoTowerModel* towers() const { return nullptr; }
};

/// Return what someone did as a row of the matrix that models train on: each item once, weights added up.
/// Items from `items` on are left out. With a half-life, what was done so long before `now` counts half.
struct HistoryRow {
  HistoryRow(const Person& person, std::size_t items, DurationUs half_life = 0);
  SparseMatrix::Row row() const { return {columns, values}; }
  std::vector<std::uint32_t> columns;
  std::vector<float> values;
};

/// Train on `rows`, which are in order of time. `features` are of the set that the rows are from; null where
/// none are known. Errors: those of the trainer; kInvalid for a kind that needs features and has none.
Result<std::unique_ptr<RankingModel>> train_ranking(std::span<const Feedback> rows, std::size_t users,
                                                    std::size_t items, const RankingSettings& settings,
                                                    const TrainingControl& control,
                                                    const RankingFeatures* features = nullptr);

/// Load what `save` wrote. Large arrays stay in the bundle's files, which the model keeps open. Errors:
/// kCorrupt for arrays that do not fit each other, `users` or `items`.
Result<std::unique_ptr<RankingModel>> load_ranking(const BundleReader& bundle,
                                                   const RankingSettings& settings, std::size_t users,
                                                   std::size_t items);

/// Return a model that ranks what `model` has something to say of, as it says, and after it the rest as
/// `fallback` says. Both must outlive it.
std::unique_ptr<RankingModel> with_fallback(const RankingModel& model, const RankingModel& fallback);

}  // namespace millrace
