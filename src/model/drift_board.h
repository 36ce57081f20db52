#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "model/model_drift.h"

namespace millrace {

/// Looks for drift, and remembers of each model what was found last, as long as the process lives; says in
/// the log when a model has drifted and when it no longer has, and in millrace_model_drift how it stands.
/// Threads: any.
class DriftBoard {
 public:
  /// What `tools` refers to must outlive it.
  explicit DriftBoard(const ModelTrainer::Tools& tools) : tools_(tools) {}

  /// Look now, as check_drift does.
  Result<ModelDrift> check(const ModelSpec& spec, const std::atomic<bool>* stop,
                           const ModelTrainer::OnStep& on_step);

  /// Return what was found last, of whatever version.
  std::optional<ModelDrift> last(const std::string& model) const;

 private:
  void keep(const ModelDrift& found);

  const ModelTrainer::Tools tools_;
  mutable std::mutex mutex_;
  std::map<std::string, ModelDrift> last_;  ///< guarded by mutex_
};

}  // namespace millrace
