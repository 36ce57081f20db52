#include "model/tower.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <random>

#include "base/parallel.h"
#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr std::size_t kVectorsPerSlice = 256;
constexpr std::size_t kAhead = 8;  ///< rows that are asked for before they are needed
constexpr float kCategoryDeviation = 0.1F;
constexpr float kTextDeviation = 0.3F;  ///< larger, since the pieces of a text are averaged
constexpr float kOutputDeviation = 0.5F;

void fill_normal(std::span<float> values, float deviation, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, deviation);
  for (float& value : values) value = normal(random);
}

/// Ask for `count` values, which are needed soon.
template <class Value>
void prefetch(const Value* values, std::size_t count) {
  constexpr std::size_t kLine = 64 / sizeof(Value);
  for (std::size_t at = 0; at < count; at += kLine) __builtin_prefetch(values + at);
}

}  // namespace

std::size_t Tower::inputs() const {
  return std::accumulate(embeddings.begin(), embeddings.end(), numbers,
                         [](std::size_t sum, const Matrix& field) { return sum + field.columns; });
}

Tower random_tower(const FeatureEncoder& encoder, const TowerShape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Tower tower{.numbers = encoder.numbers(), .embeddings = {}, .layers = {}, .normalized = shape.normalized};
  for (const EncoderColumn* field : encoder.fields()) {
    const bool text = field->kind == ColumnKind::kText;
    Matrix& vectors = tower.embeddings.emplace_back(field->vectors(),
                                                    text ? shape.text_dimensions : shape.category_dimensions);
    fill_normal(vectors.values, text ? kTextDeviation : kCategoryDeviation, random);
  }
  std::size_t inputs = tower.inputs();
  for (const std::size_t outputs : shape.hidden) {
    TowerLayer& layer = tower.layers.emplace_back(Matrix(outputs, inputs), std::vector<float>(outputs));
    fill_normal(layer.weights.values, std::sqrt(2 / static_cast<float>(inputs)), random);
    inputs = outputs;
  }
  TowerLayer& last =
      tower.layers.emplace_back(Matrix(shape.dimensions, inputs), std::vector<float>(shape.dimensions));
  fill_normal(last.weights.values, kOutputDeviation / std::sqrt(static_cast<float>(inputs)), random);
  fill_normal(last.bias, kOutputDeviation, random);
  return tower;
}

void FieldGradient::add(std::uint32_t index, float weight, const float* gradient) {
  std::uint32_t& slot = slot_of_[index];
  if (slot != kNone) return kernels().axpy(weight, gradient, sums_.data() + slot * dimensions_, dimensions_);
  slot = static_cast<std::uint32_t>(touched_.size());
  touched_.push_back(index);
  sums_.insert(sums_.end(), gradient, gradient + dimensions_);
  if (weight == 1) return;
  for (std::size_t k = sums_.size() - dimensions_; k < sums_.size(); ++k) sums_[k] *= weight;
}

void FieldGradient::clear() {
  for (const std::uint32_t index : touched_) slot_of_[index] = kNone;
  touched_.clear();
  sums_.clear();
}

TowerGradient::TowerGradient(const Tower& tower) : layers(tower.layers) {
  for (const Matrix& embeddings : tower.embeddings) fields.emplace_back(embeddings);
}

TowerPass::TowerPass(const Tower& tower, std::size_t rows_max)
    : tower_(tower), lengths_(rows_max), ones_(rows_max, 1.F) {
  values_.emplace_back(rows_max, tower.inputs());
  for (const TowerLayer& layer : tower.layers) values_.emplace_back(rows_max, layer.bias.size());
  changes_.emplace_back(rows_max, tower.inputs() - tower.numbers);
  for (std::size_t l = 0; l + 1 < tower.layers.size(); ++l)
    changes_.emplace_back(rows_max, tower.layers[l].bias.size());
}

/// Copy what the batch needs of its rows together: the rows lie all over the memory, and backward needs it
/// again.
void TowerPass::collect(const EncodedRows& rows, std::span<const std::uint32_t> which) {
  const std::size_t* const begins = rows.begin.data();
  const std::size_t fields = rows.fields, last = which.size() - 1;
  begin_.assign(1, 0);
  entries_.clear();
  for (std::size_t i = 0; i < which.size(); ++i) {
    prefetch(begins + which[std::min(i + 2 * kAhead, last)] * fields, 1);
    prefetch(rows.entries.data() + begins[which[std::min(i + kAhead, last)] * fields], fields);
    std::ranges::copy(rows.numbers.row(which[i]), values_[0].row(i).begin());
    const std::size_t* const begin = begins + which[i] * fields;
    const std::size_t moved = begin[0] - entries_.size();
    for (std::size_t f = 1; f <= fields; ++f) begin_.push_back(begin[f] - moved);
    entries_.insert(entries_.end(), rows.entries.data() + begin[0], rows.entries.data() + begin[fields]);
  }
}

