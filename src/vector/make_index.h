#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "vector/hnsw_index.h"
#include "vector/vector_index.h"

namespace millrace {

/// How an index is chosen, and how good it has to be.
struct IndexOptions {
  std::size_t exact_max = 100'000;  ///< up to so many vectors are all compared; beyond, a graph is walked

  double recall = 0.95;              ///< share of the true neighbours that a graph has to find; 0..1
  std::size_t recall_n = 10;         ///< of so many neighbours
  std::size_t recall_queries = 200;  ///< measured on so many vectors, drawn at random, without themselves
  std::span<const float> queries;    ///< measured on these instead, where what is asked is known

  HnswSettings hnsw;         ///< to begin with
  std::size_t ef_max = 800;  ///< a search may look at so many candidates, at most …
  int builds_max = 2;        ///< … before a stronger graph is built, up to so many in all

  int threads = 1;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(std::string_view)> note;  ///< told what is being done, for the log; may be empty
};

/// Make the index that suits so many vectors, whose ids must differ. A graph is measured against comparing
/// all, and its ef, then its links, are raised until it finds as many as wanted or a bound is reached;
/// `quality()` says what came of it. Independent random data are beyond any graph: then recall stays low and
/// is shown. Errors: kInvalid for a shape, ids or rows that cannot be; kCancelled; kInternal without memory.
Result<std::unique_ptr<VectorIndex>> make_index(const VectorShape& shape, const VectorRows& rows,
                                                const IndexOptions& options);

/// Measure the share of the true `n` nearest of each query among `rows` that the index finds. An answer as
/// near as the last of the true ones counts as one of them. Queries that are vectors of the index themselves
/// find themselves, which is not counted: `selves` has their ids, or is empty.
Result<double> measure_recall(const VectorIndex& index, const VectorRows& rows,
                              std::span<const float> queries, std::span<const std::string> selves,
                              std::size_t n);

}  // namespace millrace
