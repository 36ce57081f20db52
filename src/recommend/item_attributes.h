#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace millrace {

/// A name of an attribute with its hash, so that looking for it in many items hashes it once.
struct AttributeName {
  explicit AttributeName(std::string_view of = {});
  std::string text;
  std::uint32_t hash = 0;
};

/// Attributes of an item that ItemFacts has no member for: numbers, texts, booleans, and lists of them, in
/// one stretch of bytes. A list is its elements one by one.
/// Threads: as a std::string.
class ItemAttributes {
 public:
  static constexpr std::size_t kNameBytesMax = 255;
  static constexpr std::size_t kTextBytesMax = 256;  ///< of a longer text is kept only that it is there

  /// One value. What an attribute of another kind holds is not there: of a list of objects, say, nothing
  /// is kept but that the attribute is.
  struct Value {
    std::optional<std::string_view> text;
    std::optional<double> number;  ///< also of a text that is a number
    std::optional<TimeUs> time;    ///< of a text that is a time
    std::optional<bool> truth;
  };

  /// Add a value; an empty text is none. Return false when the name is too long, and nothing was added.
  [[nodiscard]] bool add_text(std::string_view name, std::string_view text);
  [[nodiscard]] bool add_number(std::string_view name, double number);
  [[nodiscard]] bool add_truth(std::string_view name, bool truth);
  /// Add that the attribute is there, with a value that no filter reads.
  [[nodiscard]] bool add_presence(std::string_view name);

  bool has(const AttributeName& name) const {
    return any_of(name, [](const Value&) { return true; });
  }

  /// Return whether `holds(value)` is true of any value of that name.
  template <class Holds>
  bool any_of(const AttributeName& name, Holds holds) const {
    for (std::size_t at = 0; at < bytes_.size();) {
      const Head head = head_at(at);
      if (head.hash == name.hash && name_at(at, head) == name.text && holds(value_at(at, head))) return true;
      at += head.size();
    }
    return false;
  }

  /// Leave out what does not fit into so many bytes, the first to come staying. Return how many values
  /// were left out.
  std::size_t keep(std::size_t bytes_max);

  /// Return each name once, in the order of the first values.
  std::vector<std::string_view> names() const;
  std::size_t bytes() const { return bytes_.size(); }

  /// Return all of it as it lies in memory, for `from_image`.
  std::string_view image() const { return bytes_; }
  /// Read it again; nothing for bytes that no attributes make.
  static std::optional<ItemAttributes> from_image(std::string_view image);

 private:
  /// What comes before the bytes of a value: its name, its text, then eight bytes of number, time or truth.
  struct Head {
    std::uint32_t hash = 0;
    std::uint8_t name_bytes = 0;
    std::uint8_t kinds = 0;  ///< bit set of Kind
    std::uint16_t text_bytes = 0;

    std::size_t size() const { return sizeof(Head) + name_bytes + text_bytes + (kinds > kText ? 8u : 0u); }
  };
  enum Kind : std::uint8_t { kText = 1, kNumber = 2, kTime = 4, kTruth = 8 };

  Head head_at(std::size_t at) const {
    Head head;
    std::memcpy(&head, bytes_.data() + at, sizeof head);
    return head;
  }
  std::string_view name_at(std::size_t at, const Head& head) const {
    return std::string_view(bytes_).substr(at + sizeof(Head), head.name_bytes);
  }
  Value value_at(std::size_t at, const Head& head) const;
  bool add(std::string_view name, unsigned kinds, std::string_view text, std::uint64_t eight_bytes);

  std::string bytes_;
};

/// Return the number that the whole of `text` is, such as "2.5", "-7" or "1e3"; nothing when it is none, or
/// outside what a double holds.
std::optional<double> number_in(std::string_view text);

/// Count values of attributes that a limit left out: millrace_recommend_attributes_left_out_total.
void note_attributes_left_out(std::size_t values);

}  // namespace millrace
