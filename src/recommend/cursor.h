#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// Return the 32 bits that stand for an item id in cursors and in what a person owns: the same on
/// every machine and after a restart. Two ids of 100,000 share them with a chance of 2 in 100,000 for
/// any one id; the price is one item not shown.
std::uint32_t item_fingerprint(std::string_view item_id);

/// What the earlier pages of a list have shown, as the opaque text that goes to the client and comes
/// back: so a page never repeats an earlier one, whatever changed meanwhile, and the server keeps
/// nothing. Text: base64url of a version byte, the fingerprints (4 bytes each, little-endian) and 4
/// bytes of checksum.
class Cursor {
 public:
  /// Read the text; empty text is the start of a list. Errors: kInvalid with what to do.
  static Result<Cursor> parse(std::string_view text);

  std::string text() const;

  void add(std::string_view item_id) { shown_.push_back(item_fingerprint(item_id)); }
  bool contains(std::uint32_t fingerprint) const;
  std::size_t size() const { return shown_.size(); }
  const std::vector<std::uint32_t>& shown() const { return shown_; }

 private:
  std::vector<std::uint32_t> shown_;  ///< in the order shown
};

}  // namespace millrace
