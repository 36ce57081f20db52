#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "vector/slot_ids.h"
#include "vector/vector_index.h"

namespace millrace {

class SnapshotReader;
struct SnapshotHeader;

/// Settings of a graph of neighbours (Malkov and Yashunin, Efficient and robust approximate nearest neighbor
/// search using Hierarchical Navigable Small World graphs, 2018). More of each finds more and takes longer.
struct HnswSettings {
  static constexpr std::size_t kLinksMax = 100;
  static constexpr std::size_t kEfMax = 10'000;

  std::size_t m = 16;                 ///< links of a vector, twice as many on the lowest level; 2..kLinksMax
  std::size_t ef_construction = 200;  ///< candidates looked at when a vector is added
  std::size_t ef = 50;                ///< candidates looked at by a search; at least the neighbours asked for
  std::uint64_t seed = 1;

  friend bool operator==(const HnswSettings&, const HnswSettings&) = default;
};

/// Finds most of the nearest among millions of vectors by walking a graph, which hnswlib builds of vectors
/// rounded to a byte a value; what it finds is compared by the vectors as they are. A vector
/// that is removed or put anew stays in the graph as a place to walk through, and is_worn tells when there
/// are too many of those. Searches for much of what there is, or with filters that leave few, compare with
/// all.
class HnswIndex final : public VectorIndex {
 public:
  /// Make an empty one. Errors: kInvalid for shape or settings that cannot be; kInternal without memory.
  static Result<std::unique_ptr<HnswIndex>> make(const VectorShape& shape, const HnswSettings& settings);

  /// Make one of rows, whose ids differ. With more than one thread the graph is another each time.
  /// Errors: as `make` and `put`; kCancelled once `*stop` is true.
  static Result<std::unique_ptr<HnswIndex>> build(const VectorShape& shape, const VectorRows& rows,
                                                  const HnswSettings& settings, int threads = 1,
                                                  const std::atomic<bool>* stop = nullptr);

  /// Read the rest of a snapshot (see load_index). Errors: kCorrupt, kIo; kInternal without memory.
  static Result<std::unique_ptr<VectorIndex>> read(SnapshotReader& in, const SnapshotHeader& header);

  ~HnswIndex() override;

  const HnswSettings& settings() const { return settings_; }
  void set_ef(std::size_t ef);
  void set_quality(const IndexQuality& quality) { quality_ = quality; }

  std::string_view kind() const override { return "hnsw"; }
  const VectorShape& shape() const override { return shape_; }
  std::size_t size() const override { return ids_.size(); }
  Status put(std::string_view id, std::span<const float> vector) override;
  bool remove(std::string_view id) override;
  std::optional<std::span<const float>> find(std::string_view id) const override;
  Result<std::vector<std::vector<ScoredSlot>>> find_slots(std::span<const float> queries, std::size_t n,
                                                          const IdFilter& filter) const override;
  std::size_t slots() const override { return ids_.slot_count(); }
  std::string_view id_at(Slot slot) const override { return ids_.at(slot); }
  std::span<const float> row_at(Slot slot) const override;
  bool is_worn() const override;
  IndexQuality quality() const override { return quality_; }
  std::string settings_text() const override;
  Status save(Env& env, const Path& path) const override;

 private:
  class Graph;
  using Passes = std::function<bool(Slot)>;

  HnswIndex(const VectorShape& shape, const HnswSettings& settings);
  std::size_t dead() const { return ids_.slot_count() - ids_.size(); }
  std::vector<ScoredSlot> nearest(std::span<const float> query, std::size_t n, bool all_pass,
                                  const Passes& passes) const;
  std::vector<ScoredSlot> compare_all(std::span<const float> query, std::size_t n,
                                      const Passes& passes) const;
  Status make_anew();

  VectorShape shape_;
  HnswSettings settings_;
  IndexQuality quality_;
  SlotIds ids_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace millrace
