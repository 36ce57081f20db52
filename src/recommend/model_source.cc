#include "recommend/model_source.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/logging.h"
#include "linalg/kernels.h"
#include "model/ranking_metrics.h"
#include "vector/make_index.h"

namespace millrace {
namespace {

constexpr float kSilent = -std::numeric_limits<float>::infinity();
constexpr std::size_t kSameForAllMax = 1'000;  ///< length of a list that is the same for everybody
constexpr std::size_t kMeasured = 200;         ///< users whose vectors a graph is measured with

std::vector<ModelCandidate> listed(std::span<const float> scores, std::size_t n) {
  std::vector<ModelCandidate> list;
  for (const std::uint32_t item : best_items(scores, n, {})) list.push_back({item, scores[item]});
  return list;
}

/// Scores every item.
class WholeCatalogue : public ModelSource {
 public:
  explicit WholeCatalogue(std::shared_ptr<const ServedModel> model) : ModelSource(std::move(model)) {}

  Result<std::vector<ModelCandidate>> best(const Person& person, std::size_t n) const override {
    thread_local std::vector<float> scores;
    scores.assign(model().items.size(), kSilent);
    model().ranking->score(person, scores);
    return listed(scores, n);
  }

  /// What somebody who met this alone would be shown says how much it speaks for the item.
  std::optional<std::size_t> because(const Visitor& visitor, std::string_view item) const override {
    const auto wanted = model().items.find(item);
    const RankingKind kind = model().settings.kind;
    if (!wanted || (kind != RankingKind::kEase && kind != RankingKind::kItemKnn)) return std::nullopt;
    std::vector<float> scores(model().items.size());
    std::optional<std::size_t> strongest;
    float most = 0;
    for (std::size_t i = 0; i < visitor.met.size(); ++i) {
      const auto met = model().items.find(visitor.met[i].id);
      if (!met) continue;
      const Feedback alone{.item = *met, .time = visitor.met[i].time};
      model().ranking->score({.history = std::span(&alone, 1), .now = visitor.now}, scores);
      if (scores[*wanted] <= most) continue;
      most = scores[*wanted];
      strongest = i;
    }
    return strongest;
  }

  std::string description() const override { return fmt::format("all of {} items", model().items.size()); }
};

/// What does not depend on who asks.
class SameForAll : public ModelSource {
 public:
  explicit SameForAll(std::shared_ptr<const ServedModel> served) : ModelSource(std::move(served)) {
    std::vector<float> scores(model().items.size(), kSilent);
    model().ranking->score({}, scores);
    list_ = listed(scores, kSameForAllMax);
  }

  Result<std::vector<ModelCandidate>> best(const Person&, std::size_t n) const override {
    return std::vector<ModelCandidate>(
        list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(std::min(n, list_.size())));
  }

  std::string description() const override { return fmt::format("a list of {} items", list_.size()); }

 private:
  std::vector<ModelCandidate> list_;
};

/// The strongest neighbours of each item, in the place of a row of the whole catalogue.
class NeighboursOfItems : public ModelSource {
 public:
  NeighboursOfItems(std::shared_ptr<const ServedModel> served, std::size_t kept)
      : ModelSource(std::move(served)), kept_(kept), half_life_(model().settings.half_life) {}

  Status build(const std::atomic<bool>* stop) {
    const std::size_t items = model().items.size();
    std::vector<float> scores(items);
    starts_.reserve(items + 1);
    for (std::uint32_t item = 0; item < items; ++item) {
      if (stop != nullptr && *stop) return fail(Code::kCancelled, "stopped while neighbours were listed");
      starts_.push_back(neighbours_.size());
      const Feedback alone{.item = item};
      model().ranking->score({.history = std::span(&alone, 1)}, scores);
      for (const std::uint32_t other : best_items(scores, kept_, {}))
        if (scores[other] > 0) neighbours_.push_back({other, scores[other]});
    }
    starts_.push_back(neighbours_.size());
    return {};
  }

  Result<std::vector<ModelCandidate>> best(const Person& person, std::size_t n) const override {
    const HistoryRow met(person, model().items.size(), half_life_);
    std::vector<Weighted> sums;
    for (std::size_t i = 0; i < met.columns.size(); ++i)
      for (const Weighted& to : of(met.columns[i])) sums.push_back({to.item, met.values[i] * to.weight});
    std::ranges::sort(sums, {}, &Weighted::item);
    std::size_t kept = 0;
    for (const Weighted& each : sums)
      if (kept > 0 && sums[kept - 1].item == each.item)
        sums[kept - 1].weight += each.weight;
      else
        sums[kept++] = each;
    sums.resize(kept);
    const auto end = sums.begin() + static_cast<std::ptrdiff_t>(std::min(n, kept));
    std::partial_sort(sums.begin(), end, sums.end(), [](const Weighted& a, const Weighted& b) {
      return a.weight != b.weight ? a.weight > b.weight : a.item < b.item;
    });
    std::vector<ModelCandidate> list;
    for (auto each = sums.begin(); each != end; ++each) list.push_back({each->item, each->weight});
    return list;
  }

