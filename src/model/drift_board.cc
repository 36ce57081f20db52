#include "model/drift_board.h"

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"

namespace millrace {

Result<ModelDrift> DriftBoard::check(const ModelSpec& spec, const std::atomic<bool>* stop,
                                     const ModelTrainer::OnStep& on_step) {
  auto found = check_drift(tools_, spec, stop, on_step);
  if (found) keep(*found);
  return found;
}

std::optional<ModelDrift> DriftBoard::last(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto found = last_.find(model);
  if (found == last_.end()) return std::nullopt;
  return found->second;
}

void DriftBoard::keep(const ModelDrift& found) {
  metrics::gauge(
      "millrace_model_drift",
      "What the last look for drift of a model found: -1 too little to say, 0 fine, 1 its inputs have "
      "moved, 2 it is worse than when it was made, 3 worse than popularity",
      {{"model", found.model}})
      .Set(static_cast<double>(found.verdict) - 1);
  bool had_drifted = false;
  {
    const std::lock_guard lock(mutex_);
    const auto before = last_.find(found.model);
    had_drifted = before != last_.end() && is_drift(before->second.verdict);
    last_[found.model] = found;
  }
  const std::string version = fmt::format("{}@{}", found.model, found.version);
  if (is_drift(found.verdict) && !had_drifted)
    log_warning("model", "has drifted", {field("model", version), field("what", found.words)});
  if (!is_drift(found.verdict) && had_drifted)
    log_info("model", "has no drift any more", {field("model", version), field("what", found.words)});
}

}  // namespace millrace
