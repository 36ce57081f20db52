#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/log_search.h"
#include "base/text.h"
#include "server/log_routes.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kTailLines = 100;
constexpr std::size_t kFoundLinesMax = 100'000;
constexpr std::size_t kPageLines = 1'000;
constexpr DurationUs kLookAgain = 200 * kMillisecondUs;
constexpr std::size_t kTimeBytes = 23;  // 2026-01-31T12:00:00.123

struct LogsOptions {
  std::string component, level, since, until, text, record;
  std::size_t lines = 0;  ///< 0: kTailLines, or everything found when something is looked for
  bool follow = false;
};

/// Lines of a running server, or of the files that the last one left.
class LogSource {
 public:
  LogSource(Path data, const LogsOptions& options)
      : data_(std::move(data)), query_(query_of(options, true)), stream_query_(query_of(options, false)) {}

  /// Return the newest `count` lines, oldest first. `end` becomes where to follow from.
  Result<std::vector<std::string>> newest(std::size_t count, LogPosition& end) const;

  /// Print lines from `from` on, for ever. Servers may come and go meanwhile.
  template <class Print>
  Status follow(LogPosition from, const Print& print) const;

 private:
  static std::string query_of(const LogsOptions& options, bool with_times);
  Path dir() const { return data_ / "logs"; }
  Result<LogFilter> filter() const;

  const Path data_;
  const std::string query_;
  const std::string stream_query_;
};

std::string LogSource::query_of(const LogsOptions& options, bool with_times) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("{}={}&", name, url_encode(value));
  };
  add("component", options.component);
  add("level", options.level);
  add("q", options.text);
  add("record", options.record);
  if (with_times) add("since", options.since);
  if (with_times) add("until", options.until);
  return query;
}

Result<LogFilter> LogSource::filter() const {
  MILLRACE_ASSIGN(const QueryParameters query, QueryParameters::parse(query_));
  return log_filter_of(query, Env::system().now());
}

/// One page that ends at `before`, newest first: from the server, if one runs.
Result<LogPage> page_of_server(HttpClient& client, const std::string& query,
                               const std::optional<LogPosition>& before, LogPosition& end) {
  const std::string cursor = before ? "&cursor=" + before->text() : "";
  MILLRACE_ASSIGN(const HttpResponse answer,
                  client.get(fmt::format("/v1/logs?{}limit={}{}", query, kPageLines, cursor)));
  MILLRACE_TRY(check_answer(answer));
  LogPage page;
  ordered_json parsed = ordered_json::parse(answer.body);
  for (ordered_json& line : parsed["lines"]) {
    const auto at = LogPosition::parse(line["position"].get<std::string>());
    line.erase("position");
    page.lines.push_back({at.value_or(LogPosition{}), line.dump()});
  }
  if (parsed["cursor"].is_string()) page.next = LogPosition::parse(parsed["cursor"].get<std::string>());
  end = LogPosition::parse(parsed["end"].get<std::string>()).value_or(LogPosition{});
  return page;
}

/// Return one past the last byte of the newest file.
LogPosition end_of_files(const Path& dir) {
  const auto files = list_log_files(Env::system(), dir);
  if (files.empty()) return {};
  const auto file = Env::system().open(files.rbegin()->second, OpenMode::kRead);
  return {files.rbegin()->first, file ? (*file)->size().value_or(0) : 0};
}

Result<std::vector<std::string>> LogSource::newest(std::size_t count, LogPosition& end) const {
  const auto client = connect_running(data_);
  MILLRACE_ASSIGN(const LogFilter wanted, filter());
  std::vector<std::string> lines;
  std::optional<LogPosition> before;
  bool first = true;
  do {
    LogPosition seen_end = first && !client ? end_of_files(dir()) : end;
    auto page = client ? page_of_server(**client, query_, before, seen_end)
                       : read_log_backwards(Env::system(), dir(), wanted, before ? before : seen_end,
                                            {.lines = kPageLines});
    if (!page) return fail(std::move(page).error());
    if (std::exchange(first, false)) end = seen_end;
    for (LogLine& line : page->lines)
      if (lines.size() < count) lines.push_back(std::move(line.json));
    before = page->next;
  } while (before && lines.size() < count);
  std::ranges::reverse(lines);
  return lines;
}

template <class Print>
Status LogSource::follow(LogPosition from, const Print& print) const {
  MILLRACE_ASSIGN(const LogFilter wanted, filter());
  for (;;) {
    if (const auto client = connect_running(data_)) {
      std::string id;
      const auto answer = (*client)->request_lines(
          "GET", fmt::format("/v1/logs/stream?{}from={}", stream_query_, from.text()), {}, {},
          [&](std::string_view line) {
            if (line.starts_with("id: ")) id = line.substr(4);
            if (!line.starts_with("data: ")) return true;
            ordered_json parsed = ordered_json::parse(line.substr(6), nullptr, false);
            parsed.erase("position");
            print(parsed.dump());
            from = LogPosition::parse(id).value_or(from);
            return true;
          });
      if (answer) MILLRACE_TRY(check_answer(*answer));
    }
    // No server, or it has just gone: its last lines are in the files, and so are the next one's.
    MILLRACE_ASSIGN(const LogPage page, read_log_forwards(Env::system(), dir(), wanted, from));
    for (const LogLine& line : page.lines) print(line.json);
    from = page.next.value_or(from);
    Env::system().sleep_for(kLookAgain);
  }
}

