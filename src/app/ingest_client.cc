#include "app/ingest_client.h"

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kLineInterval = 5 * kSecondUs;
constexpr int kBarWidth = 24;

IngestCallProgress progress_of(const Json& line) {
  return {line.value("file", ""), line.value("bytes_done", 0ull), line.value("bytes_total", 0ull),
          line.value("rows", 0ull), line.value("rows_per_second", 0.0)};
}

}  // namespace

Result<std::string> call_ingest(HttpClient& client, IngestCall call,
                                const std::function<void(const IngestCallProgress&)>& on_progress) {
  for (std::string& file : call.files) file = std::filesystem::absolute(file).string();
  if (!call.map.empty()) call.map = std::filesystem::absolute(call.map).string();
  const Json body = {{"format", call.format},
                     {"files", call.files},
                     {"map", call.map},
                     {"source", call.source},
                     {"again", call.again}};
  std::optional<Result<std::string>> outcome;
  const auto on_line = [&](std::string_view text) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) return true;
    if (line.contains("progress")) on_progress(progress_of(line["progress"]));
    if (line.contains("result")) outcome = line["result"].dump();
    if (line.contains("error")) outcome = fail(Code::kInvalid, line["error"].value("message", ""));
    return true;
  };
  MILLRACE_ASSIGN(const HttpResponse answer,
                  client.request_lines("POST", "/v1/ingest", body.dump(), {}, on_line));
  MILLRACE_TRY(check_answer(answer));
  if (!outcome) return fail(Code::kIo, "the server ended before it had finished");
  return *std::move(outcome);
}

ProgressLine::ProgressLine(std::string what, std::FILE* to)
    : what_(std::move(what)),
      to_(to),
      redraw_(isatty(fileno(to)) == 1),
      started_us_(Env::system().steady_now()) {}

ProgressLine::~ProgressLine() {
  if (redraw_ && shown_us_ != 0) fmt::print(to_, "\r\x1b[K");
  std::fflush(to_);
}

void ProgressLine::show(const IngestCallProgress& progress) {
  const DurationUs now = Env::system().steady_now();
  if (!redraw_ && now - std::max(shown_us_, started_us_) < kLineInterval) return;
  shown_us_ = now;
  const double done = progress.bytes_total == 0 ? 1
                                                : static_cast<double>(progress.bytes_done) /
                                                      static_cast<double>(progress.bytes_total);
  const double elapsed_s = static_cast<double>(now - started_us_) / kSecondUs;
  const double left_s = done > 0 ? elapsed_s * (1 - done) / done : 0;
  const auto filled = static_cast<std::size_t>(done * kBarWidth);
  std::string bar = std::string(filled, '=') + std::string(kBarWidth - filled, ' ');
  fmt::print(to_, "{}{} [{}] {:3.0f} %  {} rows  {}/s  {:.0f} s left{}", redraw_ ? "\r" : "", what_, bar,
             done * 100, with_thousands(progress.rows),
             with_thousands(static_cast<std::uint64_t>(progress.rows_per_second)), left_s,
             redraw_ ? "\x1b[K" : "\n");
  std::fflush(to_);
}

}  // namespace millrace
