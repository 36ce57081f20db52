#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

// Arrays as NumPy's .npy files (NumPy Enhancement Proposal 1, versions 1.0 and 2.0): little-endian, in C
// order, of one or two dimensions.

enum class NpyType : std::uint8_t { kFloat32, kInt32, kInt64 };

/// An array of a file, seen where the file's bytes lie.
struct NpyView {
  NpyType type = NpyType::kFloat32;
  std::size_t rows = 0;
  std::size_t columns = 1;  ///< 1 for an array of one dimension
  int dimensions = 1;
  std::span<const std::byte> data;

  std::size_t size() const { return rows * columns; }
  /// Return the elements. Needs the type to be that.
  std::span<const float> floats() const;
  std::span<const std::int32_t> int32s() const;
  std::span<const std::int64_t> int64s() const;
};

/// Return what stands before the data of an array; `columns` 0: of one dimension. 64 bytes or a multiple.
std::string npy_header(NpyType type, std::size_t rows, std::size_t columns);

/// Read a file's bytes, which must stay while the view is used and begin at a multiple of 8; `name` is the
/// file's, for errors. Errors: kCorrupt for what is no such file or is cut short; kInvalid for one whose
/// type, order or dimensions are others, with what they are and what is read.
Result<NpyView> parse_npy(std::span<const std::byte> bytes, std::string_view name);

}  // namespace millrace
