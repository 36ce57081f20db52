#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/time.h"
#include "recommend/item_store.h"

namespace millrace {

/// One item met together with another, and how much.
struct CoOccurrence {
  ItemRef item;
  float count = 0;
};

/// How often items are met together: a sparse symmetric matrix of counts C and the squared norms N of
/// its items, for the cosine C(a,b) / sqrt(N(a)·N(b)), brought up to date event by event.
///
/// A list holds up to 1.5 × `limit` neighbours and is then cut to the `limit` strongest, so a newcomer
/// has room for half a list to prove itself in. An item with no more neighbours than that has exact
/// counts; beyond it weak counts are too low, never too high (the idea is lossy counting's: Manku and
/// Motwani, "Approximate frequency counts over data streams", 2002).
/// One writer at a time, readers beside one another.
class NeighbourLists {
 public:
  explicit NeighbourLists(std::size_t limit) : limit_(limit) {}

  /// Add to the count of the pair, both ways. A count that falls to 0 is dropped.
  void add_pair(ItemRef a, ItemRef b, double amount);
  /// Add to the squared norm of an item.
  void add_norm(ItemRef item, double amount);
  /// Empty the list of an item whose slot gets another one.
  void forget(ItemRef item);

  /// Return the neighbours of an item, in no order; some may have been dropped from the store since.
  std::span<const CoOccurrence> of(ItemRef item) const;

  /// Return count / (sqrt(N(a)·N(b)) + damping), which is at most 1.
  double cosine(ItemRef a, const CoOccurrence& b, double damping) const;

  std::size_t pairs() const { return pairs_; }
  std::size_t bytes() const;

  /// `restore` needs lists that are empty, and items that are restored.
  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in);

 private:
  struct Row {
    std::vector<CoOccurrence> entries;
    float norm = 0;
  };

  Row& row(ItemRef item);
  void add_one_way(ItemRef from, ItemRef to, double amount);
  void cut(std::vector<CoOccurrence>& entries);

  std::size_t limit_;
  std::deque<Row> rows_;  ///< by item slot
  std::size_t pairs_ = 0;
};

/// The items of one session or order, each with its weight, of which at most `limit` are kept: when
/// full, the one that came first leaves, so a new item is paired with the last ones only.
struct Basket {
  struct Entry {
    ItemRef item;
    float weight = 0;
  };
  std::vector<Entry> entries;  ///< oldest first
  TimeUs last = 0;

  float weight_of(ItemRef item) const;

  /// Give `item` a new weight (0 takes it out) and bring the counts up to date: C(a,b) is the sum of
  /// w(a)·w(b) over baskets, N(a) that of w(a)².
  void set_weight(ItemRef item, float weight, std::size_t limit, NeighbourLists& lists);

  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in, std::size_t limit);
};

}  // namespace millrace
