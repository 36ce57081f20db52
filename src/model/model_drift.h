#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "model/input_drift.h"
#include "model/model_spec.h"
#include "model/model_trainer.h"
#include "model/ranking_metrics.h"

namespace millrace {

/// What a look for drift found; each of the last three is drift, and goes before those above it.
enum class DriftVerdict : std::uint8_t {
  kTooLittle,
  kFine,
  kInputsMoved,
  kWorseThanMade,
  kWorseThanPopularity
};

/// Return "too_little", "fine", "inputs_moved", "worse_than_made" or "worse_than_popularity".
std::string_view drift_verdict_name(DriftVerdict verdict);

/// Return whether something has drifted.
bool is_drift(DriftVerdict verdict);

/// How a version does on what came since its training.
struct PerformanceDrift {
  std::string metric;      ///< of the gate; "rmse" of models that foresee ratings, of which less is better
  std::size_t n = 0;       ///< length of the lists; 0 for ratings
  std::size_t rows = 0;    ///< that were asked for: the last, no more than its evaluation held out
  std::size_t people = 0;  ///< who were asked for; of ratings the rows that it knows user and item of
  Estimate now;            ///< with its fallback
  double popularity = 0;   ///< of late; of ratings the best of the means
  Estimate gain;  ///< over popularity, above 0 where the model is better; of ratings in squared error
  std::optional<Estimate> then;    ///< the same settings, trained before as many rows of the training, asked
                                   ///< for these; not set where it cannot be trained here
  std::optional<Estimate> change;  ///< since then, above 0 where it has become better
  std::optional<Estimate> at_training;  ///< what its own evaluation said, of as many rows as that held out
};

struct ModelDrift {
  std::string model;
  std::string version;
  TimeUs checked = 0;
  TimeUs trained_to = 0;  ///< rows after this are new
  std::size_t rows_before = 0;
  std::size_t rows_since = 0;
  std::size_t people_since = 0;
  DriftLimits limits;
  std::optional<InputComparison> inputs;        ///< not set: too few rows
  std::optional<PerformanceDrift> performance;  ///< not set: too few rows, or people to ask
  DriftVerdict verdict = DriftVerdict::kTooLittle;
  std::string words;  ///< a sentence
  double seconds = 0;
};

/// Look at the version of a model that is deployed: how what came since its training differs from what it was
/// trained on, and how well it foresees it. At least a hundred rows of twenty people must have come. Takes as
/// long as an evaluation, since what the settings were able to do then is found by training them on fewer
/// rows. Uses the trainer's tools, not the trainer. Errors: kNotFound when no version is deployed; kInvalid
/// where interactions have no time; those of read_training_feedback and run_evaluation.
Result<ModelDrift> check_drift(const ModelTrainer::Tools& tools, const ModelSpec& spec,
                               const std::atomic<bool>* stop, const ModelTrainer::OnStep& on_step);

/// Return "stable", "moved" or "shifted", by how much of the index is beyond chance.
std::string_view stability_name(const Stability& stability);

nlohmann::json to_json(const ModelDrift& drift);

/// Write it for a terminal.
std::string to_text(const ModelDrift& drift);

}  // namespace millrace
