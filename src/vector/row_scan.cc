#include "vector/row_scan.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr std::size_t kScanBytes =
    32 << 10;  ///< of rows at a time: for the second query they are in the nearest cache
constexpr std::size_t kScanRowsMax = 512;
constexpr std::size_t kScanRowsMin = 16;
constexpr std::size_t kGlance = 16;   ///< scores compared together, most of which are too low
constexpr float kLengthMin = 1e-30F;  ///< below it the inverse is beyond what a float can hold

/// Return whether any of kGlance scores is above; the compiler makes few instructions of it.
bool any_above(const float* scores, float above) {
  int found = 0;
  for (std::size_t i = 0; i < kGlance; ++i) found |= static_cast<int>(scores[i] > above);
  return found != 0;
}

/// Beyond the end nothing may look as if it were above.
void forget_beyond(std::size_t count, std::span<float> scores) {
  std::fill_n(scores.begin() + static_cast<std::ptrdiff_t>(count), kGlance,
              -std::numeric_limits<float>::infinity());
}

/// Call `look` with the place of every score that may be above what `best` wants, while it may be.
template <class Look>
void look_above(std::span<const float> scores, const BestSlots& best, const Look& look) {
  for (std::size_t i = 0; i < scores.size(); i += kGlance) {
    if (!any_above(scores.data() + i, best.above())) continue;
    for (std::size_t j = i; j < std::min(i + kGlance, scores.size()); ++j)
      if (scores[j] > best.above()) look(j);
  }
}

}  // namespace

Result<std::size_t> check_queries(const VectorShape& shape, std::span<const float> queries) {
  if (queries.size() % shape.dimensions != 0)
    return fail(Code::kInvalid,
                fmt::format("{} values are not whole queries of {}", queries.size(), shape.dimensions));
  const std::size_t count = queries.size() / shape.dimensions;
  for (std::size_t i = 0; i < count; ++i)
    MILLRACE_TRY(shape.check_vector(queries.subspan(i * shape.dimensions, shape.dimensions)));
  return count;
}

float inverse_length(std::span<const float> vector) {
  double sum = 0;
  for (const float value : vector) sum += static_cast<double>(value) * value;
  const double length = std::sqrt(sum);
  return length < kLengthMin ? 0.F : static_cast<float>(1 / length);
}

std::vector<float> prepared_queries(const VectorShape& shape, std::span<const float> queries) {
  std::vector<float> prepared(queries.begin(), queries.end());
  if (shape.similarity == Similarity::kDot) return prepared;
  for (std::size_t from = 0; from < prepared.size(); from += shape.dimensions) {
    const auto query = std::span(prepared).subspan(from, shape.dimensions);
    const float factor = inverse_length(query);
    for (float& value : query) value *= factor;
  }
  return prepared;
}

void scan_rows(const RowBlock& block, std::span<const float> queries, std::span<BestSlots> best,
               const std::function<bool(VectorIndex::Slot)>& passes) {
  const Kernels& use = kernels();
  const std::size_t n = block.dimensions;
  const std::size_t step = std::clamp(kScanBytes / (n * sizeof(float)), kScanRowsMin, kScanRowsMax);
  std::array<float, kScanRowsMax + kGlance> scores;
  for (std::size_t from = 0; from < block.rows; from += step) {
    const std::size_t count = std::min(step, block.rows - from);
    for (std::size_t q = 0; q < best.size(); ++q) {
      use.dots(block.values + from * n, count, n, queries.data() + q * n, scores.data());
      if (block.factors != nullptr)
        for (std::size_t i = 0; i < count; ++i) scores[i] *= block.factors[from + i];
      forget_beyond(count, scores);
      look_above(std::span(scores).first(count), best[q], [&](std::size_t i) {
        const auto slot = static_cast<VectorIndex::Slot>(from + i);
        if (passes(slot)) best[q].add({scores[i], slot});
      });
    }
  }
}

void scan_rows(const RowBlock& block, const RowCodes& codes, std::span<const float> queries,
               std::span<BestSlots> best, const std::function<bool(VectorIndex::Slot)>& passes) {
  const Kernels& use = kernels();
  const std::size_t n = block.dimensions;
  std::vector<CodedQuery> coded;
  for (std::size_t q = 0; q < best.size(); ++q) coded.push_back(codes.code(queries.subspan(q * n, n)));
  std::array<float, kScanRowsMax + kGlance> bounds;
  for (std::size_t from = 0; from < block.rows; from += kScanRowsMax) {
    const std::size_t count = std::min(kScanRowsMax, block.rows - from);
    for (std::size_t q = 0; q < best.size(); ++q) {
      codes.bound(coded[q], from, count, bounds.data());
      forget_beyond(count, bounds);
      look_above(std::span(bounds).first(count), best[q], [&](std::size_t i) {
        const auto slot = static_cast<VectorIndex::Slot>(from + i);
        float score = use.dot(block.values + slot * n, queries.data() + q * n, n);
        if (block.factors != nullptr) score *= block.factors[slot];
        if (score > best[q].above() && passes(slot)) best[q].add({score, slot});
      });
    }
  }
}

}  // namespace millrace
