#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/ingest_client.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct ReplayCall {
  std::string from;
  std::string to;
  std::string job = "load";
  std::string into;
  bool list = false;
  std::string drop;
};

Json body_of(const ReplayCall& call) {
  Json body = {{"job", call.job}};
  if (!call.from.empty()) body["from"] = call.from;
  if (!call.to.empty()) body["to"] = call.to;
  if (!call.into.empty()) body["into"] = call.into;
  return body;
}

/// Ask the server for a replay; return its result.
Result<Json> call_replay(HttpClient& client, const ReplayCall& call, ProgressLine& line) {
  std::optional<Result<Json>> outcome;
  const auto on_line = [&](std::string_view text) {
    const Json parsed = Json::parse(text, nullptr, false);
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
                  client.request_lines("POST", "/v1/replays", body_of(call).dump(), {}, on_line));
  MILLRACE_TRY(check_answer(answer));
  if (!outcome) return fail(Code::kIo, "the server ended before the replay did; give the same command again");
  return *std::move(outcome);
}

std::string counted(const Json& object, const char* name, std::string_view singular) {
  return millrace::counted(object.value(name, 0ull), singular);
}

void print_replay(const ReplayCall& call, const Json& result) {
  const std::string replaced = with_thousands(result.value("replaced", 0ull));
  const std::string read = counted(result, "records", "record") + " read";
  if (call.job == "curate") {
    fmt::print("{} written to {}, which took the place of {}\n", counted(result, "records", "row"),
               counted(result, "files", "file"), replaced);
  } else if (call.into == "main") {
    fmt::print("{}; {} of events took the place of {}\n", read, counted(result, "rows", "row"), replaced);
  } else {
    fmt::print("{}; {}.events has {}\n", read, call.into, counted(result, "rows", "row"));
  }
}

void print_replays(const Json& replays) {
  if (replays.empty()) fmt::print("there are no replays; millrace replay --help shows how to make one\n");
  for (const Json& replay : replays) {
    std::string position;
    for (const auto& [partition, next] : replay["position"].items())
      if (next.get<std::uint64_t>() > 0)
        position += fmt::format(" {}:{}", partition, next.get<std::uint64_t>());
    fmt::print("{}  from {}  {}{}  at{}\n", replay["schema"].get<std::string>(),
               replay["from"].get<std::string>(), counted(replay, "rows", "row"),
               replay["running"].get<bool>() ? "  running" : "",
               position.empty() ? " its beginning" : position);
  }
}

Result<Json> list_replays(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(Json answer, ask(client, "GET", "/v1/replays"));
  if (!as_json) print_replays(answer["replays"]);
  return answer;
}

Result<Json> drop(HttpClient& client, const std::string& schema, bool as_json) {
  MILLRACE_ASSIGN(Json answer, ask(client, "DELETE", "/v1/replays/" + url_encode(schema)));
  if (!as_json) fmt::print("{} is gone\n", schema);
  return answer;
}

Result<Json> replay(HttpClient& client, const ReplayCall& call, bool as_json) {
  Result<Json> result = [&] {
    ProgressLine line("replaying", as_json ? stderr : stdout);
    return call_replay(client, call, line);
  }();
  if (result && !as_json) print_replay(call, *result);
  return result;
}

int run_replay(const CommonOptions& common, const ReplayCall& call) {
  auto server = ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  HttpClient& client = (*server)->client();
  const Result<Json> result = call.list            ? list_replays(client, common.json)
                              : !call.drop.empty() ? drop(client, call.drop, common.json)
                                                   : replay(client, call, common.json);
  if (!result) return report_failure(result.error());
  if (common.json) fmt::print("{}\n", result->dump());
  return kExitDone;
}

constexpr const char* kReplayFooter =
    "Into a schema replay_NAME: its tables are those of docs/schema.md, with the aggregations. Run again, it "
    "adds\n"
    "what came since.\n"
    "Into main: REWRITES THE LIVE TABLES. The rows of the range are made anew beside and take the place of "
    "the old\n"
    "ones in one transaction, for instance after a mended decoder. Needs --from.\n"
    "Examples:\n"
    "  millrace replay --from lake --into replay_check\n"
    "  millrace sql \"SELECT count(*) FROM replay_check.events\"\n"
    "  millrace replay --from 2026-07-01T09:00:00Z --to 2026-07-01T12:00:00Z --into main\n"
    "  millrace replay --job curate --from 2026-07-01T09:00:00Z --to 2026-07-01T12:00:00Z\n"
    "  millrace replay --list\n"
    "  millrace replay --drop replay_check";

}  // namespace

void add_replay_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("replay", "Run a job once more over the lake or the log");
  add_data_options(*command, common);
  auto call = std::make_shared<ReplayCall>();
  command->add_option(
      "--from", call->from,
      "lake (all there is), an offset of each partition, or a time of receipt; lake unless into "
      "main");
  command->add_option("--to", call->to,
                      "an offset or a time, not itself part of it; else where the log ends");
  command
      ->add_option(
          "--job", call->job,
          "load: the tables of facts; curate: the Parquet files of closed hours, which --from and --to "
          "name by event time")
      ->capture_default_str();
  auto* into = command->add_option(
      "--into", call->into, "schema that gets the tables, such as replay_june, or main: the live tables");
  auto* list =
      command->add_flag("--list", call->list, "show the schemas of replays, from where, and how far");
  auto* drop = command->add_option("--drop", call->drop, "drop the schema of a replay");
  list->excludes(into)->excludes(drop);
  drop->excludes(into);
  command->add_flag("--json", common.json, "print JSON");
  command->footer(kReplayFooter);
  command->callback([&common, &exit_code, call] { exit_code = run_replay(common, *call); });
}

}  // namespace millrace
