#include "recommend/neighbours.h"

#include <algorithm>
#include <cmath>

#include "recommend/memory_bytes.h"

namespace millrace {

NeighbourLists::Row& NeighbourLists::row(ItemRef item) {
  while (rows_.size() <= item.slot()) rows_.emplace_back();
  return rows_[item.slot()];
}

void NeighbourLists::add_norm(ItemRef item, double amount) {
  float& norm = row(item).norm;
  norm = std::max(0.0f, norm + static_cast<float>(amount));
}

void NeighbourLists::add_pair(ItemRef a, ItemRef b, double amount) {
  add_one_way(a, b, amount);
  add_one_way(b, a, amount);
}

void NeighbourLists::add_one_way(ItemRef from, ItemRef to, double amount) {
  std::vector<CoOccurrence>& entries = row(from).entries;
  const auto found = std::ranges::find(entries, to, &CoOccurrence::item);
  if (found != entries.end()) {
    found->count += static_cast<float>(amount);
    if (found->count > 0) return;
    *found = entries.back();
    entries.pop_back();
    --pairs_;
    return;
  }
  if (amount <= 0) return;
  entries.push_back({to, static_cast<float>(amount)});
  ++pairs_;
  if (entries.size() > limit_ + limit_ / 2) cut(entries);
}

void NeighbourLists::cut(std::vector<CoOccurrence>& entries) {
  const auto stronger = [](const CoOccurrence& a, const CoOccurrence& b) {
    return a.count != b.count ? a.count > b.count : a.item < b.item;
  };
  std::ranges::nth_element(entries, entries.begin() + static_cast<std::ptrdiff_t>(limit_), stronger);
  pairs_ -= entries.size() - limit_;
  entries.resize(limit_);
}

void NeighbourLists::forget(ItemRef item) {
  if (item.slot() >= rows_.size()) return;
  Row& row = rows_[item.slot()];
  pairs_ -= row.entries.size();
  row = Row{};
}

std::span<const CoOccurrence> NeighbourLists::of(ItemRef item) const {
  if (item.slot() >= rows_.size()) return {};
  return rows_[item.slot()].entries;
}

double NeighbourLists::cosine(ItemRef a, const CoOccurrence& b, double damping) const {
  if (b.item.slot() >= rows_.size()) return 0;
  const double norms = double{rows_[a.slot()].norm} * double{rows_[b.item.slot()].norm};
  const double below = std::sqrt(norms) + damping;
  return below > 0 ? std::min(1.0, b.count / below) : 0;
}

std::size_t NeighbourLists::bytes() const {
  std::size_t bytes = rows_.size() * sizeof(Row);
  for (const Row& row : rows_) bytes += row.entries.capacity() * sizeof(CoOccurrence);
  return bytes;
}

float Basket::weight_of(ItemRef item) const {
  const auto found = std::ranges::find(entries, item, &Entry::item);
  return found == entries.end() ? 0 : found->weight;
}

void Basket::set_weight(ItemRef item, float weight, std::size_t limit, NeighbourLists& lists) {
  auto found = std::ranges::find(entries, item, &Entry::item);
  const float before = found == entries.end() ? 0 : found->weight;
  if (weight == before) return;
  if (found == entries.end() && entries.size() >= limit) entries.erase(entries.begin());
  for (const Entry& other : entries) {
    if (other.item != item) lists.add_pair(item, other.item, (double{weight} - before) * other.weight);
  }
  lists.add_norm(item, double{weight} * weight - double{before} * before);
  found = std::ranges::find(entries, item, &Entry::item);
  if (weight == 0) {
    if (found != entries.end()) entries.erase(found);
  } else if (found == entries.end()) {
    entries.push_back({item, weight});
  } else {
    found->weight = weight;
  }
}

void NeighbourLists::save(MemoryWriter& out) const {
  constexpr std::ptrdiff_t kAhead = 8;
  out.put(static_cast<std::uint32_t>(rows_.size()));
  auto ahead = rows_.begin() + std::min(kAhead, std::ssize(rows_));
  for (const Row& row : rows_) {
    if (ahead != rows_.end()) prefetch_rows((ahead++)->entries);
    out.put(row.norm);
    out.put_rows(row.entries);
  }
}

void NeighbourLists::restore(MemoryReader& in) {
  const std::uint32_t rows = in.take_count(in.item_slots(), sizeof(float) + sizeof(std::uint32_t));
  for (std::uint32_t slot = 0; slot < rows && in.ok(); ++slot) {
    Row& row = rows_.emplace_back();
    row.norm = in.take<float>();
    in.expect(std::isfinite(row.norm) && row.norm >= 0, "a norm that cannot be");
    row.entries = in.take_rows<CoOccurrence>(limit_ + limit_ / 2);
    for (const CoOccurrence& entry : row.entries) in.expect_counted(entry.item, entry.count);
    pairs_ += row.entries.size();
  }
}

void Basket::save(MemoryWriter& out) const {
  out.put(last);
  out.put_rows(entries);
}

void Basket::restore(MemoryReader& in, std::size_t limit) {
  last = in.take_time();
  entries = in.take_rows<Entry>(limit);
  for (const Entry& entry : entries) in.expect_counted(entry.item, entry.weight);
}

}  // namespace millrace
