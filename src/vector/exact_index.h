#pragma once

#include <memory>
#include <vector>

#include "vector/row_codes.h"
#include "vector/slot_ids.h"
#include "vector/vector_index.h"

namespace millrace {

class SnapshotReader;
struct SnapshotHeader;

/// Compares a query with every vector, coarsely with most: always right, and up to some 100,000 vectors fast
/// enough. Vectors lie one after the other; what is removed leaves its place to the next that comes.
class ExactIndex final : public VectorIndex {
 public:
  /// Errors: kInvalid for a shape that cannot be.
  static Result<std::unique_ptr<ExactIndex>> make(const VectorShape& shape);

  /// Read the rest of a snapshot (see load_index). Errors: kCorrupt, kIo.
  static Result<std::unique_ptr<VectorIndex>> read(SnapshotReader& in, const SnapshotHeader& header);

  std::string_view kind() const override { return "exact"; }
  const VectorShape& shape() const override { return shape_; }
  std::size_t size() const override { return ids_.size(); }
  Status put(std::string_view id, std::span<const float> vector) override;
  bool remove(std::string_view id) override;
  std::optional<std::span<const float>> find(std::string_view id) const override;
  Result<std::vector<std::vector<ScoredSlot>>> find_slots(std::span<const float> queries, std::size_t n,
                                                          const IdFilter& filter) const override;
  std::size_t slots() const override { return ids_.slot_count(); }
  std::string_view id_at(Slot slot) const override { return ids_.at(slot); }
  std::span<const float> row_at(Slot slot) const override {
    return std::span(values_).subspan(slot * shape_.dimensions, shape_.dimensions);
  }
  Status save(Env& env, const Path& path) const override;

 private:
  explicit ExactIndex(const VectorShape& shape) : shape_(shape), codes_(shape.dimensions) {}
  void set_row(Slot slot, std::span<const float> vector);
  void note_row(Slot slot);

  VectorShape shape_;
  SlotIds ids_;
  std::vector<float> values_;   ///< slots × dimensions
  std::vector<float> factors_;  ///< 1 / length of each row, for cosines; else empty
  RowCodes codes_;
  std::vector<Slot> free_;  ///< slots in which nobody lives
};

}  // namespace millrace
