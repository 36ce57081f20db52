#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "event/event.h"
#include "recommend/item_filter.h"
#include "recommend/pipeline.h"
#include "recommend/recommendation.h"
#include "recommend/settings.h"

namespace millrace {

/// What the platform knows of a person beside what they did.
struct UserFacts {
  std::string id;
  std::string country;
};

/// Sizes and counts of what the recommender holds.
struct RecommenderStats {
  std::uint64_t events_applied = 0;    ///< that spoke for or against an item
  std::uint64_t events_duplicate = 0;  ///< recognised as a retry by message id
  std::size_t items = 0;
  std::size_t catalogue_items = 0;  ///< put, not only seen in events
  std::size_t profiles = 0;
  std::size_t aliases = 0;
  std::size_t sessions = 0;
  std::size_t orders = 0;
  std::size_t neighbour_pairs = 0;  ///< entries of all neighbour lists
  std::size_t sales = 0;
  std::uint64_t items_evicted = 0;
  std::uint64_t profiles_evicted = 0;
  std::vector<TimeUs> now;          ///< newest event time of each era
  std::uint64_t bytes = 0;          ///< estimate of the memory held
  std::uint64_t profile_bytes = 0;  ///< of the people alone; what a profile takes: profile_store.h
};

struct RecommenderOptions {
  ModelSettings model;
  RecommenderLimits limits;

  /// Called before each stage of an answer ("context", "candidates", "rank") and before each model is asked
  /// ("model:NAME"); an error, or an exception, fails it. For fault injection by tests; empty otherwise.
  std::function<Status(std::string_view stage)> before_stage;
};

/// Recommends from memory: popularity with forward decay, co-occurrence of items in sessions and
/// orders, what the person just did, and what trained models say of that. How an answer comes about:
/// docs/recommendations.md.
///
/// Threads: any method from any thread. Readers run beside one another; writers take turns and hold
/// readers up for one short chunk at a time. `env` must outlive the object.
class Recommender {
 public:
  Recommender(Env& env, RecommenderOptions options);
  ~Recommender();

  /// Take in what happened; the next `recommend` knows of it. Events that name no item only tell who
  /// someone is. Order matters little: late events land at their own time.
  void apply(std::span<const Event> events);
  void apply(const Event& event) { apply(std::span(&event, 1)); }

  /// Put or replace what the catalogue says of an item. `put_time` is when it was put, if known: its age
  /// counts from then when `published_us` says nothing.
  void put_item(const ItemFacts& item, std::optional<TimeUs> put_time = {});
  /// Never show the item again until it is put again.
  void delete_item(std::string_view id);
  void put_user(const UserFacts& user);
  /// Forget the person: facts and history.
  void delete_user(std::string_view id);

  /// Make answers from now on as these pipelines say. Answers under way go on as they began.
  void set_pipelines(std::shared_ptr<const PipelineSet> pipelines);
  std::shared_ptr<const PipelineSet> pipelines() const;

  /// Answer within the deadline: past it with what was found until then, else, and on any failure, with what
  /// is popular. Returns fewer than n items only when no more pass the filters.
  Recommendations recommend(const RecommendRequest& request) const noexcept;

  /// Return what goes with an item, for anyone: best first, with reasons. Empty when nothing is known.
  Recommendations similar(std::string_view item_id, std::size_t n) const noexcept;

  /// Make the popular lists anew if anything changed. Call it about once a second, from a thread that
  /// may take some ms (100,000 items: see bench); readers and writers go on meanwhile.
  void refresh();

  /// Forget everything, as before a rebuild that starts over. The popular lists stay until `refresh`.
  void clear();

  /// Append an image of all that is remembered to `image`, for `restore`. Readers go on meanwhile; a writer
  /// waits until it is done, and readers behind that: call it from the thread that writes.
  void save(std::string& image) const;

  /// Remember what an image holds instead of what is remembered now. Later events do to it just what they
  /// would have done to the memory that was saved. The popular lists stay until `refresh`. Needs an image
  /// made under the same `memory_shape`. Errors: kCorrupt; all stays as it was then.
  Status restore(std::string_view image);

  /// Return a number that tells settings under which an image means the same from others.
  std::uint64_t memory_shape() const;

  RecommenderStats stats() const;
  const ModelSettings& model() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
