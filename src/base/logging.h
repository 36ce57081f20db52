#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace millrace {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

/// One `key=value` of a structured log line. Build it with `field("rows", 12)`.
struct LogField {
  std::string_view key;
  std::string value;
  bool is_number = false;
};

inline LogField field(std::string_view key, std::string_view value) {
  return {key, std::string(value)};
}
inline LogField field(std::string_view key, const std::string& value) {
  return {key, value};
}
inline LogField field(std::string_view key, const char* value) {
  return {key, value};
}
template <class Number>
  requires std::is_arithmetic_v<Number>
LogField field(std::string_view key, Number value) {
  return {key, fmt::format("{}", value), true};
}

/// Choose how the process logs. Lines go to standard error. Before the first call: text, info.
void configure_logging(LogFormat format, LogLevel level);

/// Write one line: time, level, `component` ("log", "collect", …), what happened, and its fields.
/// Never put a secret or a whole event into it. Threads: any.
void log_line(LogLevel level, std::string_view component, std::string_view what,
              std::initializer_list<LogField> fields = {});

inline void log_info(std::string_view component, std::string_view what,
                     std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kInfo, component, what, fields);
}
inline void log_warning(std::string_view component, std::string_view what,
                        std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kWarning, component, what, fields);
}
inline void log_error(std::string_view component, std::string_view what,
                      std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kError, component, what, fields);
}

}  // namespace millrace
