#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Counts distinct values in at most 3 KB: exactly up to `kExactMax`, beyond it with a standard error of 1.6
/// % (1.04 / sqrt(4096)), whatever their number. The same set of values gives the same bytes, in whatever
/// order and pieces it came. Bytes: docs/formats/sketch.md. Threads: one at a time.
class HyperLogLog {
 public:
  static constexpr std::size_t kExactMax = 256;

  void add(std::string_view value);
  void merge(const HyperLogLog& other);

  /// Return how many distinct values were added, about.
  std::uint64_t estimate() const;

  /// Return what it takes up beyond its own size.
  std::size_t memory() const { return hashes_.capacity() * sizeof(std::uint64_t) + registers_.capacity(); }

  std::string bytes() const;
  /// Return nothing when `bytes` are not such a sketch.
  static std::optional<HyperLogLog> parse(std::string_view bytes);

 private:
  void add_hash(std::uint64_t hash);
  void make_dense();
  void raise(std::size_t at, std::uint8_t rank);

  std::vector<std::uint64_t> hashes_;    ///< ascending; while there are few
  std::vector<std::uint8_t> registers_;  ///< empty while there are few
};

}  // namespace millrace
