#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace {

/// Turns text of a character set of MySQL into UTF-8. Threads: one at a time.
class CharsetReader {
 public:
  /// `charset` as MySQL calls it; one that is not known leaves text as it is.
  explicit CharsetReader(std::string_view charset);

  /// Return `text` in UTF-8, valid until the next call and as long as `text`. What is none of the character
  /// set stays as it is, all of it.
  std::string_view read(std::string_view text);

 private:
  enum class Form : std::uint8_t { kAsItIs, kLatin1, kIconv };
  std::string_view read_latin1(std::string_view text);
  std::string_view read_other(std::string_view text);

  Form form_ = Form::kAsItIs;
  std::shared_ptr<void> iconv_;
  std::string out_;
};

}  // namespace millrace
