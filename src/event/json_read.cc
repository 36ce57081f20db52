#include "event/json_read.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace millrace::json {
namespace {

constexpr std::size_t kShownBytesMax = 64;

Error wrong_type(std::string_view wanted, std::string_view token) {
  std::size_t shown = std::min(token.size(), kShownBytesMax);
  while (shown < token.size() && shown > 0 && (static_cast<unsigned char>(token[shown]) & 0xC0) == 0x80)
    --shown;
  return {Code::kInvalid, fmt::format("must be {}, not {}", wanted, token.substr(0, shown)), ""};
}

bool is_string(std::string_view token) {
  return token.size() >= 2 && token.front() == '"';
}

/// Return what is between a string token's quotes, still escaped.
std::string_view inside(std::string_view token) {
  return token.substr(1, token.size() - 2);
}

Result<std::string_view> unescaped(std::string_view token, EventBatch& batch) {
  thread_local std::string scratch;
  scratch.clear();
  MILLRACE_TRY(append_unescaped(inside(token), scratch));
  if (scratch.find('\0') != std::string::npos) return fail(Code::kInvalid, "must not hold a NUL character");
  return batch.keep(scratch);
}

/// Read a string token. simdjson has found its end and refused raw control characters.
Result<std::string_view> string_of(std::string_view token, EventBatch& batch) {
  if (token.size() < 2 || token.back() != '"') return fail(Code::kInvalid, "a string does not end");
  const std::string_view text = inside(token);
  if (text.empty() || std::memchr(text.data(), '\\', text.size()) == nullptr) return text;
  return unescaped(token, batch);
}

/// Return the number a token is or holds as a string; empty for null and "".
Result<std::string_view> number_text(std::string_view token) {
  if (is_null(token)) return std::string_view{};
  if (is_string(token)) return trim(inside(token));
  if (!is_number(token)) return fail(wrong_type("a number", token));
  return token;
}

bool is_whole(std::string_view token) {
  return !token.empty() &&
         token.find_first_not_of("0123456789", token.front() == '-' ? 1 : 0) == std::string_view::npos &&
         is_number(token);
}

}  // namespace

Result<od::document> parse(std::string_view text) {
  thread_local od::parser parser;
  od::document document;
  const simdjson::padded_string_view padded(text.data(), text.size(),
                                            text.size() + simdjson::SIMDJSON_PADDING);
  if (const auto code = parser.iterate(padded).get(document)) return fail(syntax_error(code));
  return document;
}

Error under(std::string_view step, Error error) {
  const bool joined = error.where.empty() || error.where.front() == '[';
  error.where.insert(0, fmt::format("{}{}", step.substr(0, kShownBytesMax), joined ? "" : "."));
  return error;
}

Error under(std::size_t index, Error error) {
  return under(fmt::format("[{}]", index), std::move(error));
}

Error syntax_error(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return {Code::kInvalid, "not valid UTF-8", ""};
    case simdjson::UNCLOSED_STRING:
      return {Code::kInvalid, "not valid JSON: a string does not end", ""};
    case simdjson::UNESCAPED_CHARS:
      return {Code::kInvalid, "not valid JSON: a control character in a string must be escaped", ""};
    case simdjson::EMPTY:
      return {Code::kInvalid, "empty", ""};
    case simdjson::DEPTH_ERROR:
      return {Code::kInvalid, "nested too deep", ""};
    default:
      return {Code::kInvalid, fmt::format("not valid JSON: {}", simdjson::error_message(code)), ""};
  }
}

Result<std::string_view> raw_value(od::value& value) {
  std::string_view raw = token_of(value);
  if (raw.front() == '"') consume_string(value);
  if (is_simple_string(raw)) return raw;
  if (raw.front() == '{') {
    MILLRACE_ASSIGN(od::object object, object_of(value));
    if (const auto code = object.raw_json().get(raw)) return fail(syntax_error(code));
  } else if (raw.front() == '[') {
    MILLRACE_ASSIGN(od::array array, array_of(value));
    if (const auto code = array.raw_json().get(raw)) return fail(syntax_error(code));
  }
  raw = trim(raw);
  if (auto status = check_json(raw); !status)
    return fail(std::move(status).error().with_context("not valid JSON"));
  return raw;
}

Result<std::string_view> escaped_key(const char* start, EventBatch& batch) {
  const char* end = start;
  while (*end != '"') end += *end == '\\' ? 2 : 1;  // simdjson has seen the closing quote
  std::string key;
  MILLRACE_TRY(append_unescaped({start, static_cast<std::size_t>(end - start)}, key));
  return batch.keep(key);
}

Result<od::object> object_of(od::value& value) {
  od::object object;
  const auto code = value.get_object().get(object);
  if (code == simdjson::INCORRECT_TYPE) return fail(Code::kInvalid, "must be an object");
  if (code) return fail(syntax_error(code));
  return object;
}

Result<od::array> array_of(od::value& value) {
  od::array array;
  const auto code = value.get_array().get(array);
  if (code == simdjson::INCORRECT_TYPE) return fail(Code::kInvalid, "must be an array");
  if (code) return fail(syntax_error(code));
  return array;
}