/// Text for people, like the lines on standard error; with colours on a terminal.
class LinePrinter {
 public:
  LinePrinter(bool as_json, bool colours) : as_json_(as_json), colours_(colours) {}

  void operator()(std::string_view line) const {
    if (as_json_) {
      fmt::print("{}\n", line);
    } else {
      print_text(ordered_json::parse(line, nullptr, false));
    }
    std::fflush(stdout);
  }

 private:
  static constexpr const char* kDim = "2";
  static constexpr const char* kRed = "31";
  static constexpr const char* kYellow = "33";
  static constexpr const char* kCyan = "36";

  std::string in(const char* colour, std::string_view text) const {
    return colours_ ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : std::string(text);
  }

  /// A value without control bytes, which a terminal would obey.
  static std::string shown(const ordered_json& value) {
    if (!value.is_string()) return value.dump();
    const auto& text = value.get_ref<const std::string&>();
    const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
      return c > ' ' && c != 127 && c != '"' && c != '=';
    });
    return plain ? text : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  }

  void print_text(const ordered_json& line) const {
    if (!line.is_object()) return;
    const std::string time = line.value("time", "").substr(0, kTimeBytes) + "Z";
    const std::string level = line.value("level", "");
    std::string message = shown(line.value("message", ordered_json("")));
    if (message.size() > 1 && message.front() == '"' && message.find('\\') == std::string::npos)
      message = message.substr(1, message.size() - 2);
    const char* colour = level == "error" ? kRed : level == "warning" ? kYellow : kDim;
    std::string out = fmt::format("{} {} {}: {}", in(kDim, time), in(colour, fmt::format("{:<7}", level)),
                                  in(kCyan, line.value("component", "")), message);
    for (const auto& [key, value] : line.items()) {
      if (key == "time" || key == "level" || key == "component" || key == "message") continue;
      out += fmt::format(" {}{}", in(kDim, key + "="), shown(value));
    }
    fmt::print("{}\n", out);
  }

  const bool as_json_;
  const bool colours_;
};

Status show_logs(const Path& data, const LogsOptions& options, bool as_json) {
  if (!Env::system().exists(data / "VERSION"))
    return fail(Code::kNotFound, "there is no Millrace data in " + data.string() +
                                     "; give --data, or run this where `millrace up` runs");
  const LogSource source(data, options);
  const bool looking = !(options.since + options.until + options.text + options.record).empty();
  const std::size_t count = options.lines > 0 ? options.lines : looking ? kFoundLinesMax : kTailLines;
  LogPosition end;
  MILLRACE_ASSIGN(const std::vector<std::string> lines, source.newest(count, end));
  const LinePrinter print(as_json, on_terminal());
  for (const std::string& line : lines) print(line);
  if (options.follow) return source.follow(end, print);
  if (lines.empty())
    fmt::print(stderr, "no lines match; DATA/logs keeps the newest logging.keep bytes (64MiB) of {}\n",
               data.string());
  return {};
}

int run_logs(const CommonOptions& common, const LogsOptions& options) {
  StopSignals::release();
  const Result<Config> config = config_of(common);
  if (!config) return report_failure(config.error());
  if (Status shown = show_logs(config->data, options, common.json); !shown)
    return report_failure(shown.error());
  return kExitDone;
}

}  // namespace

void add_logs_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* logs = app.add_subcommand("logs", "Show what the server has logged, also when it is down");
  add_data_options(*logs, common);
  auto options = std::make_shared<LogsOptions>();
  logs->add_option(
      "--component", options->component,
      "only of: app, archive, collect, http, ingest, load, log, recommend, subscription, …; commas "
      "between several");
  logs->add_option("--level", options->level, "at least: debug, info, warning, error");
  logs->add_option("--since", options->since, "how long ago (90s, 10m, 24h) or a time (2026-01-31T12:00Z)");
  logs->add_option("--until", options->until, "likewise: older than this");
  logs->add_option("--grep", options->text, "lines with this text, capitals or not");
  logs->add_option("--record", options->record,
                   "lines about this record: TOPIC:PARTITION:OFFSET or a message id");
  logs->add_option("--lines,-n", options->lines,
                   "the newest so many (100; all that are found when looking for "
                   "something)");
  logs->add_flag("--follow,-f", options->follow, "go on with new lines until Ctrl-C, over restarts too");
  logs->add_flag("--json", common.json, "print JSON lines");
  logs->footer(
      "Examples:\n"
      "  millrace logs                                  the newest lines\n"
      "  millrace logs --level warning --since 1h       what was not as it should be\n"
      "  millrace logs --component load --follow        watch one part\n"
      "  millrace logs --record quarantine:0:17         what was said about a record; the dashboard's page "
      "Flow\n"
      "                                                 and the log_… columns of tables show such ids\n"
      "  millrace logs --record 7f3c-message-id         the same by the producer's message id\n"
      "  millrace logs --json --since 24h | jq .error   for programs");
  logs->callback([&common, &exit_code, options] { exit_code = run_logs(common, *options); });
}

}  // namespace millrace
