#include "base/logging.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/env.h"

namespace millrace {
namespace {

constexpr auto kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v";
constexpr auto kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";

constexpr std::size_t kSecretBytesMin = 8;
constexpr std::size_t kKeptValueBytes = 1'000;  ///< of one value in a line that would be too long
constexpr std::string_view kHidden = "***";

std::atomic<LogFormat> log_format = LogFormat::kText;

/// Who gets the lines beside standard error, and what none may show.
struct LogShared {
  std::mutex mutex;  ///< guards all below
  std::shared_ptr<const LogSink> sink;
  std::vector<std::string> secrets;
};

LogShared& shared() {
  static LogShared instance;
  return instance;
}

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

std::string_view level_name(LogLevel level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(level)];
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
                      std::initializer_list<LogField> fields,
                      std::size_t value_bytes_max = std::string::npos) {
  auto line = fmt::format(R"("component":{},"message":{})", json_quoted(component),
                          json_quoted(what.substr(0, value_bytes_max)));
  for (const auto& f : fields) {
    const std::string_view value = std::string_view(f.value).substr(0, value_bytes_max);
    line += fmt::format(",{}:{}", json_quoted(f.key), is_json_number(f) ? f.value : json_quoted(value));
  }
  return line;
}

void hide_secrets(std::string& line) {
  const std::lock_guard lock(shared().mutex);
  for (const std::string& secret : shared().secrets) {
    for (auto at = line.find(secret); at != std::string::npos; at = line.find(secret, at + kHidden.size()))
      line.replace(at, secret.size(), kHidden);
  }
}

/// Return "{…}" with its time, short enough to be kept.
std::string kept_line(LogLevel level, std::string_view component, std::string_view what,
                      std::initializer_list<LogField> fields) {
  std::string rest = json_line(component, what, fields);
  if (rest.size() > kLogLineBytesMax / 2) rest = json_line(component, what, fields, kKeptValueBytes);
  if (rest.size() > kLogLineBytesMax / 2) rest = json_line(component, what, {}, kKeptValueBytes);
  hide_secrets(rest);
  return fmt::format(R"({{"time":"{}","level":"{}",{}}})", format_time(Env::system().now()),
                     level_name(level), rest);
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
  auto line = json ? json_line(component, what, fields) : text_line(component, what, fields);
  hide_secrets(line);
  to.log(spdlog_level(level), spdlog::string_view_t(line));
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(shared().mutex);
    sink = shared().sink;
  }
  if (sink) (*sink)(kept_line(level, component, what, fields));
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError})
    if (level_name(level) == name) return level;
  return {};
}

void set_log_sink(std::shared_ptr<const LogSink> sink) {
  const std::lock_guard lock(shared().mutex);
  shared().sink.swap(sink);
}

void set_log_secrets(std::vector<std::string> secrets) {
  std::erase_if(secrets, [](const std::string& secret) { return secret.size() < kSecretBytesMin; });
  for (std::size_t i = 0, count = secrets.size(); i < count; ++i) {
    const std::string quoted = json_quoted(secrets[i]);  // as it stands in the lines that are JSON
    secrets.push_back(quoted.substr(1, quoted.size() - 2));
  }
  const std::lock_guard lock(shared().mutex);
  shared().secrets = std::move(secrets);
}

std::optional<std::uint64_t> LogLimiter::take(DurationUs now) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(burst_, tokens_ + per_second_ * static_cast<double>(now - last_) / kSecondUs);
  last_ = now;
  if (tokens_ < 1) {
    ++left_out_;
    return {};
  }
  tokens_ -= 1;
  return std::exchange(left_out_, 0);
}

}  // namespace millrace
