#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// What each byte of a character set of one byte a character is in UTF-8, as the server has it.
using ByteCharset = std::array<std::string, 256>;

/// Characters next to each other that iconv has otherwise than MySQL.
struct CharsetFix {
  unsigned from = 0;  ///< the first, as iconv has it
  unsigned to = 0;    ///< as MySQL has it
  unsigned count = 1;
};

/// Turns text of a character set of MySQL into UTF-8. Threads: one at a time.
class CharsetReader {
 public:
  /// Return whether text of `charset`, as MySQL calls it, is turned into UTF-8 without a table.
  static bool knows(std::string_view charset);

  /// One that is not known leaves text as it is.
  explicit CharsetReader(std::string_view charset);
  explicit CharsetReader(std::shared_ptr<const ByteCharset> bytes)
      : form_(Form::kBytes), bytes_(std::move(bytes)) {}

  /// Return `text` in UTF-8, valid until the next call and as long as `text`. What is none of the character
  /// set stays as it is, all of it.
  std::string_view read(std::string_view text);

 private:
  enum class Form : std::uint8_t { kAsItIs, kLatin1, kBytes, kIconv };
  std::string_view read_latin1(std::string_view text);
  std::string_view read_bytes(std::string_view text);
  std::string_view read_other(std::string_view text);
  void fix();

  Form form_ = Form::kAsItIs;
  std::shared_ptr<const ByteCharset> bytes_;
  std::shared_ptr<void> iconv_;
  std::span<const CharsetFix> fixes_;
  std::string out_;
};

}  // namespace millrace
