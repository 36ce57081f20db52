#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "vector/vector_set.h"

namespace millrace {

/// The sets of vectors of a data directory, by name; each in a folder of its own. A set that cannot be read
/// does not keep the others from being used: it is listed with what is wrong, and can be dropped. Threads:
/// any. One of its own ("vectors") makes indexes anew and shortens logs.
class VectorSets {
 public:
  struct Options {
    VectorSet::Options set;
    std::size_t vectors_max = 1'000'000;  ///< of all sets together
    std::size_t sets_max = 1'000;
    DurationUs pause = kSecondUs;  ///< between two looks of the thread
    DurationUs pause_after_failure = kMinuteUs;
  };

  /// Open what there is in `dir`, which is made when it is not there. Errors: those of files.
  static Result<std::unique_ptr<VectorSets>> open(Env& env, const Path& dir, const Options& options);

  /// Ends what is being made; that begins again at the next start.
  ~VectorSets();

  VectorSets(const VectorSets&) = delete;
  VectorSets& operator=(const VectorSets&) = delete;

  /// Make a set; fine when it is there and of that shape. Errors: kInvalid for name or shape; kExists when it
  /// is of another; kOverloaded beyond sets_max; those of files.
  Status create(std::string_view name, const VectorShape& shape);

  /// Forget a set and its vectors. Errors: kNotFound; those of files.
  Status drop(std::string_view name);

  /// Errors: kNotFound, with the name that was probably meant; what is wrong with a set that cannot be read.
  Result<std::shared_ptr<VectorSet>> find(std::string_view name) const;

  /// Return all, in the order of their names.
  std::vector<VectorSetInfo> list() const;

  /// Return how many vectors there are in all, and how many there may be.
  std::size_t vectors() const { return quota_.vectors; }
  std::size_t vectors_max() const { return quota_.vectors_max; }

  /// Look after each set once, now, as the thread does; for tests.
  void maintain_all();

 private:
  VectorSets(Env& env, Path dir, const Options& options);
  Status load_all();
  void run();

  struct Entry {
    std::shared_ptr<VectorSet> set;  ///< null: it cannot be read
    Error problem;
    DurationUs rest_until = 0;  ///< after a failure
  };

  Env& env_;
  const Path dir_;
  const Options options_;
  VectorQuota quota_;

  mutable std::mutex mutex_;  ///< guards what follows
  std::map<std::string, Entry, std::less<>> sets_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_ = false;

  std::mutex making_;       ///< held while sets are made or dropped
  std::mutex maintaining_;  ///< held by maintain_all
  std::thread thread_;
};

}  // namespace millrace
