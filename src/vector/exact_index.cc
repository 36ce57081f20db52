#include "vector/exact_index.h"

#include <algorithm>

#include "vector/row_scan.h"
#include "vector/snapshot_file.h"

namespace millrace {

Result<std::unique_ptr<ExactIndex>> ExactIndex::make(const VectorShape& shape) {
  MILLRACE_TRY(shape.check());
  return std::unique_ptr<ExactIndex>(new ExactIndex(shape));
}

void ExactIndex::set_row(Slot slot, std::span<const float> vector) {
  std::ranges::copy(vector, values_.begin() + static_cast<std::ptrdiff_t>(slot * shape_.dimensions));
  note_row(slot);
}

/// Have what is known of a row be that of its values, which are sound.
void ExactIndex::note_row(Slot slot) {
  const std::span<const float> vector = row_at(slot);
  const bool cosine = shape_.similarity == Similarity::kCosine;
  if (cosine) factors_[slot] = inverse_length(vector);
  codes_.set(slot, vector, cosine ? factors_[slot] : 1);
}

Status ExactIndex::put(std::string_view id, std::span<const float> vector) {
  MILLRACE_TRY(check_vector_id(id));
  MILLRACE_TRY(shape_.check_vector(vector));
  if (const auto slot = ids_.find(id)) {
    set_row(*slot, vector);
    return {};
  }
  if (free_.empty()) {
    const auto slot = static_cast<Slot>(ids_.slot_count());
    values_.resize(values_.size() + shape_.dimensions);
    if (shape_.similarity == Similarity::kCosine) factors_.push_back(0);
    ids_.put(id, slot);
    set_row(slot, vector);
    return {};
  }
  const Slot slot = free_.back();
  free_.pop_back();
  ids_.put(id, slot);
  set_row(slot, vector);
  return {};
}

bool ExactIndex::remove(std::string_view id) {
  const auto slot = ids_.find(id);
  if (!slot) return false;
  ids_.remove(id);
  free_.push_back(*slot);
  return true;
}

std::optional<std::span<const float>> ExactIndex::find(std::string_view id) const {
  const auto slot = ids_.find(id);
  if (!slot) return std::nullopt;
  return row_at(*slot);
}

Result<std::vector<std::vector<ScoredSlot>>> ExactIndex::find_slots(std::span<const float> queries,
                                                                    std::size_t n,
                                                                    const IdFilter& filter) const {
  MILLRACE_ASSIGN(const std::size_t count, check_queries(shape_, queries));
  std::vector<BestSlots> best(count, BestSlots(n));
  scan_rows({.values = values_.data(),
             .factors = factors_.empty() ? nullptr : factors_.data(),
             .rows = slots(),
             .dimensions = shape_.dimensions},
            codes_, prepared_queries(shape_, queries), best, [&](Slot slot) {
              const std::string_view id = ids_.at(slot);
              return !id.empty() && (!filter || filter(id));
            });
  std::vector<std::vector<ScoredSlot>> lists;
  for (BestSlots& one : best) lists.push_back(one.take());
  return lists;
}

Status ExactIndex::save(Env& env, const Path& path) const {
  MILLRACE_ASSIGN(SnapshotWriter out, SnapshotWriter::open(env, path));
  SnapshotHeader{.kind = IndexKind::kExact, .shape = shape_, .slots = slots()}.write(out);
  write_slot_ids(out, ids_);
  out.put_all(std::span<const float>(values_));
  return out.finish();
}

Result<std::unique_ptr<VectorIndex>> ExactIndex::read(SnapshotReader& in, const SnapshotHeader& header) {
  std::unique_ptr<ExactIndex> index(new ExactIndex(header.shape));
  MILLRACE_ASSIGN(index->ids_, read_slot_ids(in, header.slots));
  index->values_.resize(header.slots * header.shape.dimensions);
  in.take_all(std::span(index->values_));
  MILLRACE_TRY(in.status());
  if (header.shape.similarity == Similarity::kCosine) index->factors_.resize(header.slots);
  for (std::size_t i = 0; i < header.slots; ++i) {
    const auto slot = static_cast<Slot>(i);
    in.expect(header.shape.check_vector(index->row_at(slot)).has_value(), "has a vector that cannot be");
    if (!in.ok()) break;
    index->note_row(slot);
    if (index->ids_.at(slot).empty()) index->free_.push_back(slot);
  }
  MILLRACE_TRY(in.status());
  return index;
}

}  // namespace millrace
