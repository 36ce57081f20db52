#include "event/json_text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace millrace::json {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

/// Mark the bytes of `word` that are `c` by their highest bit. Bits above the lowest mark may be wrong.
std::uint64_t marks_of(std::uint64_t word, char c) {
  const std::uint64_t zeros = word ^ (kOnes * static_cast<unsigned char>(c));
  return (zeros - kOnes) & ~zeros & kHighs;
}

/// Return the index of the marked byte that comes first in memory.
std::size_t first_marked(std::uint64_t marks) {
  static_assert(std::endian::native == std::endian::little);
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

/// Return the place of the next quote, backslash or (when `kControls`) control character from `at` on,
/// or the text's size. Eight bytes a step.
template <bool kControls>
std::size_t next_special(std::string_view text, std::size_t at) {
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    std::uint64_t marks = marks_of(word, '"') | marks_of(word, '\\');
    if (kControls) marks |= (word - kOnes * 0x20) & ~word & kHighs;
    if (marks != 0) return at + first_marked(marks);
  }
  const auto is_special = [](char c) {
    return c == '"' || c == '\\' || (kControls && static_cast<unsigned char>(c) < 0x20);
  };
  while (at < text.size() && !is_special(text[at])) ++at;
  return at;
}

/// Read four hexadecimal digits at the start of `text`.
std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (char c : text.substr(0, 4)) {
    value <<= 4;
    if (is_digit(c)) {
      value |= static_cast<std::uint32_t>(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      value |= static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

struct Escape {
  std::uint32_t code_point = 0;
  std::size_t length = 0;  ///< with its backslash
};

/// Read the \uXXXX (and its second half) that `text` starts with.
std::optional<Escape> read_unicode_escape(std::string_view text) {
  const auto first = hex4(text.substr(2));
  if (!first) return std::nullopt;
  if (*first < 0xD800 || *first > 0xDFFF) return Escape{*first, 6};
  if (*first > 0xDBFF || text.substr(6, 2) != "\\u") return std::nullopt;
  const auto second = hex4(text.substr(8));
  if (!second || *second < 0xDC00 || *second > 0xDFFF) return std::nullopt;
  return Escape{0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00), 12};
}

/// Read the escape that `text` starts with.
std::optional<Escape> read_escape(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  switch (text[1]) {
    case '"':
    case '\\':
    case '/':
      return Escape{static_cast<std::uint32_t>(text[1]), 2};
    case 'b':
      return Escape{'\b', 2};
    case 'f':
      return Escape{'\f', 2};
    case 'n':
      return Escape{'\n', 2};
    case 'r':
      return Escape{'\r', 2};
    case 't':
      return Escape{'\t', 2};
    case 'u':
      return read_unicode_escape(text);
    default:
      return std::nullopt;
  }
}

void append_utf8(std::uint32_t c, std::string& out) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) return add(0xC0 | c >> 6), add(0x80 | (c & 0x3F));
  if (c < 0x10000) return add(0xE0 | c >> 12), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
  add(0xF0 | c >> 18), add(0x80 | (c >> 12 & 0x3F)), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
}

