#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct QuarantineCall {
  std::vector<std::string> records;
  bool all = false;
  std::string state, stage, code, source, text, since, until;
  std::string mend;
  std::string note;
  bool groups = false;
  bool dry_run = false;
  int lines = 20;

  Json filter() const {
    Json filter = Json::object();
    const auto add = [&](const char* name, const std::string& value) {
      if (!value.empty()) filter[name] = value;
    };
    add("state", state);
    add("stage", stage);
    add("code", code);
    add("source", source);
    add("q", text);
    add("since", since);
    add("until", until);
    return filter;
  }

  std::string query() const {
    std::string query;
    const Json said = filter();
    for (const auto& [name, value] : said.items())
      query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, url_encode(value.get<std::string>()));
    return query;
  }
};

/// Rows of {"columns","rows"} as objects.
std::vector<Json> objects_of(const Json& answer) {
  std::vector<Json> objects;
  for (const Json& row : answer["rows"]) {
    Json& object = objects.emplace_back(Json::object());
    for (std::size_t i = 0; i < row.size(); ++i) object[answer["columns"][i]["name"]] = row[i];
  }
  return objects;
}

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// "batch[3].price: must be a number"
std::string reason_of(const Json& entry) {
  const std::string where = text_in(entry, "where");
  return (where.empty() ? "" : where + ": ") + text_in(entry, "message");
}

Status list_groups(HttpClient& client, const QuarantineCall& call, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/quarantine/groups" + call.query()));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  const auto groups = objects_of(answer);
  if (groups.empty()) fmt::print("nothing of that kind is in the quarantine\n");
  for (const Json& group : groups)
    fmt::print("{:>8}  {:<10} {}  ({}, from {}, newest {})\n", group["records"].dump(),
               text_in(group, "stage"), text_in(group, "message"), text_in(group, "code"),
               text_in(group, "source"), text_in(group, "newest"));
  return {};
}

Status list_quarantines(HttpClient& client, const QuarantineCall& call, bool as_json) {
  if (call.groups) return list_groups(client, call, as_json);
  std::string query = call.query();
  query += fmt::format("{}limit={}", query.empty() ? "?" : "&", call.lines);
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/quarantine" + query));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  const auto entries = objects_of(answer);
  if (entries.empty()) fmt::print("nothing of that kind is in the quarantine\n");
  for (const Json& entry : entries)
    fmt::print("{}  {}  {:<8}  {}: {}{}\n", text_in(entry, "record"), text_in(entry, "received_time"),
               text_in(entry, "state"), text_in(entry, "stage"), reason_of(entry),
               text_in(entry, "note").empty() ? "" : "  [" + text_in(entry, "note") + "]");
  if (!answer["cursor"].is_null()) fmt::print("… and older ones: -n takes more, or narrow it down\n");
  return {};
}

Status show(HttpClient& client, const std::string& record, bool as_json) {
  MILLRACE_ASSIGN(const Json answer,
                  ask(client, "POST", "/v1/quarantine/try", Json{{"records", {record}}}.dump()));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  const Json& outcome = answer["outcomes"].front();
  if (!outcome.contains("before")) return fail(Code::kNotFound, record + " is not in the quarantine");
  fmt::print("{}\n", text_in(outcome, "before"));
  if (outcome.contains("error"))
    fmt::print(stderr, "as it is: {}\n", text_in(outcome["error"], "message"));
  else
    fmt::print(stderr, "as it is, it could be replayed\n");
  return {};
}

void print_outcome(const Json& outcome, bool texts) {
  const std::string record = text_in(outcome, "record");
  if (texts && outcome.contains("before")) fmt::print("{}\n  - {}\n", record, text_in(outcome, "before"));
  if (texts && outcome.contains("after")) fmt::print("  + {}\n", text_in(outcome, "after"));
  if (outcome.contains("error"))
    fmt::print("{}: {}\n", texts ? "  stays" : record + " stays", text_in(outcome["error"], "message"));
  else if (texts)
    fmt::print("  would be taken in\n");
}

/// Act on all that is meant, a part at a time.
Result<Json> act_on_all(HttpClient& client, const std::string& target, const QuarantineCall& call,
                        bool as_json) {
  Json body = call.all ? Json{{"filter", call.filter()}} : Json{{"records", call.records}};
  if (!call.mend.empty()) body["mend"] = call.mend;
  if (!call.note.empty()) body["note"] = call.note;
  if (call.dry_run) body["limit"] = call.lines;
  Json all = {{"done", 0}, {"failed", 0}, {"outcomes", Json::array()}};
  for (bool more = true; more;) {
    MILLRACE_ASSIGN(const Json part, ask(client, "POST", target, body.dump()));
    all["done"] = all["done"].get<std::uint64_t>() + part["done"].get<std::uint64_t>();
    all["failed"] = all["failed"].get<std::uint64_t>() + part["failed"].get<std::uint64_t>();
    for (const Json& outcome : part["outcomes"]) {
      if (as_json)
        all["outcomes"].push_back(outcome);
      else
        print_outcome(outcome, call.dry_run);
    }
    more = !part["cursor"].is_null() && !call.dry_run;
    body["cursor"] = part["cursor"];
  }
  return all;
}

