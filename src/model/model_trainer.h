#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "base/result.h"
#include "model/evaluation_run.h"
#include "model/model_import.h"
#include "model/model_registry.h"
#include "model/model_spec.h"
#include "model/retrain_backtest.h"
#include "model/training_feedback.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What the gate found. It is kept with the version, whatever became of it.
struct GateVerdict {
  bool passed = false;
  std::string words;  ///< why, to be read after "deployed, " or "not deployed: "
};

/// What a training made.
struct TrainedModel {
  std::string version;
  nlohmann::json manifest;  ///< as in the bundle, with the evaluation
  bool deployed = false;
  std::string gate;  ///< why it was deployed, or why not, in words
};

/// One trial of a search.
struct TuningTrial {
  nlohmann::json settings;
  Estimate metric;
};

struct Tuning {
  std::string metric;               ///< by which trials are compared; more is better
  std::vector<TuningTrial> trials;  ///< the best first
  std::size_t best_of = 0;          ///< trials that were made
  std::string yaml;                 ///< the best settings as lines for the model's file
};

/// Trains, judges and searches models of a project. Threads: one call at a time on an object.
class ModelTrainer {
 public:
  struct Tools {
    Env& env;
    Warehouse& warehouse;
    ModelRegistry& registry;
    int threads = 1;
    TrainingSetFiles sets = {};
  };
  /// Hears what is being done, in words.
  using OnStep = std::function<void(std::string_view)>;
  enum class Deploy : std::uint8_t { kIfGood, kNever, kAlways };

  explicit ModelTrainer(const Tools& tools) : tools_(tools) {}

  /// Judge the model on the split its file asks for; train it on everything; write a version; and deploy it
  /// if it passes the gate: it must be no worse than popularity, nor than the settings of the version that is
  /// deployed, trained on the same rows, by more than the margin with the interval taken in. The first
  /// version needs to pass only the first. Errors: those of read_training_feedback and of the trainers;
  /// kNoSpace and kIo, after which nothing of it is there; kCancelled. `because` is kept with the version:
  /// why it was trained.
  Result<TrainedModel> train(const ModelSpec& spec, Deploy deploy, std::string_view by,
                             const std::atomic<bool>* stop, const OnStep& on_step,
                             std::string_view because = "asked");

  /// Write a model that was made elsewhere as a version of `name`. `spec` is the project's file of that name;
  /// null for none. With it, the model is judged as it is on what the file asks for, and the gate decides;
  /// and what its towers know of, but has no vectors yet, gets some. Without, nothing can be judged: it is
  /// deployed unless told otherwise. Errors: those of check_imported, embed_the_rest and of `train`.
  Result<TrainedModel> import(const std::string& name, const ModelSpec* spec, ImportedModel model,
                              Deploy deploy, std::string_view by, const std::atomic<bool>* stop,
                              const OnStep& on_step);

  /// Judge without keeping anything; with `retrain`, also compare cadences of training, lists as the model's
  /// file wants them. Errors: as `train`; those of backtest_retraining.
  Result<EvaluationReport> evaluate(const ModelSpec& spec, std::optional<RetrainSettings> retrain,
                                    const std::atomic<bool>* stop, const OnStep& on_step);

  /// Try `trials` settings out of the model's search, at random (Bergstra and Bengio, 2012), judged on the
  /// last part of what the evaluation trains on: what the evaluation asks for stays unseen. The file's own
  /// settings are the first trial. Ends early after `limit`, 0: never. Errors: as `train`; kInvalid when the
  /// file has no search.
  Result<Tuning> tune(const ModelSpec& spec, std::size_t trials, DurationUs limit, std::uint64_t seed,
                      const std::atomic<bool>* stop, const OnStep& on_step);

 private:
  /// What the deployed version is called in a report beside the one that is judged: its settings, trained on
  /// the same rows; or itself, where it was made of other data, or elsewhere.
  static constexpr std::string_view kDeployedName = "deployed";
  static constexpr std::string_view kDeployedAsIs = "deployed, as it is";

  Result<TrainedModel> train_version(const ModelSpec& spec, Deploy deploy, std::string_view by,
                                     const std::atomic<bool>* stop, const OnStep& on_step,
                                     std::string_view because);
  Result<EvaluationReport> judge(const ModelSpec& spec, const TrainingFeedback& feedback,
                                 const std::atomic<bool>* stop, const OnStep& on_step);
  Status deploy_by_gate(const std::string& name, Deploy deploy, const GateVerdict& verdict,
                        std::string_view by, TrainedModel& trained);
  Result<std::optional<EvaluationReport>> judge_imported(const ServedModel& model, const ModelSpec& spec,
                                                         const TrainingFeedback& feedback,
                                                         const std::atomic<bool>* stop,
                                                         const OnStep& on_step);
  Result<EvaluationReport> judge_as_asked(const ModelSpec& spec, const TrainingFeedback& feedback,
                                          std::span<const NamedRanking> models, const std::atomic<bool>* stop,
                                          const OnStep& on_step);
  GateVerdict gate(const ModelSpec& spec, const EvaluationReport& report) const;
  Result<nlohmann::json> write(const ModelSpec& spec, const TrainingFeedback& feedback,
                               const RankingModel& model, const EvaluationReport& report,
                               const nlohmann::json& more, std::string_view version, const Path& dir);

  const Tools tools_;
};

/// Split as a model's file asks. `features`, which may be null, are of the set, and must outlive the result.
EvaluationData split_as(const EvaluationSpec& spec, const FeedbackSet& all, const RankingFeatures* features,
                        std::uint64_t seed);

}  // namespace millrace
