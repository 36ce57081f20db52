#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// Return a random RFC 9562 version 7 UUID (time-ordered): "0193…-7…".
std::string new_uuid(Env& env);

/// Decode base64 (RFC 4648, standard or URL alphabet, padding optional).
/// Errors: kInvalid.
Result<std::string> base64_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);
/// Append the same to `out`.
void append_base64(std::string_view bytes, std::string& out);

/// Return whether `bytes` are well-formed UTF-8.
bool is_utf8(std::string_view bytes);

/// So much of a text a message quotes.
inline constexpr std::size_t kShownBytesMax = 64;

/// Return whether `name` is of lower-case letters, digits and '_', a letter first, at most `bytes_max`: what
/// may name a table or a file.
bool is_snake_case(std::string_view name, std::size_t bytes_max);

/// Return ASCII letters as lower case.
std::string to_lower(std::string_view text);

/// Return `text` with its control characters as blanks: for a terminal, or a comment of one line.
std::string without_controls(std::string_view text);

/// Return the name in `known` nearest to `name` by edit distance, or "" when none is near enough to
/// be a likely slip of the finger (more than a third of its letters differ).
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

/// Read "250ms", "30s", "5m", "24h", "7d" as microseconds. Errors: kInvalid, naming the units.
Result<DurationUs> parse_duration(std::string_view text);

/// Read "512", "64KB", "64 MB", "2GiB" as bytes; KB is 1,000 and KiB 1,024. Errors: kInvalid.
Result<std::uint64_t> parse_bytes(std::string_view text);

/// Return `text` as a literal of SQL, in quotes: 'it''s'.
std::string sql_literal(std::string_view text);

/// Write 1234567 as "1,234,567".
std::string with_thousands(std::uint64_t number);

}  // namespace millrace
