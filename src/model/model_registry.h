#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "base/result.h"
#include "model/model_bundle.h"
#include "model/ranking_model.h"

namespace millrace {

/// A version of a model, loaded. Threads: any.
struct ServedModel {
  std::string name;
  std::string version;
  nlohmann::json manifest;
  RankingSettings settings;
  IdMap items;
  IdMap users;  ///< of the training
  std::unique_ptr<RankingModel> ranking;
  /// How popular each item was lately when the version was made: what fills up lists that the model leaves
  /// short, as its evaluation counts on. Empty where scores are ratings, or nothing was known.
  std::vector<float> fallback;

  /// Load a version whole. Errors: those of BundleReader and load_ranking.
  static Result<std::shared_ptr<const ServedModel>> load(Env& env, const Path& dir);

  /// Return the `n` best items for someone who met `history`, best first, with their scores; never what is in
  /// the history unless `repeats`. After what the model has something to say of comes what is popular.
  struct Scored {
    std::string_view item;
    float score = 0;  ///< the model's; of what is there for being popular, its share of the most popular
    bool fallback = false;
  };
  std::vector<Scored> recommend(const Person& person, std::size_t n, bool repeats) const;

  /// Return what is popular and neither in `list` nor in `met`, to bring a list up to `n`.
  std::vector<std::uint32_t> fill_up(std::span<const std::uint32_t> list, std::size_t n,
                                     std::span<const std::uint32_t> met) const;
};

/// Return a model that ranks the users and items of `set` as `model` does, which numbers them its own way; of
/// those that it does not know it says nothing. Both must outlive it.
std::unique_ptr<RankingModel> renumbered(const ServedModel& model, const FeedbackSet& set);

/// What a version is, without loading it.
struct ModelVersion {
  std::string name;
  std::string version;
  bool deployed = false;
  nlohmann::json manifest;  ///< null where it cannot be read
  std::string problem;      ///< why it cannot; else empty
};

/// The versions of models in a directory, one folder a model, one folder in it a version; and which of them
/// is deployed. Whoever holds a ServedModel goes on with it while another is deployed: no request waits or
/// fails for a swap. Threads: any method from any thread.
class ModelRegistry {
 public:
  /// Open the registry in `dir`, which is made when absent, and load what is deployed. A version that is
  /// damaged is logged and the one deployed before it that is sound is loaded in its place. Errors: those of
  /// Env.
  static Result<std::unique_ptr<ModelRegistry>> open(Env& env, const Path& dir);

  /// Return the model that is deployed under a name; null for none.
  std::shared_ptr<const ServedModel> current(std::string_view name) const;

  /// Return all that is deployed, by name.
  std::vector<std::shared_ptr<const ServedModel>> all_current() const;

  /// Return the error for who needs a deployed version of a model without one: how to get it. kNotFound.
  Error none_deployed(const std::string& name) const;

  /// Return the newest version of a model; nothing where there is none. Errors: those of Env.
  Result<std::optional<ModelVersion>> newest(const std::string& name) const;

  /// Return all versions of a model, or of all: by name, the newest version first.
  Result<std::vector<ModelVersion>> list(std::string_view name = {}) const;

  /// Return the directory that the next version of a model is to be written to (by a BundleWriter), and its
  /// number. Numbers grow; one that was given is not given again while the registry is open.
  Result<std::pair<std::string, Path>> next_version(const std::string& name);

  /// Load a version and serve it from now on; `by` says who or what asked. What is served stays when it
  /// cannot be loaded. Errors: kNotFound; kCorrupt.
  Status deploy(const std::string& name, const std::string& version, std::string_view by);

  /// Serve the version again that was deployed before the present one. Errors: kNotFound when there is none.
  Result<std::string> rollback(const std::string& name, std::string_view by);

  /// Serve nothing under a name.
  Status retire(const std::string& name, std::string_view by);

  /// Remove a version that is not deployed. Errors: kNotFound; kInvalid for the one that is deployed.
  Status remove(const std::string& name, const std::string& version);

  /// What was deployed when, the newest first: [{"version", "time", "by"}]; version null when retired.
  Result<nlohmann::json> history(const std::string& name) const;

 private:
  ModelRegistry(Env& env, Path dir) : env_(env), dir_(std::move(dir)) {}
  Status load_deployed(const std::string& name);
  Result<nlohmann::json> read_history(const std::string& name) const;
  Status note(const std::string& name, const nlohmann::json& version, std::string_view by);
  ModelVersion read_version(const std::string& name, const std::string& version) const;
  Result<std::vector<std::string>> versions(const std::string& name) const;

  Env& env_;
  const Path dir_;
  mutable std::mutex mutex_;  ///< held for a pointer's copy only
  std::map<std::string, std::shared_ptr<const ServedModel>, std::less<>> current_;  ///< guarded by mutex_
  std::mutex change_mutex_;                     ///< held while something changes
  std::map<std::string, std::uint64_t> given_;  ///< guarded by change_mutex_
};

}  // namespace millrace
