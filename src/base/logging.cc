#include "base/logging.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace millrace {
namespace {

constexpr auto kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v";
constexpr auto kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";

std::atomic<LogFormat> log_format = LogFormat::kText;

std::unique_ptr<spdlog::formatter> formatter_for(LogFormat format) {
  const auto* pattern = format == LogFormat::kJson ? kJsonPattern : kTextPattern;
  return std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc);
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(formatter_for(LogFormat::kText));
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Quote as JSON does; bytes that are not UTF-8 become U+FFFD, so that a line is always valid.
std::string json_quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool needs_quotes(std::string_view text) {
  return text.empty() ||
         !std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127 && c != '"' && c != '='; });
}

bool has_control_byte(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; });
}

std::string text_line(std::string_view component, std::string_view what,
                      std::initializer_list<LogField> fields) {
  // A line break in `what` would forge a second line.
  auto line = fmt::format("{}: {}", component, has_control_byte(what) ? json_quoted(what) : what);
  for (const auto& f : fields) {
    line += fmt::format(" {}={}", f.key, needs_quotes(f.value) ? json_quoted(f.value) : f.value);
  }
  return line;
}

/// JSON has no word for a number that is not finite; those are written as text.
bool is_json_number(const LogField& f) {
  return f.is_number && nlohmann::json::accept(f.value) && f.value != "true" && f.value != "false";
}

std::string json_line(std::string_view component, std::string_view what,
                      std::initializer_list<LogField> fields) {
  auto line = fmt::format(R"("component":{},"message":{})", json_quoted(component), json_quoted(what));
  for (const auto& f : fields) {
    line += fmt::format(",{}:{}", json_quoted(f.key), is_json_number(f) ? f.value : json_quoted(f.value));
  }
  return line;
}

}  // namespace

void configure_logging(LogFormat format, LogLevel level) {
  log_format = format;
  logger().set_formatter(formatter_for(format));
  logger().set_level(spdlog_level(level));
}

void log_line(LogLevel level, std::string_view component, std::string_view what,
              std::initializer_list<LogField> fields) {
  auto& to = logger();
  if (!to.should_log(spdlog_level(level))) return;
  const bool json = log_format == LogFormat::kJson;
  const auto line = json ? json_line(component, what, fields) : text_line(component, what, fields);
  to.log(spdlog_level(level), spdlog::string_view_t(line));
}

}  // namespace millrace
