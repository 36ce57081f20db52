#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/model_registry.h"
#include "recommend/item_store.h"

namespace millrace {

/// An item that someone met, as the recommender remembers it.
struct MetItem {
  std::string_view id;
  TimeUs time = 0;
};

/// Someone to find candidates for: what they met, oldest first, of which models know some or none.
struct Visitor {
  std::string_view user;  ///< user id, or empty
  std::span<const MetItem> met;
  TimeUs now = 0;
};

/// What a model would show, by its number in the version (`ServedModel::items`).
struct ModelCandidate {
  std::uint32_t item = 0;
  float score = 0;  ///< 1 for the best of a list, the others in proportion; above 0
};

struct ModelSourceOptions {
  std::size_t exact_items = 5'000;     ///< catalogues up to this are scored whole for each answer
  std::size_t exact_vectors = 20'000;  ///< up to so many vectors are all compared; beyond, by a graph
  double recall = 0.95;                ///< of the graph, measured with vectors of the model's own users
  std::size_t neighbours = 100;        ///< of an item that models of items keep beyond exact_items
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  Env* env = nullptr;  ///< with `graphs`: where graphs are kept, so that each is made only once
  Path graphs;
};

/// A deployed version as a source of candidates: the best of its catalogue for anyone, fast enough to be
/// asked with each answer. Vectors are searched by an index, the neighbours of items are kept as lists, what
/// is the same for everybody is one list; other models score their whole catalogue. Threads: any, at once.
class ModelSource {
 public:
  /// Prepare a version; beyond some 20,000 items that takes seconds to minutes. Errors: kCancelled; those of
  /// make_index.
  static Result<std::shared_ptr<const ModelSource>> make(std::shared_ptr<const ServedModel> model,
                                                         const ModelSourceOptions& options = {});
  virtual ~ModelSource() = default;

  /// Return up to `n` items, best first, what the visitor met among them; none when the model has nothing to
  /// say. Errors: those of its index.
  Result<std::vector<ModelCandidate>> find(const Visitor& visitor, std::size_t n) const;

  /// Return which of `visitor.met` speaks most for an item, if any can be named.
  virtual std::optional<std::size_t> because(const Visitor& visitor, std::string_view item) const;

  /// Return what the memory's catalogue knows an item of the version as; nothing when it does not.
  /// Remembered, as far as `items` is the same that was asked before. The caller holds its lock.
  std::optional<ItemRef> known_as(std::uint32_t item, const ItemStore& items) const;

  /// Have what `known_as` looks at brought near.
  void prefetch(std::uint32_t item, const ItemStore& items) const;

  const ServedModel& model() const { return *model_; }
  /// Say how it looks: "graph of 100000 vectors, recall 0.97".
  virtual std::string description() const = 0;

 protected:
  explicit ModelSource(std::shared_ptr<const ServedModel> model)
      : model_(std::move(model)), known_as_(model_->items.size()) {}

  /// Return the best, best first, with the model's own scores.
  virtual Result<std::vector<ModelCandidate>> best(const Person& person, std::size_t n) const = 0;

 private:
  std::vector<Feedback> history_of(const Visitor& visitor) const;

  const std::shared_ptr<const ServedModel> model_;
  mutable std::vector<std::atomic<std::uint64_t>> known_as_;  ///< by item: ItemStore::number(), ItemRef
};

}  // namespace millrace
