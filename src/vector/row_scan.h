#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "vector/row_codes.h"
#include "vector/vector_index.h"

namespace millrace {

/// Keeps the n best of what it is shown.
class BestSlots {
 public:
  explicit BestSlots(std::size_t n) : n_(n), above_(n == 0 ? kNothing : -kNothing) {}

  /// Return the score that a row must be above to matter: that of the worst kept, once there are n.
  float above() const { return above_; }

  /// Keep a row whose score is above that.
  void add(ScoredSlot row) {
    if (best_.size() == n_) {
      std::ranges::pop_heap(best_, std::less());
      best_.back() = row;
    } else {
      best_.push_back(row);
    }
    std::ranges::push_heap(best_, std::less());  // the worst on top
    if (best_.size() == n_) above_ = best_.front().score;
  }

  std::size_t size() const { return best_.size(); }

  /// Take what was kept, the best first.
  std::vector<ScoredSlot> take() {
    std::sort(best_.begin(), best_.end());
    return std::move(best_);
  }

 private:
  static constexpr float kNothing = std::numeric_limits<float>::infinity();

  std::size_t n_;
  float above_;
  std::vector<ScoredSlot> best_;
};

/// Check several queries that lie one after the other, and return how many there are. Errors: kInvalid.
Result<std::size_t> check_queries(const VectorShape& shape, std::span<const float> queries);

/// Rows that lie one after the other, with what each score is multiplied by (none: by 1).
struct RowBlock {
  const float* values = nullptr;
  const float* factors = nullptr;  ///< null, or one for each row
  std::size_t rows = 0;
  std::size_t dimensions = 0;
};

/// Return 1 / |vector|, or 0 where that is beyond measure: what makes a dot product with it a cosine.
float inverse_length(std::span<const float> vector);

/// Return queries as a search by `shape` wants them: as they are, or scaled to length 1.
std::vector<float> prepared_queries(const VectorShape& shape, std::span<const float> queries);

/// Show each list of `best` (one for each of the prepared `queries`) every row of `block` whose score is
/// above what it wants and that `passes`; row i is slot i. Reads the rows once from memory for all queries
/// together.
void scan_rows(const RowBlock& block, std::span<const float> queries, std::span<BestSlots> best,
               const std::function<bool(VectorIndex::Slot)>& passes);

/// The same, for rows of which `codes` tell, factors included: only rows whose bound is above what is wanted
/// are looked at themselves.
void scan_rows(const RowBlock& block, const RowCodes& codes, std::span<const float> queries,
               std::span<BestSlots> best, const std::function<bool(VectorIndex::Slot)>& passes);

}  // namespace millrace
