#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Status list_training_sets(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/training-sets"));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  if (answer["training_sets"].empty())
    fmt::print(
        "there are no training sets; add files training_sets/NAME.yaml to your project "
        "(docs/how-to/training-sets.md)\n");
  for (const Json& set : answer["training_sets"]) {
    if (set.contains("problem")) {
      fmt::print("{:<24} {}\n", set.value("name", ""), set.value("problem", ""));
      continue;
    }
    const bool made = set.contains("version");
    fmt::print("{:<24} {}  {}\n", set.value("name", ""),
               made ? fmt::format("{} {:>14}  {}", set.value("version", ""),
                                  counted(set.value("rows", 0ull), "row"), set.value("path", ""))
                    : "not made yet",
               set.value("description", ""));
  }
  return {};
}

/// Have one made; return its manifest.
Result<Json> build_one(HttpClient& client, const std::string& name, bool show) {
  return ask_long(client, "/v1/training-sets/" + url_encode(name), show ? name : "");
}

void print_made(const Json& set) {
  const auto left_out = [&](const char* member, const char* why) {
    const auto number = set.value(member, 0ull);
    return number == 0 ? std::string() : fmt::format("; {} left out: {}", counted(number, "label"), why);
  };
  const auto test = set.value("test_rows", 0ull);
  fmt::print("{}@{}: {}{} in {} of lake/{}{}{}\n", set.value("name", ""), set.value("version", ""),
             counted(set.value("rows", 0ull), "row"),
             test > 0 ? fmt::format(" ({} to test)", with_thousands(test)) : "",
             counted(set["files"].size(), "file"), set.value("path", ""),
             left_out("repeats_left_out", "the same key and time as another"),
             left_out("incomplete_left_out", "without a key or a time"));
}

Status build(HttpClient& client, std::vector<std::string> names, bool as_json) {
  std::vector<std::string> problems;  // of files that cannot be used; the others are built
  if (names.empty()) {
    MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/training-sets"));
    for (const Json& set : answer["training_sets"]) {
      if (set.contains("problem"))
        problems.push_back(set.value("problem", ""));
      else
        names.push_back(set.value("name", ""));
    }
    if (names.empty() && problems.empty()) return list_training_sets(client, as_json);
  }
  Json made = Json::array();
  for (const std::string& name : names) {
    MILLRACE_ASSIGN(Json one, build_one(client, name, !as_json));
    if (!as_json) print_made(one);
    made.push_back(std::move(one));
  }
  if (as_json) fmt::print("{}\n", Json{{"training_sets", made}}.dump());
  return problems.empty() ? Status() : fail(Code::kInvalid, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace

void add_training_set_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* sets = app.add_subcommand(
      "training-set", "Make the data that models learn from: labels with what was known before");
  sets->require_subcommand(1);
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* make = sets->add_subcommand("build", "Make training sets of the project, as Parquet in the lake");
  add_data_options(*make, common);
  make->add_option("NAME", *names, "of training_sets/NAME.yaml; none: all");
  make->add_flag("--json", common.json, "print the manifests");
  make->callback([&common, &exit_code, names] {
    exit_code = run_with_server(common, ServerConnection::Need::kNeedsData,
                                [&](HttpClient& client) { return build(client, *names, common.json); });
  });
  CLI::App* show = sets->add_subcommand("list", "Show them, with the newest version of each");
  add_data_options(*show, common);
  show->add_flag("--json", common.json, "print JSON");
  show->callback([&common, &exit_code] {
    exit_code = run_with_server(common, ServerConnection::Need::kNeedsData,
                                [&](HttpClient& client) { return list_training_sets(client, common.json); });
  });
  sets->footer(
      "Examples:\n"
      "  millrace training-set build ratings --project my-shop\n"
      "  millrace training-set list\n"
      "The files are ordinary Parquet: read them with pandas, DuckDB, Spark. docs/how-to/training-sets.md "
      "says how a\n"
      "set is declared.");
}

}  // namespace millrace