  std::optional<std::size_t> because(const Visitor& visitor, std::string_view item) const override {
    const auto wanted = model().items.find(item);
    std::optional<std::size_t> strongest;
    float most = 0;
    for (std::size_t i = 0; wanted && i < visitor.met.size(); ++i) {
      const auto met = model().items.find(visitor.met[i].id);
      if (!met) continue;
      const auto row = of(*met);
      const auto found = std::ranges::find(row, *wanted, &Weighted::item);
      if (found == row.end() || found->weight <= most) continue;
      most = found->weight;
      strongest = i;
    }
    return strongest;
  }

  std::string description() const override {
    return fmt::format("{} neighbours of {} items", neighbours_.size(), model().items.size());
  }

 private:
  struct Weighted {
    std::uint32_t item = 0;
    float weight = 0;
  };
  std::span<const Weighted> of(std::uint32_t item) const {
    return std::span(neighbours_).subspan(starts_[item], starts_[item + 1] - starts_[item]);
  }

  const std::size_t kept_;
  const DurationUs half_life_;
  std::vector<std::size_t> starts_;  ///< of each item's neighbours; one more at the end
  std::vector<Weighted> neighbours_;
};

/// Users and items as vectors.
class NearestVectors : public ModelSource {
 public:
  NearestVectors(std::shared_ptr<const ServedModel> served, std::unique_ptr<VectorIndex> index)
      : ModelSource(std::move(served)), index_(std::move(index)) {
    // A graph that was kept has the ids of its version, or it would not be taken.
    for (std::size_t slot = 0; slot < index_->slots(); ++slot)
      item_of_slot_.push_back(
          model().items.find(index_->id_at(static_cast<VectorIndex::Slot>(slot))).value_or(0));
  }

  Result<std::vector<ModelCandidate>> best(const Person& person, std::size_t n) const override {
    const std::vector<float> user = model().ranking->user_vector(person);
    std::vector<ModelCandidate> list;
    if (user.empty()) return list;
    MILLRACE_ASSIGN(const auto nearest, index_->find_slots(user, n));
    for (const auto& [score, slot] : nearest.front()) list.push_back({item_of_slot_[slot], score});
    return list;
  }

  /// The one of what they met that lies nearest to the item.
  std::optional<std::size_t> because(const Visitor& visitor, std::string_view item) const override {
    const auto wanted = index_->find(item);
    std::optional<std::size_t> nearest;
    float most = 0;
    for (std::size_t i = 0; wanted && i < visitor.met.size(); ++i) {
      const auto met = index_->find(visitor.met[i].id);
      if (!met) continue;
      const float dot = kernels().dot(wanted->data(), met->data(), met->size());
      const float length = kernels().dot(met->data(), met->data(), met->size());
      const float cosine = length > 0 ? dot / std::sqrt(length) : 0;
      if (cosine <= most) continue;
      most = cosine;
      nearest = i;
    }
    return nearest;
  }

  std::string description() const override {
    if (index_->kind() == "exact") return fmt::format("{} vectors, all compared", index_->size());
    return fmt::format("a graph of {} vectors, recall {:.3f}", index_->size(), index_->quality().recall);
  }

