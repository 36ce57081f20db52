#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

/// JSON as text: checks and cuts that need no document. simdjson's on-demand parser looks only at what is
/// asked of it; what a codec keeps without reading must pass `check_json` before it is called accepted.
namespace millrace::json {

/// Arrays and objects may be nested this deep; past it `check_json` refuses.
inline constexpr std::size_t kDepthMax = 64;

/// Check that `text` is exactly one JSON value by RFC 8259: structure, numbers, literals, escapes, no
/// half surrogate pairs (other parsers choke on them), nesting up to kDepthMax. Needs valid UTF-8.
/// Errors: kInvalid, saying what is wrong.
Status check_json(std::string_view text);

/// Check one token that is not an array or object.
Status check_scalar(std::string_view token);

/// Return whether `token` is a number as JSON writes it.
bool is_number(std::string_view token);

inline bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/// Remove JSON's white space from both ends.
std::string_view trim(std::string_view text);

/// Append the inside of a JSON string with its escapes resolved. Errors: kInvalid.
Status append_unescaped(std::string_view inside, std::string& out);

/// Return how long the value is that `text` starts with, by counting brackets outside strings only;
/// nothing when it does not end. What is inside may still be nonsense: one bad event must not hide where
/// the next one starts.
std::optional<std::size_t> value_length(std::string_view text);

/// Walks the members of an object or the elements of an array as raw text, with `value_length`'s
/// leniency.
class RawItems {
 public:
  /// Needs the text of an array or object, from its bracket on.
  explicit RawItems(std::string_view container);

  /// Go to the next one; false at the end and when the text is broken, which `broken` tells apart.
  /// When the member `open_key` is an array, its end is not looked for: `value` runs on to the end of the
  /// text, and the caller walks it and calls `resume` with what follows.
  bool next(std::string_view open_key = {});
  void resume(std::string_view rest) { rest_ = rest; }

  std::string_view key() const { return key_; }      ///< still escaped, without its quotes; objects only
  std::string_view value() const { return value_; }  ///< without white space around it
  bool broken() const { return broken_; }
  std::string_view rest() const { return rest_; }  ///< what follows the container, once it has ended

 private:
  bool stop(bool broken);
  bool read_key();
  bool take(char c);

  std::string_view rest_;
  std::string_view key_;
  std::string_view value_;
  char close_ = ']';
  bool first_ = true;
  bool broken_ = false;
};

}  // namespace millrace::json
