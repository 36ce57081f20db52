#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// An array of one or two dimensions as NumPy's files (.npy) hold it: row after row.
template <class Number>
struct NpyArray {
  std::vector<std::size_t> shape;  ///< {n} or {rows, columns}
  std::vector<Number> values;      ///< their product

  friend bool operator==(const NpyArray&, const NpyArray&) = default;
};

/// Read the bytes of a .npy file, of versions 1 to 3 (NEP 1), little-endian, in C order, of one or two
/// dimensions; `name` is what errors call it. Nothing is converted: what is of another kind is refused with
/// what to write in Python instead. NaN and infinities pass.
/// Errors: kInvalid for another kind of array; kCorrupt for what is no .npy file, is cut, or goes on.
Result<NpyArray<float>> parse_npy_floats(std::string_view bytes, const std::string& name);           // '<f4'
Result<NpyArray<std::int64_t>> parse_npy_integers(std::string_view bytes, const std::string& name);  // '<i8'

/// Read a file, as above. Errors: those of `read_file` too.
Result<NpyArray<float>> read_npy_floats(Env& env, const Path& path);
Result<NpyArray<std::int64_t>> read_npy_integers(Env& env, const Path& path);

/// Return the bytes of a file, version 1. Needs one or two dimensions whose product is the number of values.
std::string encode_npy(std::span<const float> values, std::span<const std::size_t> shape);
std::string encode_npy(std::span<const std::int64_t> values, std::span<const std::size_t> shape);

/// Write a file, whole or not at all. Errors: those of `write_file_atomically`.
Status write_npy(Env& env, const Path& path, std::span<const float> values,
                 std::span<const std::size_t> shape);
Status write_npy(Env& env, const Path& path, std::span<const std::int64_t> values,
                 std::span<const std::size_t> shape);

}  // namespace millrace