/// Goes through JSON text once without recursion: a bit per open bracket says which kind it is.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Status run() {
    do {
      skip_space();
      if (const char* wrong = step()) return fail(Code::kInvalid, wrong);
    } while (depth_ > 0);
    skip_space();
    if (at_ != text_.size()) return fail(Code::kInvalid, "text follows the end of the JSON value");
    return {};
  }

 private:
  /// Read one value (or an opening bracket) and what may follow it. Return what is wrong, or null.
  const char* step() {
    const char c = peek();
    if (c == '{' || c == '[') return open(c == '{');
    if (const char* wrong = scalar(c)) return wrong;
    return after_value();
  }

  const char* open(bool is_object) {
    if (depth_ == kDepthMax) return "nested deeper than 64 levels";
    objects_ = objects_ << 1 | (is_object ? 1u : 0u);
    ++depth_;
    ++at_;
    skip_space();
    if (peek() == closing()) return after_value();
    return is_object ? key() : nullptr;
  }

  /// Close brackets until a comma says that another value follows.
  const char* after_value() {
    while (depth_ > 0) {
      skip_space();
      const char c = peek();
      if (c == ',') {
        ++at_;
        skip_space();
        return in_object() ? key() : nullptr;
      }
      if (c != closing()) return "a comma or a closing bracket is missing";
      ++at_;
      --depth_;
      objects_ >>= 1;
    }
    return nullptr;
  }

  const char* key() {
    if (peek() != '"') return "an object's key is missing";
    if (const char* wrong = string()) return wrong;
    skip_space();
    if (peek() != ':') return "a colon is missing after a key";
    ++at_;
    return nullptr;
  }

  const char* scalar(char c) {
    if (c == '"') return string();
    if (c == 't') return literal("true");
    if (c == 'f') return literal("false");
    if (c == 'n') return literal("null");
    return number();
  }

  const char* string() {
    ++at_;
    while (true) {
      at_ = next_special<true>(text_, at_);
      if (at_ >= text_.size()) return "a string does not end";
      if (text_[at_] == '"') return ++at_, nullptr;
      if (text_[at_] != '\\') return "a control character in a string must be escaped";
      const auto escape = read_escape(text_.substr(at_));
      if (!escape) return "a string holds a wrong escape";
      at_ += escape->length;
    }
  }

  const char* literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return "not a JSON value";
    at_ += word.size();
    return nullptr;
  }

  const char* number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      return "not a JSON value";
    }
    if (peek() == '.' && (++at_, !digits())) return "a number has no digit after its point";
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return "a number has no digit in its exponent";
    }
    return nullptr;
  }

  bool digits() {
    const std::size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool in_object() const { return (objects_ & 1) != 0; }
  char closing() const { return in_object() ? '}' : ']'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::uint64_t objects_ = 0;
  static_assert(kDepthMax == 64, "one bit for each level");
};

/// Return the length of the string that `text` starts with, quotes included.
std::optional<std::size_t> string_length(std::string_view text) {
  std::size_t at = 1;
  while (at < text.size()) {
    at = next_special<false>(text, at);
    if (at >= text.size()) return std::nullopt;
    if (text[at] == '"') return at + 1;
    at += 2;
  }
  return std::nullopt;
}

/// Bytes that matter when brackets are counted.
constexpr auto kMatters = [] {
  std::array<bool, 256> table{};
  for (char c : {'"', '{', '}', '[', ']'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

std::optional<std::size_t> container_length(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (!kMatters[static_cast<unsigned char>(c)]) continue;
    if (c == '"') {
      const auto length = string_length(text.substr(at));
      if (!length) return std::nullopt;
      at += *length - 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (--depth == 0) {
      return at + 1;
    }
  }
  return std::nullopt;
}

std::size_t token_length(std::string_view text) {
  const std::size_t end = text.find_first_of(",]} \t\r\n");
  return end == std::string_view::npos ? text.size() : end;
}

}  // namespace

Status check_json(std::string_view text) {
  return Checker(text).run();
}

Status check_scalar(std::string_view token) {
  if (!token.empty() && (token.front() == '{' || token.front() == '[')) {
    return fail(Code::kInvalid, "must not be an object or array");
  }
  return Checker(token).run();
}

bool is_number(std::string_view token) {
  return !token.empty() && (is_digit(token.front()) || token.front() == '-') && check_json(token).has_value();
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

Status append_unescaped(std::string_view inside, std::string& out) {
  while (!inside.empty()) {
    const std::size_t slash = std::min(inside.find('\\'), inside.size());
    out.append(inside.substr(0, slash));
    inside.remove_prefix(slash);
    if (inside.empty()) break;
    const auto escape = read_escape(inside);
    if (!escape) return fail(Code::kInvalid, "a string holds a wrong escape");
    append_utf8(escape->code_point, out);
    inside.remove_prefix(escape->length);
  }
  return {};
}

std::optional<std::size_t> value_length(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.front() == '"') return string_length(text);
  if (text.front() == '{' || text.front() == '[') return container_length(text);
  const std::size_t length = token_length(text);
  return length == 0 ? std::nullopt : std::optional(length);
}

RawItems::RawItems(std::string_view container) : rest_(container) {
  if (rest_.empty() || (rest_.front() != '{' && rest_.front() != '[')) {
    broken_ = true;
    return;
  }
  close_ = rest_.front() == '{' ? '}' : ']';
  rest_.remove_prefix(1);
}

bool RawItems::stop(bool broken) {
  broken_ = broken;
  close_ = '\0';
  return false;
}

bool RawItems::take(char c) {
  while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  if (rest_.empty() || rest_.front() != c) return false;
  rest_.remove_prefix(1);
  return true;
}

bool RawItems::read_key() {
  rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  if (rest_.empty() || rest_.front() != '"') return false;
  const auto length = string_length(rest_);
  if (!length) return false;
  key_ = rest_.substr(1, *length - 2);
  rest_.remove_prefix(*length);
  return take(':');
}

bool RawItems::next(std::string_view open_key) {
  if (broken_ || close_ == '\0') return false;
  if (take(close_)) return stop(false);
  if (!first_ && !take(',')) return stop(true);
  first_ = false;
  if (close_ == '}' && !read_key()) return stop(true);
  rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  if (!open_key.empty() && key_ == open_key && rest_.starts_with('[')) {
    value_ = rest_;
    return true;
  }
  const auto length = value_length(rest_);
  if (!length) return stop(true);
  value_ = rest_.substr(0, *length);
  rest_.remove_prefix(*length);
  return true;
}

}  // namespace millrace::json
