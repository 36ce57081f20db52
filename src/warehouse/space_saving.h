#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace {

/// Finds the most frequent of many values in bounded memory: Space-Saving, kept in the form in which such
/// summaries can be merged (Agarwal and others, "Mergeable summaries", 2012). It keeps m = max(64, 8 k)
/// values. While no more than 2 m distinct ones came, counts are exact; beyond that none is off by more than
/// `error()`, which is at most total / (m + 1), and a value that came more often than that is there.
/// Bytes: docs/formats/sketch.md. Threads: one at a time.
class SpaceSaving {
 public:
  static constexpr std::uint32_t kTopMax = 1000;
  static constexpr std::size_t kValueBytesMax = 512;  ///< of a longer value that much counts

  /// Needs 1..kTopMax.
  explicit SpaceSaving(std::uint32_t k) : k_(k) {}

  struct Entry {
    std::string value;
    std::uint64_t count;  ///< it came so often, or up to `error()` times more
    bool operator==(const Entry&) const = default;
  };

  void add(std::string_view value, std::uint64_t times = 1);
  /// The larger of both `k` holds.
  void merge(const SpaceSaving& other);

  /// Return the k most frequent, the most frequent first; equal ones in the order of their bytes.
  std::vector<Entry> top() const;
  std::uint64_t error() const { return error_; }
  std::uint64_t total() const { return total_; }

  std::string bytes() const;
  /// Return nothing when `bytes` are not such a summary.
  static std::optional<SpaceSaving> parse(std::string_view bytes);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::size_t kept() const;
  std::vector<Entry> sorted() const;
  void prune();

  std::uint32_t k_;
  std::uint64_t error_ = 0;
  std::uint64_t total_ = 0;
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> counts_;
};

}  // namespace millrace
