#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "lake/object_store.h"
#include "model/model_registry.h"
#include "model/model_spec.h"
#include "model/training_feedback.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What one run made.
struct BatchRun {
  std::string set;
  std::int64_t run = 0;  ///< grows with each of a set
  TimeUs made = 0;
  std::string model;  ///< name@version
  int n = 0;
  std::int64_t users = 0;
  std::int64_t rows = 0;
  std::string path;  ///< of its Parquet file in the lake
};

/// A person's list out of the last run.
struct BatchList {
  BatchRun run;
  std::vector<std::pair<std::string, double>> items;  ///< best first, with their scores
};

/// Makes the best items of every user at once, into the table batch_recommendations and a Parquet file
/// (`recommendations/batch/SET/run=N/part-00000.parquet`), and answers from it by user. A run takes the place
/// of the one before in one transaction, once its file is in the lake: half a run is never seen. Threads:
/// any; one run at a time.
class BatchRecommendations {
 public:
  struct Tools {
    Warehouse& warehouse;
    ObjectStore& lake;
    ModelRegistry& registry;
    Path staging;  ///< a directory in the lake's, of its own
    int threads = 1;
    TrainingSetFiles sets = {};
  };

  explicit BatchRecommendations(Tools tools) : tools_(std::move(tools)) {}

  /// Make the best `n` items of everyone who is in the interactions of `spec`, as the deployed version of
  /// that model sees them. `on_step` hears how far it is, from any thread, one call at a time. Errors:
  /// kNotFound when no version is deployed; those of read_training_feedback; kNoSpace, kIo, after which the
  /// run before stays; kCancelled.
  Result<BatchRun> run(const ModelSpec& spec, const std::string& set, std::size_t n,
                       const std::atomic<bool>* stop, const std::function<void(std::string_view)>& on_step);

  /// Return a user's list, `n` items at the most. Errors: kNotFound for an unknown set or a user without a
  /// list.
  Result<BatchList> find(const std::string& set, const std::string& user, std::size_t n) const;

  /// Return the last run of each set, by name.
  Result<std::vector<BatchRun>> runs() const;

 private:
  Result<BatchRun> publish(duck::Connection& connection, BatchRun run);

  const Tools tools_;
  std::mutex mutex_;  ///< held for a run
};

}  // namespace millrace
