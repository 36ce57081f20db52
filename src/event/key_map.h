#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

namespace millrace {

/// A table from field names to an enum, made by the compiler, for a `switch` over the keys of an object:
/// one small hash and one comparison a key. Threads: any.
template <class Value, std::size_t kEntries>
class KeyMap {
 public:
  using Entry = std::pair<std::string_view, Value>;

  /// Needs distinct, non-empty names.
  consteval explicit KeyMap(const Entry (&entries)[kEntries]) {
    for (const Entry& entry : entries) {
      std::size_t slot = slot_of(entry.first);
      while (!slots_[slot].first.empty()) slot = (slot + 1) % kSlots;
      slots_[slot] = entry;
    }
  }

  /// Return the value of `name`, or `otherwise`.
  constexpr Value find(std::string_view name, Value otherwise) const {
    if (name.empty()) return otherwise;
    for (std::size_t slot = slot_of(name); !slots_[slot].first.empty(); slot = (slot + 1) % kSlots) {
      if (slots_[slot].first == name) return slots_[slot].second;
    }
    return otherwise;
  }

 private:
  static constexpr std::size_t kSlots = std::bit_ceil(kEntries * 4);

  static constexpr std::size_t slot_of(std::string_view name) {
    const auto byte = [name](std::size_t i) { return static_cast<unsigned char>(name[i]); };
    const std::size_t n = name.size();
    return (n * 41 + byte(0) * 7 + byte(n / 2) * 23 + byte(n - 1) * 101) % kSlots;
  }

  std::array<Entry, kSlots> slots_{};
};

}  // namespace millrace
