#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct RunCall {
  std::string what;
  std::vector<std::string> select;
  bool full = false;
  bool list = false;
  std::string from;
  std::string to;
};

Json body_of(const RunCall& call) {
  Json body = {{"select", Json::array()}, {"full", call.full}};
  for (const auto& one : call.select) body["select"].push_back(one);
  if (!call.from.empty()) body["from"] = call.from;
  if (!call.to.empty()) body["to"] = call.to;
  return body;
}

/// Ask the server to run transforms; return its result.
Result<Json> call_run(HttpClient& client, const RunCall& call, bool show) {
  std::optional<Result<Json>> outcome;
  const auto on_line = [&](std::string_view text) {
    const Json parsed = Json::parse(text, nullptr, false);
    if (!parsed.is_object()) return true;
    if (const auto found = parsed.find("progress"); found != parsed.end() && show && on_terminal()) {
      const auto total = found->value("intervals_total", 0ull);
      fmt::print(
          "\r\x1b[K{}{}", found->value("name", ""),
          total > 0 ? fmt::format("  {} of {} intervals", found->value("intervals_done", 0ull), total) : "");
      std::fflush(stdout);
    }
    if (parsed.contains("result")) outcome = parsed["result"];
    if (parsed.contains("error")) outcome = fail(Code::kInvalid, parsed["error"].value("message", ""));
    return true;
  };
  MILLRACE_ASSIGN(const HttpResponse answer,
                  client.request_lines("POST", "/v1/transforms/run", body_of(call).dump(), {}, on_line));
  if (show && on_terminal()) fmt::print("\r\x1b[K");
  MILLRACE_TRY(check_answer(answer));
  if (!outcome)
    return fail(Code::kIo,
                "the server ended before the run did; what was filled stays: give the same command again");
  return *std::move(outcome);
}

std::string number(const Json& object, const char* name) {
  return with_thousands(object.value(name, 0ull));
}

void print_outcome(const Json& result) {
  if (result["transforms"].empty())
    fmt::print(
        "there are no transforms; add files transforms/NAME.sql to your project "
        "(docs/how-to/transforms.md)\n");
  for (const Json& one : result["transforms"]) {
    const auto state = one.value("state", "");
    const auto intervals = one.value("intervals", 0ull);
    const auto error = one.value("error", "");
    fmt::print("{:<8} {:<28} {:>14} rows {:>9.2f} s{}{}\n", state, one.value("name", ""), number(one, "rows"),
               one.value("seconds", 0.0), intervals > 0 ? fmt::format("  {} intervals", intervals) : "",
               error.empty() ? "" : "\n         " + error);
  }
  for (const Json& note : result["notes"]) fmt::print("note: {}\n", note.get<std::string>());
}

void print_transforms(const Json& transforms) {
  for (const Json& one : transforms) {
    std::string filled;
    if (one.contains("filled_from"))
      filled = fmt::format("  {} to {}", one["filled_from"].get<std::string>(),
                           one["filled_to"].get<std::string>());
    if (one.value("stale", 0ull) > 0)
      filled += fmt::format("  {} intervals to be made", one.value("stale", 0ull));
    const auto error = one.value("error", "");
    fmt::print("{:<10} {:<38} {:>14} rows{}{}\n", one.value("state", ""), one.value("table", ""),
               number(one, "rows"), filled, error.empty() ? "" : "\n           " + error);
  }
  if (transforms.empty())
    fmt::print("there are no transforms; docs/how-to/transforms.md shows how to add one\n");
}

bool all_done(const Json& result) {
  for (const Json& one : result["transforms"])
    if (one.value("state", "") != "done") return false;
  return true;
}

Result<Json> list_transforms(HttpClient& client) {
  MILLRACE_ASSIGN(const HttpResponse answer, client.get("/v1/transforms"));
  MILLRACE_TRY(check_answer(answer));
  return Json::parse(answer.body);
}

int print_page(HttpClient& client) {
  const auto answer = client.get("/v1/transforms/page");
  if (!answer) return report_failure(answer.error());
  if (const Status fine = check_answer(*answer); !fine) return report_failure(fine.error());
  fmt::print("{}", answer->body);
  return kExitDone;
}

int run_run(const CommonOptions& common, const RunCall& call) {
  if (!call.list && call.what != "transforms" && call.what != "docs") {
    fmt::print(stderr, "millrace: run takes 'transforms', 'docs' or --list; see millrace run --help\n");
    return kExitUsage;
  }
  auto server = ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  HttpClient& client = (*server)->client();
  if (call.what == "docs") return print_page(client);
  const Result<Json> result = call.list ? list_transforms(client) : call_run(client, call, !common.json);
  if (!result) return report_failure(result.error());
  if (common.json) {
    fmt::print("{}\n", result->dump());
  } else if (call.list) {
    print_transforms((*result)["transforms"]);
  } else {
    print_outcome(*result);
  }
  return call.list || all_done(*result) ? kExitDone : kExitFailed;
}

constexpr const char* kRunFooter =
    "Makes the tables of PROJECT/transforms/*.sql in the schema analytics: what has new facts, was never "
    "made or\n"
    "whose SQL changed. A server that runs reads its own project's files, as they are now.\n"
    "Examples:\n"
    "  millrace run transforms --project my-shop\n"
    "  millrace run transforms --select sales_by_day            one of them\n"
    "  millrace run transforms --select +sales_by_day           and what it needs\n"
    "  millrace run transforms --select visits+ --full          and what needs it, everything anew\n"
    "  millrace run transforms --from 2026-07-01 --to 2026-07-08\n"
    "  millrace run --list\n"
    "  millrace run docs > analyst-schema.md                    a page on the tables: diagram, columns, "
    "origins\n"
    "  millrace sql \"SELECT * FROM analytics.sales_by_day\"";

}  // namespace

void add_run_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("run", "Make the tables that a project declares as SQL");
  add_data_options(*command, common);
  auto call = std::make_shared<RunCall>();
  command->add_option("what", call->what, "transforms, or docs");
  command
      ->add_option("--select", call->select, "NAME, +NAME with what it needs, NAME+ with what needs it; all")
      ->delimiter(',');
  command->add_flag("--full", call->full, "make all anew, also what is filled");
  command->add_option("--from", call->from, "only intervals from this time on, filled or not");
  command->add_option("--to", call->to, "only intervals before this time");
  command->add_flag("--list", call->list, "show the transforms, how far they are, and what went wrong");
  command->add_flag("--json", common.json, "print JSON");
  command->footer(kRunFooter);
  command->callback([&common, &exit_code, call] { exit_code = run_run(common, *call); });
}

}  // namespace millrace
