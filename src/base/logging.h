#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/time.h"

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

/// Read "debug", "info", "warning", "error". Errors: none; nothing for another word.
std::optional<LogLevel> parse_log_level(std::string_view name);

/// Gets every line that is logged as one JSON object, at most kLogLineBytesMax long, without a line break:
/// `time`, `level`, `component`, `message`, in this order, then the fields. Any thread; must neither block
/// nor log.
using LogSink = std::function<void(std::string_view json_line)>;
inline constexpr std::size_t kLogLineBytesMax = 16 << 10;

/// Hand every line to `sink` too; null: to nobody. Beside standard error there is one such place.
void set_log_sink(std::shared_ptr<const LogSink> sink);

/// Write *** wherever one of these occurs in a line, whoever logs it. Those of less than 8 bytes are left:
/// they would blank ordinary words.
void set_log_secrets(std::vector<std::string> secrets);

/// Keeps lines that outsiders can cause from filling the log. Threads: any.
class LogLimiter {
 public:
  /// Let `burst` lines pass at once, and `per_second` in the long run.
  LogLimiter(double burst, double per_second) : burst_(burst), per_second_(per_second), tokens_(burst) {}

  /// Return whether a line may be written at `now` (of a clock that never goes back), with the number of
  /// those that were left out since the last that was.
  std::optional<std::uint64_t> take(DurationUs now);

 private:
  const double burst_;
  const double per_second_;
  std::mutex mutex_;  ///< guards all below
  double tokens_;
  DurationUs last_ = 0;
  std::uint64_t left_out_ = 0;
};

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
