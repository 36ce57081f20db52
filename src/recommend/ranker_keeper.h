#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "recommend/pipeline_spec.h"
#include "recommend/ranker_store.h"
#include "recommend/ranker_training.h"

namespace millrace {

/// Trains the rankers of pipelines by itself: the first one once people have chosen from enough answers, then
/// again after `PipelineSpec::train_every`. A ranker is used only where it is better for sure; a pipeline
/// whose ranker was retired is let be. What it goes by is when the newest version was made, which the store
/// holds, so a restart neither forgets a training nor makes one twice. Between two tries of one pipeline an
/// hour of the clock that never goes back passes as well, so no jump of the other makes it train in a loop.
/// Threads: one of its own, "rankers", unless it is only asked to `look`.
class RankerKeeper {
 public:
  struct Tools {
    Env& env;
    RankerStore& store;
    std::function<Result<std::vector<PipelineSpec>>()> specs;  ///< the project's, as their files are now
    std::function<Result<std::vector<ServedList>>(const std::string& pipeline)> served;
  };

  static constexpr DurationUs kTryEvery = kHourUs;

  explicit RankerKeeper(Tools tools) : tools_(std::move(tools)) {}
  ~RankerKeeper() { stop(); }

  void start();
  /// Begin to end; `stop` waits for it.
  void request_stop() { thread_.request_stop(); }
  void stop();

  /// Train what is due. Only while it is not started.
  void look();

 private:
  void run(const std::stop_token& stop);
  bool due(const PipelineSpec& spec) const;
  void train(const PipelineSpec& spec);

  const Tools tools_;
  std::map<std::string, DurationUs> tried_;      ///< by pipeline, on the clock that never goes back
  std::map<std::string, std::string> problems_;  ///< by pipeline, as logged last
  std::mutex mutex_;                             ///< only to wait
  std::condition_variable_any woken_;
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
