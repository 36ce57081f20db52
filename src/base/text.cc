#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoLetter = 0xFF;

constexpr std::array<std::uint8_t, 256> make_base64_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoLetter);
  for (std::size_t i = 0; i < kBase64Letters.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Letters[i])] = static_cast<std::uint8_t>(i);
  }
  values['-'] = 62;  // the URL alphabet
  values['_'] = 63;
  return values;
}

constexpr auto kBase64Values = make_base64_values();

/// Two letters for each twelve bits.
constexpr std::array<std::array<char, 2>, 4096> make_base64_pairs() {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kBase64Letters[i >> 6], kBase64Letters[i & 63]};
  return pairs;
}

constexpr auto kBase64Pairs = make_base64_pairs();

/// Return the length of the well-formed character at the front of `text`, or 0.
/// Follows table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing past 10FFFF.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0), second = byte(1);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4 || !follows(1)) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && second < 0xA0;
    const bool surrogate = lead == 0xED && second > 0x9F;
    return !overlong && !surrogate && follows(2) ? 3 : 0;
  }
  const bool overlong = lead == 0xF0 && second < 0x90;
  const bool too_large = lead == 0xF4 && second > 0x8F;
  return !overlong && !too_large && follows(2) && follows(3) ? 4 : 0;
}

/// Count the insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

struct Unit {
  std::string_view name;
  double size;
};

constexpr Unit kDurationUnits[] = {{"us", 1},        {"ms", kMillisecondUs}, {"s", kSecondUs},
                                   {"m", kMinuteUs}, {"h", kHourUs},         {"d", kDayUs}};
constexpr Unit kByteUnits[] = {
    {"", 1},      {"B", 1},      {"KB", 1e3},      {"MB", 1e6},      {"GB", 1e9},
    {"TB", 1e12}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1099511627776.0}};
constexpr double kLargestExact = 9007199254740992.0;  // 2^53

/// Read "1.5GB" as a number times one of `units`; nothing when it is neither.
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  auto name = text.substr(static_cast<std::size_t>(end - text.data()));
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  const double value = std::round(number * unit->size);
  if (value > kLargestExact) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

}  // namespace

std::string new_uuid(Env& env) {
  std::array<std::byte, 16> bytes;
  env.random_bytes(bytes);
  const auto milliseconds = static_cast<std::uint64_t>(env.now() / kMillisecondUs);
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::byte>(milliseconds >> (40 - 8 * i));
  bytes[6] = (bytes[6] & std::byte{0x0F}) | std::byte{0x70};  // version 7
  bytes[8] = (bytes[8] & std::byte{0x3F}) | std::byte{0x80};  // variant of RFC 9562
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(bytes[i]));
  }
  return text;
}

Result<std::string> base64_decode(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return fail(Code::kInvalid, "base64 text is cut short");
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const auto value = kBase64Values[static_cast<unsigned char>(c)];
    if (value == kNoLetter) {
      return fail(Code::kInvalid, fmt::format("byte 0x{:02x} is not base64", static_cast<unsigned char>(c)));
    }
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count);
    }
  }
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  append_base64(bytes, out);
  return out;
}

void append_base64(std::string_view bytes, std::string& out) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(bytes[i]); };
  std::size_t at = out.size();
  out.resize(at + (bytes.size() + 2) / 3 * 4);
  const auto put = [&](std::uint32_t twelve_bits) {
    std::memcpy(out.data() + at, kBase64Pairs[twelve_bits].data(), 2);
    at += 2;
  };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    put(bits >> 12);
    put(bits & 0xFFF);
  }
  if (i == bytes.size()) return;
  const bool two = i + 2 == bytes.size();
  const std::uint32_t bits = byte(i) << 16 | (two ? byte(i + 1) << 8 : 0);
  put(bits >> 12);
  put(bits & 0xFFF);
  if (!two) out[out.size() - 2] = '=';
  out.back() = '=';
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    while (bytes.size() >= 8) {  // eight ASCII bytes at a time
      std::memcpy(&word, bytes.data(), 8);
      if ((word & 0x8080808080808080) != 0) break;
      bytes.remove_prefix(8);
    }
    if (bytes.empty()) break;
    const auto length = utf8_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t least = name.size() + 1;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(name, candidate);
    const bool likely = distance * 3 <= std::max(name.size(), candidate.size());
    if (likely && distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Result<DurationUs> parse_duration(std::string_view text) {
  const auto value = parse_quantity(text, kDurationUnits);
  if (value) return static_cast<DurationUs>(*value);
  return fail(
      Code::kInvalid,
      fmt::format("'{}' is not a duration; write a number and us, ms, s, m, h or d, such as 250ms or 7d",
                  text));
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto value = parse_quantity(text, kByteUnits);
  if (value) return *value;
  return fail(
      Code::kInvalid,
      fmt::format(
          "'{}' is not a size; write a number and B, KB, MB, GB, TB or KiB, MiB, GiB, TiB, such as 64MB",
          text));
}

bool is_snake_case(std::string_view name, std::size_t bytes_max) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto fits = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= bytes_max && is_letter(name.front()) &&
         std::ranges::all_of(name, fits);
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string without_controls(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    // U+0080 to U+009F are C2 80 to C2 9F.
    const bool is_late = byte == 0xC2 && i + 1 < out.size() && (out[i + 1] & 0xE0) == 0x80;
    if (is_late) out[i + 1] = ' ';
    if (is_late || byte < ' ' || byte == 0x7F) out[i] = ' ';
  }
  return out;
}

std::string sql_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string with_thousands(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

}  // namespace millrace