void TowerPass::gather_field(std::size_t f, std::size_t column, std::size_t count) {
  const Matrix& vectors = tower_.embeddings[f];
  const std::size_t fields = tower_.embeddings.size(), n = vectors.columns;
  for (std::size_t i = 0; i < count; ++i) {
    const FieldWeight& ahead = entries_[begin_[std::min(i + kAhead, count - 1) * fields + f]];
    prefetch(vectors.data() + ahead.index * n, n);
    const auto entries = field(i, f);
    float* const into = values_[0].row(i).data() + column;
    std::copy_n(vectors.data() + entries[0].index * n, n, into);
    if (entries[0].weight == 1) continue;
    for (std::size_t k = 0; k < n; ++k) into[k] *= entries[0].weight;
    for (const FieldWeight& entry : entries.subspan(1))
      kernels().axpy(entry.weight, vectors.row(entry.index).data(), into, n);
  }
}

void TowerPass::apply_layer(std::size_t l, std::size_t count) {
  const TowerLayer& layer = tower_.layers[l];
  const Matrix& in = values_[l];
  Matrix& out = values_[l + 1];
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(layer.bias, out.row(i).begin());
  kernels().gemm(Op::kAsIs, Op::kTransposed, count, out.columns, in.columns, 1, in.data(), in.columns,
                 layer.weights.data(), in.columns, 1, out.data(), out.columns);
  if (l + 1 == tower_.layers.size()) return;
  kernels().rectify(out.data(), count * out.columns);
}

void TowerPass::normalize(std::size_t count) {
  Matrix& out = values_.back();
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = out.row(i);
    lengths_[i] = std::max(std::sqrt(kernels().dot(row.data(), row.data(), row.size())), 1e-12F);
    for (float& value : row) value /= lengths_[i];
  }
}

const Matrix& TowerPass::forward(const EncodedRows& rows, std::span<const std::uint32_t> which) {
  assert(!which.empty() && which.size() <= lengths_.size() && rows.fields == tower_.embeddings.size());
  count_ = which.size();
  collect(rows, which);
  std::size_t column = tower_.numbers;
  for (std::size_t f = 0; f < rows.fields; ++f) {
    gather_field(f, column, which.size());
    column += tower_.embeddings[f].columns;
  }
  for (std::size_t l = 0; l < tower_.layers.size(); ++l) apply_layer(l, which.size());
  if (tower_.normalized) normalize(which.size());
  return values_.back();
}

/// y = x / |x| changes by (d - y (y·d)) / |x|.
void TowerPass::through_normalize(std::size_t count, Matrix& by_output) const {
  for (std::size_t i = 0; i < count; ++i) {
    const auto y = values_.back().row(i);
    const auto change = by_output.row(i);
    const float along = kernels().dot(y.data(), change.data(), y.size());
    for (std::size_t k = 0; k < y.size(); ++k) change[k] = (change[k] - along * y[k]) / lengths_[i];
  }
}

void TowerPass::layer_gradient(std::size_t l, std::size_t count, const Matrix& by_output,
                               TowerLayer& into) const {
  const Matrix& in = values_[l];
  const std::size_t outputs = into.bias.size();
  kernels().gemm(Op::kTransposed, Op::kAsIs, outputs, in.columns, count, 1, by_output.data(), outputs,
                 in.data(), in.columns, 0, into.weights.data(), in.columns);
  kernels().weighted_sum(by_output.data(), count, outputs, ones_.data(), 0, into.bias.data());
}

void TowerPass::scatter(TowerGradient& gradient) const {
  std::size_t column = 0;
  for (std::size_t f = 0; f < gradient.fields.size(); ++f) {
    FieldGradient& into = gradient.fields[f];
    into.clear();
    for (std::size_t i = 0; i < count_; ++i)
      for (const FieldWeight& entry : field(i, f))
        into.add(entry.index, entry.weight, changes_[0].row(i).data() + column);
    column += tower_.embeddings[f].columns;
  }
}

void TowerPass::backward(Matrix& by_output, TowerGradient& gradient) {
  if (tower_.normalized) through_normalize(count_, by_output);
  const Matrix* change = &by_output;
  for (std::size_t l = tower_.layers.size(); l-- > 0;) {
    const TowerLayer& layer = tower_.layers[l];
    layer_gradient(l, count_, *change, gradient.layers[l]);
    // Nothing is learnt of the numbers of the input, which stand before its fields.
    const std::size_t left_out = l == 0 ? tower_.numbers : 0;
    Matrix& below = changes_[l];
    if (below.columns == 0) break;
    kernels().gemm(Op::kAsIs, Op::kAsIs, count_, below.columns, change->columns, 1, change->data(),
                   change->columns, layer.weights.data() + left_out, layer.weights.columns, 0, below.data(),
                   below.columns);
    if (l == 0) break;
    kernels().pass_where_positive(values_[l].data(), below.data(), count_ * below.columns);
    change = &below;
  }
  scatter(gradient);
}

Matrix tower_vectors(const Tower& tower, const EncodedRows& rows, int threads) {
  Matrix vectors(rows.rows(), tower.outputs());
  parallel_for(rows.rows(), kVectorsPerSlice, threads, [&](std::size_t begin, std::size_t end) {
    TowerPass pass(tower, end - begin);
    std::vector<std::uint32_t> which(end - begin);
    std::iota(which.begin(), which.end(), static_cast<std::uint32_t>(begin));
    const Matrix& out = pass.forward(rows, which);
    std::ranges::copy(out.values, vectors.row(begin).begin());
  });
  return vectors;
}

}  // namespace millrace
