#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/als.h"
#include "model/feedback.h"
#include "model/item_similarity.h"
#include "model/model_bundle.h"
#include "model/session_knn.h"
#include "model/training.h"

namespace millrace {

/// Someone to recommend to.
struct Person {
  std::span<const Feedback> history;  ///< what they did before, oldest first; may be empty
  TimeUs now = 0;
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
  virtual std::vector<float> user_vector(const Person&) const { return {}; }
};

/// Return what someone did as a row of the matrix that models train on: each item once, weights added up.
/// Items from `items` on are left out. With a half-life, what was done so long before `now` counts half.
struct HistoryRow {
  HistoryRow(const Person& person, std::size_t items, DurationUs half_life = 0);
  SparseMatrix::Row row() const { return {columns, values}; }
  std::vector<std::uint32_t> columns;
  std::vector<float> values;
};

/// The kinds of models that learn from interactions alone.
enum class RankingKind : std::uint8_t { kPopularity, kItemKnn, kEase, kAls, kSessionKnn, kCount };

std::string_view ranking_kind_name(RankingKind kind);
std::optional<RankingKind> ranking_kind(std::string_view name);

/// How to train one.
struct RankingSettings {
  RankingKind kind = RankingKind::kPopularity;
  DurationUs half_life =
      0;              ///< of an interaction's weight before the newest, in training and in a history; 0: none
  bool once = false;  ///< meeting an item again adds nothing
  ItemKnnSettings item_knn;
  EaseSettings ease;
  AlsSettings als;
  SessionKnnSettings session_knn;
};

/// Train on `rows`, which are in order of time. Errors: those of the trainer.
Result<std::unique_ptr<RankingModel>> train_ranking(std::span<const Feedback> rows, std::size_t users,
                                                    std::size_t items, const RankingSettings& settings,
                                                    const TrainingControl& control);

nlohmann::json to_json(const RankingSettings& settings);
/// Errors: kCorrupt for what to_json did not write.
Result<RankingSettings> ranking_settings_of(const nlohmann::json& json);

/// Load what `save` wrote. Large arrays stay in the bundle's files, which the model keeps open. Errors:
/// kCorrupt for arrays that do not fit each other or `items`.
Result<std::unique_ptr<RankingModel>> load_ranking(const BundleReader& bundle,
                                                   const RankingSettings& settings, std::size_t items);

/// Return a model that ranks what `model` has something to say of, as it says, and after it the rest as
/// `fallback` says. Both must outlive it.
std::unique_ptr<RankingModel> with_fallback(const RankingModel& model, const RankingModel& fallback);

}  // namespace millrace
