#include "vector/vector_index.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "vector/exact_index.h"
#include "vector/hnsw_index.h"
#include "vector/snapshot_file.h"

namespace millrace {

std::string_view similarity_name(Similarity similarity) {
  return similarity == Similarity::kDot ? "dot" : "cosine";
}

Result<Similarity> parse_similarity(std::string_view name) {
  if (name == "dot") return Similarity::kDot;
  if (name == "cosine") return Similarity::kCosine;
  return fail(Code::kInvalid, fmt::format("the similarity is dot or cosine, not '{}'",
                                          without_controls(name.substr(0, kShownBytesMax))));
}

Status VectorShape::check() const {
  if (dimensions >= 1 && dimensions <= kDimensionsMax) return {};
  return fail(Code::kInvalid,
              fmt::format("vectors have 1 to {} dimensions, not {}", kDimensionsMax, dimensions));
}

Status VectorShape::check_vector(std::span<const float> vector) const {
  if (vector.size() != dimensions)
    return fail(Code::kInvalid,
                fmt::format("the vector has {} values; all here have {}", vector.size(), dimensions));
  // False for NaN too.
  const auto is_good = [](float value) { return std::abs(value) <= kValueMax; };
  const auto bad = std::ranges::find_if_not(vector, is_good);
  if (bad == vector.end()) return {};
  const std::string_view what = std::isnan(*bad)   ? "is not a number (NaN)"
                                : std::isinf(*bad) ? "is infinite"
                                                   : "is larger than 1e16";
  return fail(Code::kInvalid, fmt::format("value {} of the vector {}", bad - vector.begin() + 1, what));
}

Status check_vector_id(std::string_view id) {
  if (id.empty()) return fail(Code::kInvalid, "an id must not be empty");
  if (id.size() > kVectorIdBytesMax)
    return fail(Code::kInvalid,
                fmt::format("the id '{}…' is longer than {} bytes",
                            without_controls(id.substr(0, kShownBytesMax)), kVectorIdBytesMax));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(id, is_control))
    return fail(Code::kInvalid,
                fmt::format("the id '{}' holds control characters, such as a line break or a tab",
                            without_controls(id.substr(0, kShownBytesMax))));
  if (!is_utf8(id)) return fail(Code::kInvalid, "an id must be UTF-8");
  return {};
}

Result<std::vector<std::vector<Neighbour>>> VectorIndex::search_all(std::span<const float> queries,
                                                                    std::size_t n,
                                                                    const IdFilter& filter) const {
  MILLRACE_ASSIGN(const auto found, find_slots(queries, n, filter));
  std::vector<std::vector<Neighbour>> lists;
  lists.reserve(found.size());
  for (const std::vector<ScoredSlot>& one : found) {
    std::vector<Neighbour>& list = lists.emplace_back();
    list.reserve(one.size());
    for (const auto& [score, slot] : one) list.push_back({std::string(id_at(slot)), score});
    std::ranges::sort(list, [](const Neighbour& a, const Neighbour& b) {
      return a.score > b.score || (a.score == b.score && a.id < b.id);
    });
  }
  return lists;
}

Result<std::vector<Neighbour>> VectorIndex::search(std::span<const float> query, std::size_t n,
                                                   const IdFilter& filter) const {
  MILLRACE_TRY(shape().check_vector(query));
  MILLRACE_ASSIGN(auto lists, search_all(query, n, filter));
  return std::move(lists.front());
}

Result<std::unique_ptr<VectorIndex>> load_index(Env& env, const Path& path) {
  MILLRACE_ASSIGN(SnapshotReader in, SnapshotReader::open(env, path));
  SnapshotHeader header;
  MILLRACE_ASSIGN(header, SnapshotHeader::read(in));
  std::unique_ptr<VectorIndex> index;
  if (header.kind == IndexKind::kExact) {
    MILLRACE_ASSIGN(index, ExactIndex::read(in, header));
  } else {
    MILLRACE_ASSIGN(index, HnswIndex::read(in, header));
  }
  MILLRACE_TRY(in.finish());
  return index;
}

VectorRows rows_of(const VectorIndex& index) {
  VectorRows rows;
  rows.ids.reserve(index.size());
  rows.values.reserve(index.size() * index.shape().dimensions);
  for (std::size_t i = 0; i < index.slots(); ++i) {
    const auto slot = static_cast<VectorIndex::Slot>(i);
    if (index.id_at(slot).empty()) continue;
    rows.ids.emplace_back(index.id_at(slot));
    const auto row = index.row_at(slot);
    rows.values.insert(rows.values.end(), row.begin(), row.end());
  }
  return rows;
}

}  // namespace millrace
