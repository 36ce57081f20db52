#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/ingest_client.h"
#include "base/text.h"

namespace millrace {
namespace {

using nlohmann::json;

struct ReplayCall {
  std::string from = "lake";
  std::string job = "load";
  std::string into;
};

/// Ask the server for a replay; return its result.
Result<json> call_replay(HttpClient& client, const ReplayCall& call, ProgressLine& line) {
  const json body = {{"from", call.from}, {"job", call.job}, {"into", call.into}};
  std::optional<Result<json>> outcome;
  const auto on_line = [&](std::string_view text) {
    const json parsed = json::parse(text, nullptr, false);
    if (!parsed.is_object()) return true;
    if (const auto found = parsed.find("progress"); found != parsed.end()) {
      line.show({.bytes_done = found->value("offsets_done", 0ull),
                 .bytes_total = found->value("offsets_total", 0ull),
                 .rows = found->value("records", 0ull),
                 .rows_per_second = found->value("records_per_second", 0.0)});
    }
    if (parsed.contains("result")) outcome = parsed["result"];
    if (parsed.contains("error")) outcome = fail(Code::kInvalid, parsed["error"].value("message", ""));
    return true;
  };
  MILLRACE_ASSIGN(const HttpResponse answer,
                  client.request_lines("POST", "/v1/replays", body.dump(), {}, on_line));
  MILLRACE_TRY(check_answer(answer));
  if (!outcome)
    return fail(Code::kIo, "the server ended before the replay did; the same command goes on with it");
  return *std::move(outcome);
}

int run_replay(const CommonOptions& common, const ReplayCall& call) {
  auto server = ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  const Result<json> result = [&] {
    ProgressLine line("replaying", common.json ? stderr : stdout);
    return call_replay((*server)->client(), call, line);
  }();
  if (!result) return report_failure(result.error());
  if (common.json) {
    fmt::print("{}\n", result->dump());
  } else {
    fmt::print("{} records read; {}.events has {} rows\n", with_thousands(result->value("records", 0ull)),
               call.into, with_thousands(result->value("rows", 0ull)));
  }
  return kExitDone;
}

}  // namespace

void add_replay_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("replay", "Run a job once more over the lake or the log");
  add_data_options(*command, common);
  auto call = std::make_shared<ReplayCall>();
  command->add_option("--from", call->from, "lake (all there is), an offset of each partition, or a time")
      ->capture_default_str();
  command->add_option("--job", call->job, "load: the tables of facts")->capture_default_str();
  command->add_option("--into", call->into, "schema that gets the tables, such as replay_june")->required();
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "The tables are those of docs/schema.md, in a schema of their own. Run again, it adds what came "
      "since.\n"
      "Examples:\n"
      "  millrace replay --from lake --into replay_check\n"
      "  millrace replay --from 2026-07-01T00:00:00Z --into replay_july\n"
      "  millrace sql \"SELECT count(*) FROM replay_july.events\"");
  command->callback([&common, &exit_code, call] { exit_code = run_replay(common, *call); });
}

}  // namespace millrace
