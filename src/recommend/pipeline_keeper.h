#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "model/model_registry.h"
#include "recommend/model_source.h"
#include "recommend/pipeline_spec.h"
#include "recommend/ranker.h"
#include "recommend/recommender.h"

namespace millrace {

/// Keeps the recommender's pipelines as the project's files, the deployed models and the rankers say. What
/// was made goes on answering while something new is prepared, and for good where that fails: each failure is
/// logged once and told by `problems`. Threads: its own does the work; methods from any.
class PipelineKeeper {
 public:
  struct Tools {
    Env& env;
    const ModelRegistry& registry;
    Recommender& recommender;
    std::function<Result<std::vector<PipelineSpec>>()> specs;  ///< reads the project's files
    std::function<Rankers()> rankers;                          ///< may be empty
    DurationUs interval = 500 * kMillisecondUs;                ///< between two looks
    int threads = 1;                                           ///< to prepare models with
    Path graphs;  ///< directory in which graphs of vectors are kept
  };

  explicit PipelineKeeper(Tools tools) : tools_(std::move(tools)) {}
  ~PipelineKeeper();

  /// Look once, on this thread: until it returns nothing new is used.
  void look();

  /// Look again and again, on a thread of its own.
  void start();
  void stop();

  /// What keeps it from doing what files and deployments ask: by file or model, in words. Empty: nothing.
  std::map<std::string, std::string> problems() const;

 private:
  void run();
  bool update_models();
  bool update_specs();
  void note_problem(const std::string& about, const std::string& what);
  void forget_problem(const std::string& about);

  const Tools tools_;
  std::mutex look_mutex_;  ///< one look at a time; guards the four below
  std::vector<std::shared_ptr<const ServedModel>> deployed_;
  std::vector<std::shared_ptr<const ModelSource>> sources_;
  std::vector<PipelineSpec> specs_;
  Rankers rankers_;
  bool made_ = false;

  mutable std::mutex problems_mutex_;
  std::map<std::string, std::string> problems_;

  std::atomic<bool> stopping_ = false;
  std::mutex wait_mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace millrace
