#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kReadyLimit = kMinuteUs;

struct Options {
  std::vector<std::string> features;
  std::vector<std::string> entities;  ///< NAME=VALUE
  std::string view;
  std::uint64_t sample = 1'000;
  bool all = false;
};

Result<Json> answer_of(Result<HttpResponse> answer) {
  if (!answer) return fail(answer.error());
  MILLRACE_TRY(check_answer(*answer));
  return Json::parse(answer->body);
}

std::string freshness(const Json& view) {
  if (view.value("kind", "") == "flow") return "as it happens";
  return fmt::format("every {} s", view["refresh_s"].dump());
}

Result<int> list_features(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, answer_of(client.get("/v1/features")));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return kExitDone;
  }
  if (answer["views"].empty())
    fmt::print(
        "there are no features; add files features/NAME.yaml to your project (docs/how-to/features.md)\n");
  for (const Json& view : answer["views"]) {
    std::string entities;
    for (const Json& entity : view["entities"])
      entities += (entities.empty() ? "" : ", ") + entity.get<std::string>();
    fmt::print("{} of {} ({}; {}): {}\n", view.value("name", ""), entities, view.value("owner", ""),
               freshness(view), view.value("description", ""));
    for (const Json& feature : view["features"])
      fmt::print("  {:<24} {:<14} {}\n", feature.value("name", ""), feature.value("type", ""),
                 feature.value("description", ""));
    if (view["online"].contains("problem"))
      fmt::print("  cannot be read: {}\n", view["online"].value("problem", ""));
  }
  return kExitDone;
}

/// "visitor=anna" and "visitor=bert" are two rows.
Result<Json> entities_of(const std::vector<std::string>& texts) {
  Json entities = Json::object();
  for (const std::string& text : texts) {
    const auto at = text.find('=');
    if (at == std::string::npos || at == 0)
      return fail(Code::kInvalid, "give entities as NAME=VALUE, such as visitor=anna", text);
    entities[text.substr(0, at)].push_back(text.substr(at + 1));
  }
  if (entities.empty()) return fail(Code::kInvalid, "say of whom: --entity NAME=VALUE");
  return entities;
}

Result<int> get(HttpClient& client, const Options& options, bool as_json) {
  MILLRACE_ASSIGN(const Json entities, entities_of(options.entities));
  const Json body = {{"features", options.features}, {"entities", entities}};
  MILLRACE_ASSIGN(const Json answer, answer_of(client.request("POST", "/v1/features/online", body.dump(),
                                                              {{"Content-Type", "application/json"}})));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return kExitDone;
  }
  const Json& names = answer["metadata"]["feature_names"];
  const std::size_t rows = answer["results"].empty() ? 0 : answer["results"][0]["values"].size();
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Json& column = answer["results"][i];
      const std::string status = column["statuses"][row].get<std::string>();
      fmt::print("{}{}={}", i == 0 ? "" : "  ", names[i].get<std::string>(),
                 status == "PRESENT" ? column["values"][row].dump() : status);
    }
    fmt::print("\n");
  }
  return kExitDone;
}

Result<int> parity(HttpClient& client, const Options& options, bool as_json) {
  Json body = {{"entities", options.sample}, {"all", options.all}};
  if (!options.view.empty()) body["view"] = options.view;
  MILLRACE_ASSIGN(const Json answer, answer_of(client.request("POST", "/v1/features/parity", body.dump(),
                                                              {{"Content-Type", "application/json"}})));
  const bool equal = answer.value("equal", false);
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return equal ? kExitDone : kExitFailed;
  }
  for (const Json& view : answer["views"]) {
    fmt::print(
        "{}: {} of {} as of {}: {}\n", view.value("view", ""), counted(view.value("values", 0ull), "value"),
        view.value("entities", 0ull) == 1 ? "1 entity"
                                          : with_thousands(view.value("entities", 0ull)) + " entities",
        view.value("at", ""),
        view.value("different", 0ull) == 0 ? "equal"
                                           : with_thousands(view.value("different", 0ull)) + " differ");
    for (const Json& difference : view["differences"])
      fmt::print("  {} of {}: online {}, offline {}\n", difference.value("feature", ""),
                 difference["entity"].dump(), difference["online"].dump(), difference["offline"].dump());
  }
  return equal ? kExitDone : kExitFailed;
}

template <class Work>
int run_when_ready(const CommonOptions& common, Work work) {
  auto server = ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  if (const Status ready = (*server)->wait_ready(kReadyLimit); !ready) return report_failure(ready.error());
  const Result<int> done = work((*server)->client());
  return done ? *done : report_failure(done.error());
}

}  // namespace

void add_features_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* features =
      app.add_subcommand("features", "Look up what is known of people and things, as models see it");
  features->require_subcommand(1);
  auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* what, auto work) {
    CLI::App* command = features->add_subcommand(name, what);
    add_data_options(*command, common);
    command->add_flag("--json", common.json, "print JSON");
    command->callback([&common, &exit_code, options, work] {
      exit_code =
          run_when_ready(common, [&](HttpClient& client) { return work(client, *options, common.json); });
    });
    return command;
  };
  add("list", "Show the project's features, with owner and type",
      [](HttpClient& client, const Options&, bool as_json) { return list_features(client, as_json); });
  CLI::App* show = add("get", "Show features of entities, as they are now", get);
  show->add_option("FEATURE", options->features, "VIEW:FEATURE, or VIEW for all of its features")->required();
  show->add_option("--entity,-e", options->entities, "NAME=VALUE; again for another row")->required();
  CLI::App* check =
      add("parity", "Compare what is served with what training gets; exit 1 when they differ", parity);
  check->add_option("VIEW", options->view, "one view; none: all");
  check->add_option("--sample", options->sample, "compare about so many entities of a view (1000)");
  check->add_flag("--all", options->all, "compare all entities");
  features->footer(
      "Examples:\n"
      "  millrace features list\n"
      "  millrace features get visitor_activity:views_1h --entity visitor=anna\n"
      "  millrace features parity --all\n"
      "docs/how-to/features.md says how features are declared.");
}

}  // namespace millrace