Result<std::string_view> scalar_token(od::value& value) {
  const std::string_view token = token_of(value);
  if (token.front() == '{') return fail(Code::kInvalid, "must not be an object");
  if (token.front() == '[') return fail(Code::kInvalid, "must not be an array");
  if (token.front() == '"') consume_string(value);
  return token;
}

Result<std::string_view> text_of(std::string_view token, EventBatch& batch) {
  if (token.front() == '"') return string_of(token, batch);
  MILLRACE_TRY(check_scalar(token));
  return is_null(token) ? std::string_view{} : token;
}

Result<std::string_view> id_of(std::string_view token, EventBatch& batch) {
  if (is_null(token)) return std::string_view{};
  if (token.front() != '"' && !is_whole(token)) return fail(wrong_type("text or a whole number", token));
  MILLRACE_ASSIGN(const std::string_view id, text_of(token, batch));
  if (id.size() <= kIdBytesMax) return id;
  return fail(Code::kInvalid, fmt::format("is {} bytes long; at most {}", id.size(), kIdBytesMax));
}

Result<std::optional<Decimal>> decimal_of(std::string_view token) {
  MILLRACE_ASSIGN(const std::string_view number, number_text(token));
  if (number.empty()) return std::nullopt;
  MILLRACE_ASSIGN(const Decimal decimal, Decimal::parse(number));
  return decimal;
}

Result<std::optional<double>> double_of(std::string_view token) {
  MILLRACE_ASSIGN(const std::string_view number, number_text(token));
  if (number.empty()) return std::nullopt;
  double parsed = 0;
  const auto end = std::from_chars(number.data(), number.data() + number.size(), parsed);
  if (end.ec != std::errc{} || end.ptr != number.data() + number.size() || !std::isfinite(parsed)) {
    return fail(wrong_type("a finite number", token));
  }
  return parsed;
}

Result<std::optional<std::int32_t>> small_integer_of(std::string_view token) {
  MILLRACE_ASSIGN(const std::string_view number, number_text(token));
  if (number.empty()) return std::nullopt;
  std::int32_t parsed = 0;
  const auto end = std::from_chars(number.data(), number.data() + number.size(), parsed);
  if (end.ec != std::errc{} || end.ptr != number.data() + number.size()) {
    return fail(wrong_type("a whole number", token));
  }
  return parsed;
}

Result<bool> boolean_of(std::string_view token) {
  if (token == "true" || token == "\"true\"") return true;
  if (token == "false" || token == "\"false\"" || is_null(token)) return false;
  return fail(wrong_type("true or false", token));
}

Result<std::optional<TimeUs>> time_of(std::string_view token, DurationUs unit_us) {
  if (is_null(token) || token == "\"\"") return std::nullopt;
  if (is_string(token)) {
    MILLRACE_ASSIGN(const TimeUs time, parse_time(inside(token)));
    return time;
  }
  std::int64_t number = 0;
  const auto end = std::from_chars(token.data(), token.data() + token.size(), number);
  if (!is_whole(token) || end.ec != std::errc{} || number > kTimeMax / unit_us ||
      number < kTimeMin / unit_us) {
    return fail(wrong_type("an ISO 8601 time or a whole number", token));
  }
  return number * unit_us;
}

Status read_text(od::value& value, EventBatch& batch, std::string_view& into) {
  if (const auto simple = token_of(value); is_simple_string(simple)) {
    consume_string(value);
    return into = inside(simple), Status{};
  }
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, text_of(token, batch));
  return {};
}

Status read_id(od::value& value, EventBatch& batch, std::string_view& into) {
  if (const auto simple = token_of(value); is_simple_string(simple) && simple.size() <= kIdBytesMax + 2) {
    consume_string(value);
    return into = inside(simple), Status{};
  }
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, id_of(token, batch));
  return {};
}

Status read_decimal(od::value& value, std::optional<Decimal>& into) {
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, decimal_of(token));
  return {};
}

Status read_double(od::value& value, std::optional<double>& into) {
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, double_of(token));
  return {};
}

Status read_time(od::value& value, DurationUs unit_us, std::optional<TimeUs>& into) {
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, time_of(token, unit_us));
  return {};
}

Result<std::string_view> currency_of(std::string_view token, EventBatch& batch) {
  MILLRACE_ASSIGN(const std::string_view text, text_of(token, batch));
  if (text.empty()) return text;
  const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  if (text.size() != 3 || !std::ranges::all_of(text, is_letter)) {
    return fail(wrong_type("a currency of three letters such as EUR", token));
  }
  if (std::ranges::none_of(text, [](char c) { return c >= 'a'; })) return text;
  std::array<char, 3> upper;
  std::ranges::transform(text, upper.begin(), [](char c) { return static_cast<char>(c & ~0x20); });
  return batch.keep({upper.data(), upper.size()});
}

Status read_currency(od::value& value, EventBatch& batch, std::string_view& into) {
  MILLRACE_ASSIGN(const std::string_view token, scalar_token(value));
  MILLRACE_ASSIGN(into, currency_of(token, batch));
  return {};
}

}  // namespace millrace::json
