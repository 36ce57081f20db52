#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "model/model_drift.h"
#include "model/model_registry.h"
#include "model/model_spec.h"
#include "model/model_trainer.h"

namespace millrace {

/// Trains models again as `retrain:` of their files says: by time, and when they have drifted. What it goes
/// by is when the newest version was made, which the registry holds, so a restart neither forgets a training
/// nor makes one twice. Between two trainings of one model the clock that never goes back must have gone on
/// as well, so no jump of the other makes it train in a loop. A training that fails is tried again after a
/// minute, then two, and so on to six hours. Models that were retired, or are made elsewhere, are let be.
/// Threads: one of its own, "models", unless it is only asked to `look`.
class ModelKeeper {
 public:
  struct Tools {
    Env& env;
    const ModelRegistry& registry;
    std::mutex& one_at_a_time;  ///< shared with trainings that people ask for; who finds it held comes back
    std::function<Result<ProjectModels>()> load;  ///< the project's models, as their files are now
    /// Train and deploy by the gate; `by` is "schedule" or "drift".
    std::function<Result<TrainedModel>(const ModelSpec&, std::string_view by, std::string_view because,
                                       const std::atomic<bool>* stop)>
        train;
    std::function<Result<ModelDrift>(const ModelSpec&, const std::atomic<bool>* stop)> check;
  };

  static constexpr DurationUs kLookMin = 250 * kMillisecondUs;
  static constexpr DurationUs kLookMax = 10 * kSecondUs;

  explicit ModelKeeper(Tools tools) : tools_(std::move(tools)) {}
  /// Ends a training that runs, of which nothing is kept then.
  ~ModelKeeper() { stop(); }

  void start();
  /// Begin to end; `stop` waits for it.
  void request_stop();
  void stop();

  /// Do what is due, and return after what time to look again. Only while it is not started.
  DurationUs look();

 private:
  /// What is known of a model beyond the registry. Times are of the clock that never goes back.
  struct Memory {
    std::string newest;           ///< version …
    DurationUs newest_since = 0;  ///< … and when it was first seen
    std::string checked_version;  ///< that was looked at last …
    DurationUs checked = 0;       ///< … and when
    DurationUs not_before = 0;    ///< of the next training
    int failures = 0;             ///< in a row
    std::string problem;          ///< that was logged last
  };
  struct Due {
    std::string by;
    std::string because;
  };

  void run(const std::stop_token& stop);
  void note_problems(const Result<ProjectModels>& models);
  void look_at(const ModelSpec& spec);
  std::optional<Due> due(const ModelSpec& spec, Memory& memory);
  std::optional<Due> due_by_drift(const ModelSpec& spec, Memory& memory, std::optional<DurationUs> age);
  void train(const ModelSpec& spec, const Due& due, Memory& memory);
  void has_failed(const std::string& model, const std::string& problem, Memory& memory);
  Result<std::optional<DurationUs>> age_of_newest(const std::string& name, Memory& memory);
  bool is_retired(const std::string& name) const;
  void tell_ages();

  const Tools tools_;
  std::map<std::string, Memory> memories_;
  std::set<std::string> aged_;  ///< models whose age is told
  std::string load_problem_;    ///< that was logged last
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  ///< only to wait
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
