#include "event/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace millrace {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && c != '"' && c != '\\';
}

void append_escaped(char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHexDigits[byte >> 4];
  out += kHexDigits[byte & 15];
}

/// Append UTF-8 text, escaping what JSON wants escaped, plain runs in one piece.
void append_runs(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const auto stop = std::ranges::find_if_not(text, is_plain);
    const auto length = static_cast<std::size_t>(stop - text.begin());
    out.append(text.substr(0, length));
    text.remove_prefix(length);
    if (text.empty()) return;
    append_escaped(text.front(), out);
    text.remove_prefix(1);
  }
}

/// Return the length of the well-formed UTF-8 sequence that `text` starts with, or 0.
std::size_t sequence_length(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length) {
    if (is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

/// The slow path: bytes that are not UTF-8 are replaced one by one.
void append_mended(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      append_runs(text.substr(0, length), out);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

template <class Number>
void append_number(Number value, std::string& out) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end.ptr);
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  if (is_utf8(text)) {
    append_runs(text, out);
  } else {
    append_mended(text, out);
  }
  out += '"';
}

void JsonWriter::before_value() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  before_value();
  needs_comma_ = false;
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_json_string(name, out_);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
  before_value();
  append_json_string(value, out_);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  before_value();
  append_number(value, out_);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  before_value();
  append_number(value, out_);
  return *this;
}

JsonWriter& JsonWriter::decimal(Decimal value) {
  before_value();
  const std::int64_t units = value.units();
  const std::int64_t size = units < 0 ? -units : units;
  if (units < 0) out_ += '-';
  append_number(size / Decimal::kScale, out_);
  std::int64_t fraction = size % Decimal::kScale;
  if (fraction == 0) return *this;
  out_ += '.';
  for (std::int64_t unit = Decimal::kScale / 10; fraction > 0; fraction %= unit, unit /= 10) {
    out_ += kHexDigits[fraction / unit];
  }
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  before_value();
  out_ += json;
  return *this;
}

}  // namespace millrace