 private:
  const std::unique_ptr<VectorIndex> index_;
  std::vector<std::uint32_t> item_of_slot_;
};

/// The file of a version's graph. Versions never change, but another data directory's may have its name.
Path graph_file(const ServedModel& model, const ModelSourceOptions& options) {
  return options.graphs /
         fmt::format("{}@{}-{:016x}.index", model.name, model.version, hash64(model.manifest.dump()));
}

/// Return the graph that was kept of a version; null when there is none that fits.
std::unique_ptr<VectorIndex> kept_graph(const ServedModel& model, std::size_t items,
                                        const ModelSourceOptions& options) {
  if (options.env == nullptr || items <= options.exact_vectors) return nullptr;
  const Path file = graph_file(model, options);
  if (!options.env->exists(file)) return nullptr;
  auto index = load_index(*options.env, file);
  const auto fits = [&] {
    if ((*index)->size() != items || (*index)->slots() != items) return false;
    for (std::size_t slot = 0; slot < items; ++slot)
      if (!model.items.find((*index)->id_at(static_cast<VectorIndex::Slot>(slot)))) return false;
    return true;
  };
  if (index && fits()) return *std::move(index);
  log_warning(
      "recommend", "a graph that was kept is made anew",
      {field("file", file.string()), field("why", index ? "it is of other items" : index.error().text())});
  return nullptr;
}

/// Keep a version's graph, in the place of those of the model's other versions. That it could not be kept
/// costs time at the next start, no more.
void keep_graph(const ServedModel& model, const VectorIndex& index, const ModelSourceOptions& options) {
  if (options.env == nullptr || index.kind() == "exact") return;
  const auto keep = [&]() -> Status {
    const Path file = graph_file(model, options);
    MILLRACE_TRY(options.env->make_dirs(options.graphs));
    MILLRACE_TRY(index.save(*options.env, file));
    MILLRACE_ASSIGN(const auto names, options.env->list_dir(options.graphs));
    for (const std::string& name : names)
      if (name.starts_with(model.name + "@") && name != file.filename())
        MILLRACE_TRY(options.env->remove(options.graphs / name));
    return {};
  };
  if (const Status kept = keep(); !kept)
    log_warning("recommend", "a graph could not be kept",
                {field("model", model.name), field("why", kept.error().text())});
}

Result<std::shared_ptr<const ModelSource>> nearest_vectors(std::shared_ptr<const ServedModel> model,
                                                           const MatrixView& items,
                                                           const ModelSourceOptions& options) {
  if (auto kept = kept_graph(*model, items.rows, options))
    return std::make_shared<const NearestVectors>(std::move(model), std::move(kept));
  VectorRows rows;
  rows.values.assign(items.data(), items.data() + items.rows * items.columns);
  for (std::uint32_t item = 0; item < items.rows; ++item) rows.ids.push_back(model->items.id(item));
  std::vector<float> asked;
  if (const auto users = model->ranking->user_vectors(); users && users->rows > 0) {
    const std::size_t step = std::max<std::size_t>(1, users->rows / kMeasured);
    for (std::size_t user = 0; user < users->rows; user += step)
      asked.insert(asked.end(), users->row(user).begin(), users->row(user).end());
  }
  const IndexOptions how{.exact_max = options.exact_vectors,
                         .recall = options.recall,
                         .queries = asked,
                         .hnsw = {},
                         .threads = options.threads,
                         .stop = options.stop,
                         .note = {}};
  MILLRACE_ASSIGN(auto index, make_index({.dimensions = items.columns}, rows, how));
  keep_graph(*model, *index, options);
  return std::make_shared<const NearestVectors>(std::move(model), std::move(index));
}

/// Make the best 1 and keep the proportions; where there are scores below 0, spread them between 1 and a
/// tenth.
void bring_to_one(std::vector<ModelCandidate>& list) {
  if (list.empty()) return;
  const float best = list.front().score, least = list.back().score;
  if (best > 0 && least > 0) {
    for (ModelCandidate& each : list) each.score /= best;
    return;
  }
  const float range = best - least;
  for (ModelCandidate& each : list) each.score = range > 0 ? 0.1F + 0.9F * (each.score - least) / range : 1;
}

}  // namespace

Result<std::shared_ptr<const ModelSource>> ModelSource::make(std::shared_ptr<const ServedModel> model,
                                                             const ModelSourceOptions& options) {
  const RankingSettings& settings = model->settings;
  if (const auto items = model->ranking->item_vectors(); items && items->rows > 0 && items->columns > 0)
    return nearest_vectors(std::move(model), *items, options);
  if (settings.kind == RankingKind::kPopularity && settings.segment.empty())
    return std::make_shared<const SameForAll>(std::move(model));
  const bool of_items = settings.kind == RankingKind::kEase || settings.kind == RankingKind::kItemKnn;
  if (!of_items || model->items.size() <= options.exact_items)
    return std::make_shared<const WholeCatalogue>(std::move(model));
  auto source = std::make_shared<NeighboursOfItems>(std::move(model), options.neighbours);
  MILLRACE_TRY(source->build(options.stop));
  return source;
}

std::vector<Feedback> ModelSource::history_of(const Visitor& visitor) const {
  std::vector<Feedback> history;
  history.reserve(visitor.met.size());
  for (const MetItem& met : visitor.met)
    if (const auto item = model_->items.find(met.id)) history.push_back({.item = *item, .time = met.time});
  return history;
}

void ModelSource::prefetch(std::uint32_t item, const ItemStore& items) const {
  const std::uint64_t known = known_as_[item].load(std::memory_order_relaxed);
  const auto value = static_cast<std::uint32_t>(known);
  if (known >> 32 == items.number()) items.prefetch({value >> 8, static_cast<std::uint8_t>(value)});
}

std::optional<ItemRef> ModelSource::known_as(std::uint32_t item, const ItemStore& items) const {
  const std::uint64_t known = known_as_[item].load(std::memory_order_relaxed);
  if (known >> 32 == items.number()) {
    const auto value = static_cast<std::uint32_t>(known);
    const ItemRef ref(value >> 8, static_cast<std::uint8_t>(value));
    if (items.get(ref) != nullptr) return ref;
  }
  const auto found = items.find(model_->items.id(item));
  if (found)
    known_as_[item].store(std::uint64_t{items.number()} << 32 | found->value(), std::memory_order_relaxed);
  return found;
}

std::optional<std::size_t> ModelSource::because(const Visitor&, std::string_view) const {
  return std::nullopt;
}

Result<std::vector<ModelCandidate>> ModelSource::find(const Visitor& visitor, std::size_t n) const {
  const std::vector<Feedback> history = history_of(visitor);
  Person person{.history = history, .now = visitor.now};
  if (!visitor.user.empty()) person.user = model_->users.find(visitor.user);
  MILLRACE_ASSIGN(std::vector<ModelCandidate> list, best(person, n));
  bring_to_one(list);
  return list;
}

}  // namespace millrace
