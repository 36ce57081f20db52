#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/decimal.h"
#include "base/time.h"
#include "event/event.h"

namespace millrace {

/// Append `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that
/// what is written is always valid JSON.
void append_json_string(std::string_view text, std::string& out);

/// Writes compact JSON into a string, commas included; several times faster than a document tree. The
/// caller keeps the nesting right: a key before each member, as many ends as begins.
///
///   JsonWriter json(out);
///   json.begin_object().member("id", "a1").member("price", price).end_object();
class JsonWriter {
 public:
  /// Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& number(double value);    ///< shortest digits that read back the same; NaN and infinity as null
  JsonWriter& decimal(Decimal value);  ///< as a JSON number with up to four decimals
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& time(TimeUs value) { return text(format_time(value)); }  ///< ISO 8601, microseconds kept

  /// Write `json`, which must be one valid JSON value, as it is.
  JsonWriter& raw(std::string_view json);

  JsonWriter& member(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& member(std::string_view name, const char* value) { return key(name).text(value); }
  JsonWriter& member(std::string_view name, Decimal value) { return key(name).decimal(value); }
  JsonWriter& member(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& member(std::string_view name, double value) { return key(name).number(value); }
  template <std::integral Number>
  JsonWriter& member(std::string_view name, Number value) {
    return key(name).integer(static_cast<std::int64_t>(value));
  }

  /// Write the member only when there is something to write.
  JsonWriter& member_if(std::string_view name, std::string_view value) {
    return value.empty() ? *this : member(name, value);
  }
  template <class T>
  JsonWriter& member_if(std::string_view name, const std::optional<T>& value) {
    return value ? member(name, *value) : *this;
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void before_value();

  std::string& out_;
  bool needs_comma_ = false;
};

/// Append `event` as one native JSON event (docs/formats/native-event.md) that decodes back to the
/// same Event. `source` and `received_time` are not in it: they belong to the envelope. Needs
/// `event.properties` to be empty or a JSON object.
void append_native_event(const Event& event, std::string& out);

}  // namespace millrace
