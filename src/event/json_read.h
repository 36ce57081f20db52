#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "base/decimal.h"
#include "base/result.h"
#include "base/time.h"
#include "event/event.h"
#include "event/json_text.h"

/// Reading events from JSON with simdjson's on-demand parser: each object's keys once, in their order.
/// Leaves are read from their raw text, so that money never becomes a double. An error's `where` grows
/// into a path ("properties.products[2].price") as it leaves the nested objects.
namespace millrace::json {

namespace od = simdjson::ondemand;

/// Parse one document with this thread's parser; valid until the next call on the thread. `text` must
/// have 64 readable bytes after its end. Checks UTF-8, control characters and unclosed strings of all of
/// it, and the rest as it is walked. Errors: kInvalid.
Result<od::document> parse(std::string_view text);

/// Put a step before the path of an error: `key` before "[2].price".
Error under(std::string_view step, Error error);
Error under(std::size_t index, Error error);

Error syntax_error(simdjson::error_code code);

/// Return the raw text of a value and check all of it. Consumes it.
Result<std::string_view> raw_value(od::value& value);

inline Status read_raw(od::value& value, std::string_view& into) {
  MILLRACE_ASSIGN(into, raw_value(value));
  return {};
}

/// Check all of a value that nobody reads.
inline Status check_value(od::value& value) {
  if (auto raw = raw_value(value); !raw) return fail(std::move(raw).error());
  return {};
}

/// Return the raw text of an array or object, unchecked, whether it has been walked or not. Consumes it.
template <class Container>
Result<std::string_view> raw_container(Container& container) {
  std::string_view raw;
  if (const auto code = container.reset().error()) return fail(syntax_error(code));
  if (const auto code = container.raw_json().get(raw)) return fail(syntax_error(code));
  return trim(raw);
}

/// Return the raw token a value begins with. Does not consume it.
inline std::string_view token_of(od::value& value) {
  std::string_view token = value.raw_json_token();
  while (token.size() > 1 && is_space(token.back())) token.remove_suffix(1);
  return token;
}

/// Go past a string value. One that is only looked at would be skipped by simdjson later, which takes a
/// string before a colon for a key and so would accept `{"a":"b":"c"}`.
inline void consume_string(od::value& value) {
  static_cast<void>(value.get_raw_json_string().error());
}

/// Return whether a token is a string without escapes: simdjson has checked all there is to it.
inline bool is_simple_string(std::string_view token) {
  return token.size() >= 2 && token.front() == '"' && token.back() == '"' &&
         std::memchr(token.data(), '\\', token.size()) == nullptr;
}

/// Unescape a key that starts at `start` into memory of `batch`.
Result<std::string_view> escaped_key(const char* start, EventBatch& batch);

/// Return a key's text. One with escapes is unescaped into memory of `batch`.
inline Status read_key(od::field& field, EventBatch& batch, std::string_view& key) {
  const char* start = field.key().raw();
  const char* end = start;
  while (*end != '"' && *end != '\\') ++end;
  key = {start, static_cast<std::size_t>(end - start)};
  if (*end == '"') return {};
  MILLRACE_ASSIGN(key, escaped_key(start, batch));
  return {};
}

/// Call `on_member(key, value)` for each member; it returns a Status. Stops at the first error.
template <class F>
Status each_member(od::object& object, EventBatch& batch, F&& on_member) {
  for (auto member : object) {
    od::field field;
    if (const auto code = std::move(member).get(field)) return fail(syntax_error(code));
    std::string_view key;
    MILLRACE_TRY(read_key(field, batch, key));
    if (auto status = on_member(key, field.value()); !status) {
      return fail(under(key, std::move(status).error()));
    }
  }
  return {};
}

/// Call `on_element(index, value)` for each element.
template <class F>
Status each_element(od::array& array, F&& on_element) {
  std::size_t index = 0;
  for (auto element : array) {
    od::value value;
    if (const auto code = std::move(element).get(value)) return fail(syntax_error(code));
    if (auto status = on_element(index, value); !status) return fail(under(index, std::move(status).error()));
    ++index;
  }
  return {};
}

/// Return whether a document that was walked without an error has been read to its end.
inline bool is_at_end(od::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

/// Walk the one object that `text` is, as `parse` and `each_member`; nothing may follow it.
template <class F>
Status each_member_of(std::string_view text, EventBatch& batch, F&& on_member) {
  MILLRACE_ASSIGN(od::document document, parse(text));
  od::object object;
  if (const auto code = document.get_object().get(object)) {
    return fail(code == simdjson::INCORRECT_TYPE ? Error{Code::kInvalid, "must be an object", ""}
                                                 : syntax_error(code));
  }
  MILLRACE_TRY(each_member(object, batch, on_member));
  if (!is_at_end(document)) return fail(Code::kInvalid, "text follows the end of the JSON value");
  return {};
}

enum class Kind : std::uint8_t { kObject, kArray, kText, kOther };

/// Look at a value without consuming it.
inline Kind kind_of(od::value& value) {
  switch (value.raw_json_token().front()) {
    case '{':
      return Kind::kObject;
    case '[':
      return Kind::kArray;
    case '"':
      return Kind::kText;
    default:
      return Kind::kOther;
  }
}

/// Enter an object or array. Errors: kInvalid "must be an object".
Result<od::object> object_of(od::value& value);
Result<od::array> array_of(od::value& value);

/// Return the raw token of a value that is not an array or object; its readers below check it.
Result<std::string_view> scalar_token(od::value& value);

// Readers of a raw token. All but `null` must have the type, else kInvalid; null and "" are absent.
inline bool is_null(std::string_view token) {
  return token == "null";
}

/// Read a string; with escapes into memory of `batch`, else a view. U+0000 is refused. A number or
/// boolean is taken as its text.
Result<std::string_view> text_of(std::string_view token, EventBatch& batch);

/// Read an identifier: a string as `text_of`, or a whole number. At most kIdBytesMax bytes.
Result<std::string_view> id_of(std::string_view token, EventBatch& batch);
inline constexpr std::size_t kIdBytesMax = 512;

/// Read a number, or a string that holds one ("19.90").
Result<std::optional<Decimal>> decimal_of(std::string_view token);
Result<std::optional<double>> double_of(std::string_view token);
Result<std::optional<std::int32_t>> small_integer_of(std::string_view token);
Result<bool> boolean_of(std::string_view token);

/// Read an ISO 8601 string, or a whole number of `unit_us` microseconds since 1970.
Result<std::optional<TimeUs>> time_of(std::string_view token, DurationUs unit_us);

// The same for a value, into a variable.
Status read_text(od::value& value, EventBatch& batch, std::string_view& into);
Status read_id(od::value& value, EventBatch& batch, std::string_view& into);
Status read_decimal(od::value& value, std::optional<Decimal>& into);
Status read_double(od::value& value, std::optional<double>& into);
Status read_time(od::value& value, DurationUs unit_us, std::optional<TimeUs>& into);

/// Read an ISO 4217 code, made upper case.
Result<std::string_view> currency_of(std::string_view token, EventBatch& batch);
Status read_currency(od::value& value, EventBatch& batch, std::string_view& into);

}  // namespace millrace::json
