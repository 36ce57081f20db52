#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/ingest_client.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct ExtractCall {
  std::string source;
  std::vector<std::string> tables;
  bool incremental = false;
  bool restart = false;
  bool list = false;
};

/// Ask the server for an extraction; return its result.
Result<Json> call_extract(HttpClient& client, const ExtractCall& call, ProgressLine& line) {
  std::optional<Result<Json>> outcome;
  const auto on_line = [&](std::string_view text) {
    const Json parsed = Json::parse(text, nullptr, false);
    if (!parsed.is_object()) return true;
    if (const auto found = parsed.find("progress"); found != parsed.end()) {
      line.show({.file = found->value("table", ""),
                 .bytes_done = found->value("rows", 0ull),
                 .bytes_total = found->value("rows_total", 0ull),
                 .rows = found->value("rows", 0ull),
                 .rows_per_second = found->value("rows_per_second", 0.0)});
    }
    if (parsed.contains("result")) outcome = parsed["result"];
    if (parsed.contains("error")) outcome = fail(Code::kInvalid, parsed["error"].value("message", ""));
    return true;
  };
  const Json body = {{"source", call.source},
                     {"tables", call.tables},
                     {"incremental", call.incremental},
                     {"restart", call.restart}};
  MILLRACE_ASSIGN(const HttpResponse answer,
                  client.request_lines("POST", "/v1/extracts", body.dump(), {}, on_line));
  MILLRACE_TRY(check_answer(answer));
  if (!outcome)
    return fail(Code::kIo,
                "the server ended before the extraction did; give the same command again, it goes on");
  return *std::move(outcome);
}

std::string number(const Json& object, const char* name) {
  return with_thousands(object.value(name, 0ull));
}

void print_extract(const ExtractCall& call, const Json& result) {
  for (const Json& table : result["tables"]) {
    const std::string name = call.source + "." + table["table"].get<std::string>();
    if (!table["error"].is_null()) {
      fmt::print(stderr, "{}: not extracted: {}\n", name, table["error"].get<std::string>());
      continue;
    }
    const std::string mode = table["mode"];
    fmt::print("{}: {} rows{}\n", name, number(table, "rows"),
               mode == "changes"   ? " that may have changed"
               : mode == "resumed" ? " more, of a snapshot that had broken off"
                                   : "");
    if (table.value("rejected", 0ull) > 0)
      fmt::print(
          "  {} of its values fit no type and are NULL: SELECT * FROM {}._rejected WHERE table_name = {}\n",
          number(table, "rejected"), call.source, sql_literal(table["table"].get<std::string>()));
  }
  fmt::print("{} rows, {} MB read from {}\n", number(result, "rows"),
             with_thousands(result.value("bytes", 0ull) >> 20), call.source);
}

void print_follow(const Json& follow) {
  fmt::print(
      "  followed: {}{}{}\n", follow["state"].get<std::string>(),
      follow.contains("commit_time") ? ", last change of " + follow["commit_time"].get<std::string>() : "",
      follow["error"].is_null() ? "" : ": " + follow["error"].get<std::string>());
  for (const auto& [table, problem] : follow["problems"].items())
    fmt::print("  {} is not followed: {}\n", table, problem.get<std::string>());
}

void print_extracts(const Json& sources) {
  if (sources.empty()) fmt::print("there are no sources; docs/how-to/sources.md shows how to name one\n");
  for (const Json& source : sources) {
    fmt::print("{}  {}{}\n", source["source"].get<std::string>(), source["address"].get<std::string>(),
               source["running"].get<bool>() ? "  running" : "");
    if (source.contains("follow")) print_follow(source["follow"]);
    for (const Json& table : source["tables"]) {
      fmt::print("  {}  {} rows{}{}\n", table["table"].get<std::string>(), number(table, "rows"),
                 table.contains("loaded_time") ? "  as of " + table["loaded_time"].get<std::string>() : "",
                 table.contains("unfinished_rows")
                     ? "  a snapshot broke off at " + number(table, "unfinished_rows")
                     : "");
    }
  }
}

Result<Json> extract(HttpClient& client, const ExtractCall& call, bool as_json) {
  Result<Json> result = [&] {
    ProgressLine line("extracting", as_json ? stderr : stdout);
    return call_extract(client, call, line);
  }();
  if (result && !as_json) print_extract(call, *result);
  return result;
}

Result<Json> list_extracts(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const HttpResponse answer, client.get("/v1/extracts"));
  MILLRACE_TRY(check_answer(answer));
  Json parsed = Json::parse(answer.body);
  if (!as_json) print_extracts(parsed["sources"]);
  return parsed;
}

int run_extract(const CommonOptions& common, const ExtractCall& call) {
  if (call.source.empty() && !call.list)
    return report_failure({Code::kInvalid, "name a source of millrace.yaml, or give --list", ""});
  auto server = ServerConnection::open(common, ServerConnection::Need::kMayBeNew);
  if (!server) return report_failure(server.error());
  HttpClient& client = (*server)->client();
  const Result<Json> result =
      call.list ? list_extracts(client, common.json) : extract(client, call, common.json);
  if (!result) return report_failure(result.error());
  if (common.json) fmt::print("{}\n", result->dump());
  return !call.list && result->value("failed_tables", 0ull) > 0 ? kExitFailed : kExitDone;
}

constexpr const char* kExtractFooter =
    "Reads tables of a MySQL or MariaDB database that millrace.yaml names under sources, all as they were at "
    "one\n"
    "moment, into tables of the schema SOURCE. A reading that broke off goes on with the same command.\n"
    "Examples:\n"
    "  millrace extract shop --project my-shop\n"
    "  millrace extract shop --tables orders,customers --incremental\n"
    "  millrace sql \"SELECT count(*) FROM shop.orders\"\n"
    "  millrace extract --list";

}  // namespace

void add_extract_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("extract", "Read tables of a MySQL or MariaDB database into the warehouse");
  add_data_options(*command, common);
  auto call = std::make_shared<ExtractCall>();
  command->add_option("SOURCE", call->source, "the source's name in millrace.yaml");
  command->add_option("--tables", call->tables, "only these, divided by commas")->delimiter(',');
  command->add_flag("--incremental", call->incremental,
                    "tables with a cursor: only rows that came or changed since the last time");
  command->add_flag("--restart", call->restart, "begin a snapshot anew that broke off");
  command->add_flag("--list", call->list, "show the sources and what there is of them");
  command->add_flag("--json", common.json, "print JSON");
  command->footer(kExtractFooter);
  command->callback([&common, &exit_code, call] { exit_code = run_extract(common, *call); });
}

}  // namespace millrace