Status act(HttpClient& client, const std::string& verb, const std::string& words, const QuarantineCall& call,
           bool as_json) {
  if (call.all == !call.records.empty())
    return fail(Code::kInvalid,
                "name records, or say --all with what they have in common (--code, --source, …)");
  const std::string target = "/v1/quarantine/" + (call.dry_run ? "try" : verb);
  MILLRACE_ASSIGN(const Json result, act_on_all(client, target, call, as_json));
  if (as_json) {
    fmt::print("{}\n", result.dump());
    return {};
  }
  const auto done = result["done"].get<std::uint64_t>(), failed = result["failed"].get<std::uint64_t>();
  fmt::print("{} {}", counted(done, "record"), call.dry_run ? "would be taken in" : words);
  if (failed > 0) fmt::print(", {} stay", with_thousands(failed));
  fmt::print("\n");
  return {};
}

void add_filter(CLI::App& command, const std::shared_ptr<QuarantineCall>& call) {
  command.add_option("--stage", call->stage,
                     "where it was refused: collect, ingest, decode, load, transform");
  command.add_option("--code", call->code, "the kind of mistake, such as invalid");
  command.add_option("--source", call->source, "who sent it");
  command.add_option("--text", call->text, "in the reason, the place, the message id or the bytes");
  command.add_option("--since", call->since, "how long ago (90s, 10m, 24h) or a time (2026-01-31T12:00Z)");
  command.add_option("--until", call->until, "likewise: older than this");
}

CLI::App* add_action(CLI::App& quarantine, CommonOptions& common, const std::shared_ptr<QuarantineCall>& call,
                     const char* name, const char* what) {
  CLI::App* command = quarantine.add_subcommand(name, what);
  add_data_options(*command, common);
  command->add_option("RECORD", call->records, "their ids, such as quarantine:0:17");
  command->add_flag("--all", call->all, "instead: all for which what follows holds");
  add_filter(*command, call);
  command->add_flag("--json", common.json, "print JSON");
  return command;
}

void add_list(CLI::App& quarantine, CommonOptions& common, int& exit_code,
              const std::shared_ptr<QuarantineCall>& call) {
  CLI::App* command = quarantine.add_subcommand("list", "Show what waits, the newest first");
  add_data_options(*command, common);
  command->add_option("--state", call->state, "waiting (unless said), replayed, dropped, all");
  add_filter(*command, call);
  command->add_flag("--groups", call->groups, "alike ones together, with their number");
  command->add_option("--lines,-n", call->lines, "so many")->check(CLI::Range(1, 500))->capture_default_str();
  command->add_flag("--json", common.json, "print JSON");
  command->callback([&common, &exit_code, call] {
    exit_code = run_with_server(common, ServerConnection::Need::kNeedsData, [&](HttpClient& client) {
      return list_quarantines(client, *call, common.json);
    });
  });
  CLI::App* one = quarantine.add_subcommand("show", "Print a record as it came, and what is wrong with it");
  add_data_options(*one, common);
  one->add_option("RECORD", call->records, "its id")->required()->expected(1);
  one->add_flag("--json", common.json, "print JSON");
  one->callback([&common, &exit_code, call] {
    exit_code = run_with_server(common, ServerConnection::Need::kNeedsData, [&](HttpClient& client) {
      return show(client, call->records.front(), common.json);
    });
  });
}

void add_actions(CLI::App& quarantine, CommonOptions& common, int& exit_code,
                 const std::shared_ptr<QuarantineCall>& call) {
  const auto does = [&](CLI::App* command, const char* verb, const char* words) {
    command->callback([&common, &exit_code, call, verb, words] {
      exit_code = run_with_server(common, ServerConnection::Need::kNeedsData, [&](HttpClient& client) {
        return act(client, verb, words, *call, common.json);
      });
    });
  };
  CLI::App* replay = add_action(quarantine, common, call, "replay", "Have records taken in, mended or not");
  replay->add_option("--mend", call->mend, "a SQL expression over data and attributes: the mended text");
  replay->add_flag("--dry-run", call->dry_run, "show each before and after, and change nothing");
  replay->add_option("--lines,-n", call->lines, "of a dry run: so many")->check(CLI::Range(1, 500));
  replay->add_option("--note", call->note, "why, for those who look later");
  replay->footer(
      "Examples:\n"
      "  millrace quarantine replay quarantine:0:17\n"
      "  millrace quarantine replay --all --source web --dry-run \\\n"
      "    --mend \"json_merge_patch(data, '{\\\"type\\\":\\\"track\\\"}')\"\n"
      "In a mend, data is the record as JSON (NULL when it is none) and attributes->>'raw' its text.");
  does(replay, "replay", "taken in");
  CLI::App* drop = add_action(quarantine, common, call, "drop", "Note that records need nothing more");
  drop->add_option("--note", call->note, "why, for those who look later")->required();
  does(drop, "drop", "dropped; their bytes stay");
  does(add_action(quarantine, common, call, "reopen", "Have dropped records wait again"), "reopen",
       "waiting");
}

}  // namespace

void add_quarantine_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* quarantine =
      app.add_subcommand("quarantine", "What was refused: look through it, mend it, have it taken in");
  quarantine->require_subcommand(1);
  auto call = std::make_shared<QuarantineCall>();
  add_list(*quarantine, common, exit_code, call);
  add_actions(*quarantine, common, exit_code, call);
  quarantine->footer(
      "A first look:\n"
      "  millrace quarantine list --groups        what kinds of mistakes there are\n"
      "  millrace quarantine list --code invalid  the newest of one\n"
      "  millrace quarantine show quarantine:0:17");
}

}  // namespace millrace
