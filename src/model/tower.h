#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linalg/matrix.h"
#include "model/feature_encoder.h"

namespace millrace {

/// y = weights · x + bias.
struct TowerLayer {
  Matrix weights;           ///< outputs × inputs
  std::vector<float> bias;  ///< outputs

  friend bool operator==(const TowerLayer&, const TowerLayer&) = default;
};

/// A network that makes a vector of a row of features. Its input is the row's numbers, then for each field
/// the weighted sum of the field's vectors. Layers follow, with max(0, x) between two of them.
struct Tower {
  std::size_t numbers = 0;         ///< of the input
  std::vector<Matrix> embeddings;  ///< of each field: vectors × dimensions
  std::vector<TowerLayer> layers;  ///< at least one
  bool normalized = false;         ///< the output is brought to length 1

  std::size_t inputs() const;
  std::size_t outputs() const { return layers.back().bias.size(); }

  friend bool operator==(const Tower&, const Tower&) = default;
};

/// How large a tower is made.
struct TowerShape {
  std::vector<std::size_t> hidden = {128};  ///< outputs of each layer but the last
  std::size_t dimensions = 32;              ///< of the last one
  std::size_t category_dimensions = 16;
  std::size_t text_dimensions = 32;
  bool normalized = false;
};

/// Make a tower for rows of `encoder`, random: layers as He and others, Delving Deep into Rectifiers, 2015,
/// the last one smaller, so that scores begin near 0.
Tower random_tower(const FeatureEncoder& encoder, const TowerShape& shape, std::uint64_t seed);

/// The gradient of some of the vectors of a field: those a batch has met.
class FieldGradient {
 public:
  explicit FieldGradient(const Matrix& embeddings)
      : slot_of_(embeddings.rows, kNone), dimensions_(embeddings.columns) {}

  /// Add weight · `gradient` to that of one vector.
  void add(std::uint32_t index, float weight, const float* gradient);

  void clear();

  std::span<const std::uint32_t> touched() const { return touched_; }
  const float* of(std::size_t slot) const { return sums_.data() + slot * dimensions_; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::vector<std::uint32_t> slot_of_;  ///< of each vector, kNone if it has not been met
  std::vector<std::uint32_t> touched_;  ///< of each slot: its vector, in the order they were met
  std::vector<float> sums_;             ///< slots × dimensions
  std::size_t dimensions_;
};

/// The gradient of a tower's loss by all that it learns.
struct TowerGradient {
  explicit TowerGradient(const Tower& tower);

  std::vector<TowerLayer> layers;
  std::vector<FieldGradient> fields;
};

/// Takes batches through a tower, forward and back. Keeps its buffers. Threads: one object each.
class TowerPass {
 public:
  /// `tower` must outlive the object. Batches have at most `rows_max` rows.
  TowerPass(const Tower& tower, std::size_t rows_max);

  /// Return the vectors of the rows of those numbers: the first which.size() rows of a matrix that is valid
  /// until the next call. `rows` must be of the encoder the tower was made for. Needs 1 to rows_max rows.
  const Matrix& forward(const EncodedRows& rows, std::span<const std::uint32_t> which);

  /// Write into `gradient` what the loss changes by, from how it changes by the vectors of the last forward
  /// (its first rows), which is overwritten.
  void backward(Matrix& by_output, TowerGradient& gradient);

 private:
  void collect(const EncodedRows& rows, std::span<const std::uint32_t> which);
  void gather_field(std::size_t f, std::size_t column, std::size_t count);
  void apply_layer(std::size_t l, std::size_t count);
  void normalize(std::size_t count);
  void through_normalize(std::size_t count, Matrix& by_output) const;
  void layer_gradient(std::size_t l, std::size_t count, const Matrix& by_output, TowerLayer& into) const;
  void scatter(TowerGradient& gradient) const;

  std::span<const FieldWeight> field(std::size_t row, std::size_t f) const {
    const std::size_t at = row * tower_.embeddings.size() + f;
    return {entries_.data() + begin_[at], entries_.data() + begin_[at + 1]};
  }

  const Tower& tower_;
  std::size_t count_ = 0;             ///< rows of the batch
  std::vector<std::size_t> begin_;    ///< of the entries of the batch's fields, as in EncodedRows
  std::vector<FieldWeight> entries_;  ///< of the batch
  std::vector<Matrix> values_;        ///< the input, then the output of each layer
  std::vector<Matrix>
      changes_;  ///< how the loss changes by the output of each layer but the last; by the fields
  std::vector<float> lengths_;  ///< of outputs before they are normalized
  std::vector<float> ones_;
};

/// Return the vectors of all rows. Slices of a fixed size are spread over `threads` threads, so that the
/// result is the same with any number.
Matrix tower_vectors(const Tower& tower, const EncodedRows& rows, int threads);

}  // namespace millrace
