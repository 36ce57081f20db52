#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// What makes a vector near to another; more is nearer.
enum class Similarity : std::uint8_t {
  kDot,     ///< the dot product: of factors and towers, whose lengths mean something
  kCosine,  ///< the cosine of the angle, -1 to 1; 0 where a vector is all zeros, which points nowhere
};

/// Return "dot" or "cosine".
std::string_view similarity_name(Similarity similarity);

/// Read "dot" or "cosine". Errors: kInvalid.
Result<Similarity> parse_similarity(std::string_view name);

/// What all vectors of an index have in common.
struct VectorShape {
  static constexpr std::size_t kDimensionsMax = 4'096;
  static constexpr float kValueMax = 1e16F;  ///< so that no sum of products is beyond what a float can hold

  std::size_t dimensions = 0;  ///< 1..kDimensionsMax
  Similarity similarity = Similarity::kDot;

  friend bool operator==(const VectorShape&, const VectorShape&) = default;

  /// Refuse what no index can be of. Errors: kInvalid.
  Status check() const;

  /// Refuse a vector of another length, or with a value that is no number, infinite or beyond kValueMax,
  /// saying which. Errors: kInvalid.
  Status check_vector(std::span<const float> vector) const;
};

inline constexpr std::size_t kVectorIdBytesMax = 256;

/// Refuse ids that are empty, longer than kVectorIdBytesMax, no UTF-8 or hold control characters, so that any
/// id can stand in a line of a file. Errors: kInvalid.
Status check_vector_id(std::string_view id);

/// A vector that was found, and how near it is.
struct Neighbour {
  std::string id;
  float score = 0;

  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

/// A vector that was found, by where it lies (`VectorIndex::id_at`).
struct ScoredSlot {
  float score = 0;
  std::uint32_t slot = 0;

  /// The nearer first; equals by slot.
  friend bool operator<(const ScoredSlot& a, const ScoredSlot& b) {
    return a.score > b.score || (a.score == b.score && a.slot < b.slot);
  }
};

/// Tells whether a vector may be among the answers; empty: all may. Called for few, those that would be.
using IdFilter = std::function<bool(std::string_view id)>;

/// How well an approximate index finds what an exact search finds, as it was measured when it was made.
struct IndexQuality {
  double recall = 1;          ///< share of the true `n` nearest that were found, the mean over `queries`
  double target = 0;          ///< what was aimed at; 0: nothing was
  std::uint32_t n = 0;        ///< neighbours asked for
  std::uint32_t queries = 0;  ///< 0: it was not measured
  std::uint64_t vectors = 0;  ///< in the index then

  friend bool operator==(const IndexQuality&, const IndexQuality&) = default;
};

/// Vectors by id, and which of them are nearest to another. Ids are text for callers and numbers (slots)
/// within. Vectors are kept as they were given, whatever the similarity.
/// Threads: reading from any number at once while nobody changes it; a change from one thread alone.
class VectorIndex {
 public:
  using Slot = std::uint32_t;

  virtual ~VectorIndex() = default;

  /// Return "exact" or "hnsw".
  virtual std::string_view kind() const = 0;
  virtual const VectorShape& shape() const = 0;

  /// Return how many vectors there are.
  virtual std::size_t size() const = 0;

  /// Add a vector, or put it in the place of the one of that id.
  /// Errors: kInvalid, saying what is wrong with id or vector; kInternal when memory ran out.
  virtual Status put(std::string_view id, std::span<const float> vector) = 0;

  /// Take a vector away; return whether it was there.
  virtual bool remove(std::string_view id) = 0;

  /// Return the vector of that id, or nothing. It lives until the next change.
  virtual std::optional<std::span<const float>> find(std::string_view id) const = 0;

  /// Return the `n` nearest to each of several queries (each of the shape's dimensions, one after the other),
  /// of those that `filter` lets pass: the nearest first, equals by slot. Fewer than n only where there are
  /// no more. An approximate index may miss some of the nearest, but never returns fewer. Errors: kInvalid.
  virtual Result<std::vector<std::vector<ScoredSlot>>> find_slots(std::span<const float> queries,
                                                                  std::size_t n,
                                                                  const IdFilter& filter = {}) const = 0;

  /// The same with ids, equals by id.
  Result<std::vector<std::vector<Neighbour>>> search_all(std::span<const float> queries, std::size_t n,
                                                         const IdFilter& filter = {}) const;

  /// The same for one query.
  Result<std::vector<Neighbour>> search(std::span<const float> query, std::size_t n,
                                        const IdFilter& filter = {}) const;

  /// Rows as they lie in memory, to copy or write them all: slots from 0 on, some of which are empty
  /// (their id is ""). A slot keeps its id until that is removed or put anew.
  virtual std::size_t slots() const = 0;
  virtual std::string_view id_at(Slot slot) const = 0;
  virtual std::span<const float> row_at(Slot slot) const = 0;

  /// Return whether it would gain by being made anew: too much of it is what was removed.
  virtual bool is_worn() const { return false; }

  /// Return what was measured when it was made; an exact index has nothing to measure.
  virtual IndexQuality quality() const { return {}; }

  /// Describe the index's own settings: "M 16, ef_construction 200, ef 50"; "" of an exact one.
  virtual std::string settings_text() const { return {}; }

  /// Write all of it to a file, whole or not at all. Bytes: docs/formats/vectors.md.
  /// Errors: those of writing files.
  virtual Status save(Env& env, const Path& path) const = 0;
};

/// Read what `save` wrote, of any kind. Errors: kCorrupt for any flipped bit, cut or addition; kInvalid for a
/// newer format; those of reading files.
Result<std::unique_ptr<VectorIndex>> load_index(Env& env, const Path& path);

/// Vectors with their ids, to make an index of.
struct VectorRows {
  std::vector<std::string> ids;
  std::vector<float> values;  ///< ids.size() rows

  std::span<const float> row(std::size_t i, std::size_t dimensions) const {
    return std::span(values).subspan(i * dimensions, dimensions);
  }
};

/// Copy what an index holds.
VectorRows rows_of(const VectorIndex& index);

}  // namespace millrace
