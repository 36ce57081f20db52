#pragma once

#include <mutex>
#include <string>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "base/result.h"
#include "recommend/ranker.h"
#include "recommend/ranker_training.h"

namespace millrace {

/// The learned rankers of pipelines, a file DIR/NAME.json each: its latest versions and which one is used.
/// Threads: any.
class RankerStore {
 public:
  /// Read what is there. A file that cannot be read is logged and left alone: its pipeline goes by its
  /// weights. Errors: those of Env.
  static Result<std::unique_ptr<RankerStore>> open(Env& env, const Path& dir);

  /// Return those in use.
  Rankers in_use() const;

  /// Keep a trained one, which gets the next version, and use it if asked. Returns the version.
  /// Errors: those of writing files.
  Result<std::string> add(const std::string& pipeline, TrainedRanker trained, bool use);

  /// Use none from now on: the pipeline goes by its weights, until one is added to be used. Errors: kNotFound
  /// when none is in use.
  Status retire(const std::string& pipeline);

  /// Return the file of a pipeline: {"in_use": "2", "versions": [newest first], …}; null when there is none.
  nlohmann::json versions(const std::string& pipeline) const;

 private:
  RankerStore(Env& env, Path dir) : env_(env), dir_(std::move(dir)) {}
  Status write(const std::string& pipeline, const nlohmann::json& file);

  Env& env_;
  const Path dir_;
  mutable std::mutex mutex_;  ///< guards the rest
  std::map<std::string, nlohmann::json> files_;
  Rankers in_use_;
};

}  // namespace millrace
