#include "recommend/cursor.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kTextMax = 64 * 1024;

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

std::unexpected<Error> bad_cursor() {
  return fail(Code::kInvalid, "this is not a cursor of an earlier answer; leave it out to begin at the start",
              "cursor");
}

}  // namespace

std::uint32_t item_fingerprint(std::string_view item_id) {
  return static_cast<std::uint32_t>(hash64(item_id) >> 32);
}

Result<Cursor> Cursor::parse(std::string_view text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  if (text.size() > kTextMax) return bad_cursor();
  const auto bytes = base64_decode(text);
  if (!bytes || bytes->size() < 5 || bytes->size() % 4 != 1 || bytes->front() != kVersion)
    return bad_cursor();
  const std::string_view body(bytes->data(), bytes->size() - 4);
  if (read_u32(std::string_view(*bytes).substr(body.size())) != item_fingerprint(body)) return bad_cursor();
  for (std::size_t at = 1; at < body.size(); at += 4) cursor.shown_.push_back(read_u32(body.substr(at)));
  return cursor;
}

std::string Cursor::text() const {
  std::string bytes(1, kVersion);
  for (const std::uint32_t fingerprint : shown_) append_u32(bytes, fingerprint);
  append_u32(bytes, item_fingerprint(bytes));
  std::string text = base64_encode(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

bool Cursor::contains(std::uint32_t fingerprint) const {
  return std::ranges::find(shown_, fingerprint) != shown_.end();
}

}  // namespace millrace
