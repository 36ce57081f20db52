#include "vector/make_index.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "vector/exact_index.h"
#include "vector/row_scan.h"

namespace millrace {
namespace {

constexpr std::uint64_t kSampleSeed = 17;
constexpr float kNearEnough =
    1e-5F;  ///< kernels sum in other orders, so equal scores may differ by so little

/// Queries to measure with, and what a right answer scores.
struct Sample {
  std::vector<float> queries;
  std::vector<std::string> selves;  ///< ids of the queries, if they are vectors of the index
  std::vector<float> last_scores;   ///< of each query: that of the last of its true neighbours
  std::vector<std::size_t> wanted;  ///< how many of those there are
};

Sample draw(const VectorShape& shape, const VectorRows& rows, const IndexOptions& options) {
  Sample sample;
  if (!options.queries.empty()) {
    sample.queries.assign(options.queries.begin(), options.queries.end());
    return sample;
  }
  std::mt19937_64 random(kSampleSeed);
  std::uniform_int_distribution<std::size_t> any(0, rows.ids.size() - 1);
  for (std::size_t i = 0; i < std::min(options.recall_queries, rows.ids.size()); ++i) {
    const std::size_t at = any(random);
    const auto row = rows.row(at, shape.dimensions);
    sample.queries.insert(sample.queries.end(), row.begin(), row.end());
    sample.selves.push_back(rows.ids[at]);
  }
  return sample;
}

/// Find the true neighbours by comparing all.
void find_truth(const VectorShape& shape, const VectorRows& rows, std::size_t n, Sample& sample) {
  const std::size_t count = sample.queries.size() / shape.dimensions;
  std::vector<float> factors;
  if (shape.similarity == Similarity::kCosine)
    for (std::size_t i = 0; i < rows.ids.size(); ++i)
      factors.push_back(inverse_length(rows.row(i, shape.dimensions)));
  std::vector<BestSlots> best(count, BestSlots(n + 1));
  scan_rows({.values = rows.values.data(),
             .factors = factors.empty() ? nullptr : factors.data(),
             .rows = rows.ids.size(),
             .dimensions = shape.dimensions},
            prepared_queries(shape, sample.queries), best, [](VectorIndex::Slot) { return true; });
  for (std::size_t i = 0; i < count; ++i) {
    auto found = best[i].take();
    if (!sample.selves.empty())
      std::erase_if(found, [&](const ScoredSlot& one) { return rows.ids[one.slot] == sample.selves[i]; });
    found.resize(std::min(found.size(), n));
    sample.wanted.push_back(found.size());
    sample.last_scores.push_back(found.empty() ? 0 : found.back().score);
  }
}

Result<double> recall_of(const VectorIndex& index, const Sample& sample, std::size_t n) {
  MILLRACE_ASSIGN(auto lists, index.search_all(sample.queries, sample.selves.empty() ? n : n + 1, {}));
  double wanted = 0, found = 0;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!sample.selves.empty())
      std::erase_if(lists[i], [&](const Neighbour& one) { return one.id == sample.selves[i]; });
    const float enough = sample.last_scores[i] - kNearEnough * std::abs(sample.last_scores[i]);
    const auto right =
        std::ranges::count_if(lists[i], [&](const Neighbour& one) { return one.score >= enough; });
    found += static_cast<double>(std::min(static_cast<std::size_t>(right), sample.wanted[i]));
    wanted += static_cast<double>(sample.wanted[i]);
  }
  return wanted == 0 ? 1 : found / wanted;
}

/// Raise ef until enough is found, or to its bound; return what is found then.
Result<double> raise_ef(HnswIndex& index, const Sample& sample, const IndexOptions& options) {
  for (std::size_t ef = options.hnsw.ef;; ef = std::min(2 * ef, options.ef_max)) {
    index.set_ef(ef);
    MILLRACE_ASSIGN(const double recall, recall_of(index, sample, options.recall_n));
    if (options.note) options.note(fmt::format("{}: recall {:.3f}", index.settings_text(), recall));
    if (recall >= options.recall || ef >= options.ef_max) return recall;
  }
}

Result<std::unique_ptr<VectorIndex>> make_exact(const VectorShape& shape, const VectorRows& rows) {
  MILLRACE_ASSIGN(auto index, ExactIndex::make(shape));
  for (std::size_t i = 0; i < rows.ids.size(); ++i)
    MILLRACE_TRY(index->put(rows.ids[i], rows.row(i, shape.dimensions)));
  return index;
}

}  // namespace

Result<double> measure_recall(const VectorIndex& index, const VectorRows& rows,
                              std::span<const float> queries, std::span<const std::string> selves,
                              std::size_t n) {
  MILLRACE_TRY(check_queries(index.shape(), queries));
  Sample sample{.queries = {queries.begin(), queries.end()},
                .selves = {selves.begin(), selves.end()},
                .last_scores = {},
                .wanted = {}};
  find_truth(index.shape(), rows, n, sample);
  return recall_of(index, sample, n);
}

Result<std::unique_ptr<VectorIndex>> make_index(const VectorShape& shape, const VectorRows& rows,
                                                const IndexOptions& options) {
  MILLRACE_TRY(shape.check());
  if (rows.ids.size() <= options.exact_max) return make_exact(shape, rows);
  MILLRACE_TRY(check_queries(shape, options.queries));
  Sample sample = draw(shape, rows, options);
  find_truth(shape, rows, options.recall_n, sample);
  std::unique_ptr<HnswIndex> best;
  double reached = -1;
  HnswSettings settings = options.hnsw;
  for (int build = 0; build < std::max(1, options.builds_max) && reached < options.recall; ++build) {
    MILLRACE_ASSIGN(auto index, HnswIndex::build(shape, rows, settings, options.threads, options.stop));
    MILLRACE_ASSIGN(const double recall, raise_ef(*index, sample, options));
    if (recall > reached) {
      reached = recall;
      best = std::move(index);
    }
    settings.m = std::min(2 * settings.m, HnswSettings::kLinksMax);
    settings.ef_construction = std::min(2 * settings.ef_construction, HnswSettings::kEfMax);
  }
  best->set_quality({.recall = reached,
                     .target = options.recall,
                     .n = static_cast<std::uint32_t>(options.recall_n),
                     .queries = static_cast<std::uint32_t>(sample.wanted.size()),
                     .vectors = rows.ids.size()});
  return best;
}

}  // namespace millrace
