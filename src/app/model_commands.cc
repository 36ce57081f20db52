#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"
#include "model/model_spec.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Need = ServerConnection::Need;

/// What people name a version by: NAME, or NAME@VERSION.
struct ModelName {
  std::string name;
  std::string version;

  static ModelName parse(const std::string& text) {
    const auto at = text.find('@');
    return {text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
  }
  std::string path() const { return "/v1/models/" + url_encode(name); }
};

void print_json(const Json& value) {
  fmt::print("{}\n", value.dump());
}

std::string ndcg_of(const Json& version) {
  const Json ndcg = version.value("/metrics/all/ndcg"_json_pointer, Json());
  if (!ndcg.is_object()) return "";
  return fmt::format("NDCG {:.4f} ({:.4f}–{:.4f})", ndcg.value("mean", 0.0), ndcg.value("low", 0.0),
                     ndcg.value("high", 0.0));
}

void print_version(const Json& version) {
  fmt::print("  {} {:<4} {:<20} {}{}\n", version.value("deployed", false) ? "*" : " ",
             version.value("version", ""), version.value("made", "").substr(0, 19), ndcg_of(version),
             version.contains("problem") ? "  " + version.value("problem", "") : "");
}

Status list_models(HttpClient& client, const std::string& name, bool as_json) {
  MILLRACE_ASSIGN(const Json answer,
                  ask(client, "GET", name.empty() ? "/v1/models" : ModelName::parse(name).path()));
  if (as_json) {
    print_json(answer);
    return {};
  }
  const Json models = name.empty() ? answer["models"] : Json::array({answer});
  if (models.empty())
    fmt::print("there are no models; add files models/NAME.yaml to your project (docs/how-to/models.md)\n");
  for (const Json& model : models) {
    fmt::print("{:<24} {:<12} {}\n", model.value("name", ""), model.value("kind", ""),
               model.value("description", ""));
    if (model.contains("problem"))
      fmt::print("    {}\n", model.value("problem", ""));
    else if (model["versions"].empty())
      fmt::print("    not trained yet: millrace train {}\n", model.value("name", ""));
    for (const Json& version : model["versions"]) print_version(version);
  }
  return {};
}

/// Return whether the version was deployed.
Result<bool> train(HttpClient& client, const std::string& name, const std::string& deploy, bool as_json) {
  MILLRACE_ASSIGN(const Json trained, ask_long(client, ModelName{name, ""}.path() + "/train?deploy=" + deploy,
                                               as_json ? "" : name));
  const bool deployed = trained.value("deployed", false);
  if (as_json) {
    print_json(trained);
    return deployed;
  }
  const Json& training = trained["manifest"]["training"];
  fmt::print("{}@{}: {} of {} people with {}; {}\n{}\n", name, trained.value("version", ""),
             counted(training.value("rows", 0ULL), "interaction"),
             with_thousands(training.value("users", 0ULL)), counted(training.value("items", 0ULL), "item"),
             ndcg_of(trained["manifest"]), trained.value("gate", ""));
  return deployed;
}

/// Return the settings in which the trials differ, "factors=64 half_life=30d".
std::string searched_settings(const Json& trials, const Json& trial) {
  std::string text;
  for (const auto& [key, value] : trial["settings"].items()) {
    const bool varies = std::ranges::any_of(
        trials, [&](const Json& other) { return other["settings"].value(key, Json()) != value; });
    if (!varies) continue;
    const bool is_duration = key.ends_with("_us");
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", is_duration ? key.substr(0, key.size() - 3) : key,
                        is_duration ? duration_text(value.get<DurationUs>()) : value.dump());
  }
  return text;
}

Status tune(HttpClient& client, const std::string& name, const std::string& query, bool as_json) {
  MILLRACE_ASSIGN(const Json tuning,
                  ask_long(client, ModelName{name, ""}.path() + "/tune?" + query, as_json ? "" : name));
  if (as_json) {
    print_json(tuning);
    return {};
  }
  for (const Json& trial : tuning["trials"])
    fmt::print("{} {:.4f} ({:.4f}–{:.4f})  {}\n", tuning.value("metric", ""), trial.value("mean", 0.0),
               trial.value("low", 0.0), trial.value("high", 0.0), searched_settings(tuning["trials"], trial));
  const std::string yaml = tuning.value("yaml", "");
  if (yaml.empty())
    fmt::print("nothing tried is better than the file's own settings\n");
  else
    fmt::print("\nthe best, for you to put into its file:\n\n{}", yaml);
  return {};
}

Status post(HttpClient& client, const ModelName& model, std::string_view what, const Json& body,
            bool as_json) {
  MILLRACE_ASSIGN(const Json answer,
                  ask(client, "POST", fmt::format("{}/{}", model.path(), what), body.dump()));
  if (as_json)
    print_json(answer);
  else if (answer["deployed"].is_string())
    fmt::print("{}@{} is deployed\n", model.name, answer.value("deployed", ""));
  else
    fmt::print("no version of {} is deployed now\n", model.name);
  return {};
}

/// Deploy NAME@VERSION, or the newest of NAME.
Status deploy(HttpClient& client, const std::string& text, bool as_json) {
  ModelName model = ModelName::parse(text);
  if (model.version.empty()) {
    MILLRACE_ASSIGN(const Json answer, ask(client, "GET", model.path()));
    if (answer["versions"].empty())
      return fail(Code::kNotFound, fmt::format("{0} was not trained yet: millrace train {0}", model.name));
    model.version = answer["versions"].front().value("version", "");
  }
  return post(client, model, "deploy", {{"version", model.version}}, as_json);
}

Status show_version(HttpClient& client, const std::string& text) {
  const ModelName model = ModelName::parse(text);
  const std::string target =
      model.version.empty() ? model.path() : model.path() + "/versions/" + url_encode(model.version);
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", target));
  fmt::print("{}\n", answer.dump(2));
  return {};
}

Status remove_version(HttpClient& client, const std::string& text) {
  const ModelName model = ModelName::parse(text);
  if (model.version.empty()) return fail(Code::kInvalid, "say which version: NAME@VERSION");
  MILLRACE_ASSIGN(const Json answer,
                  ask(client, "DELETE", model.path() + "/versions/" + url_encode(model.version)));
  fmt::print("{}@{} is removed\n", model.name, answer.value("removed", ""));
  return {};
}

void add_train(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "train", "Train a model of the project, judge it, and deploy it if it is good enough");
  add_data_options(*command, common);
  auto name = std::make_shared<std::string>();
  auto how = std::make_shared<std::string>("if_good");
  command->add_option("NAME", *name, "of models/NAME.yaml")->required();
  command->add_option("--deploy", *how, "if_good: when it passes the gate; never; always")
      ->check(CLI::IsMember({"if_good", "never", "always"}))
      ->capture_default_str();
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "Exit code 0: trained, and deployed unless you said otherwise; 3: trained, but not good enough to be "
      "deployed; 1: it failed.\n"
      "Examples:\n  millrace train for_you --project my-shop\n  millrace train for_you --deploy never\n"
      "docs/how-to/models.md says how a model is declared.");
  command->callback([=, &common, &exit_code] {
    bool deployed = true;
    exit_code = run_with_server(common, Need::kNeedsData, [&](HttpClient& client) -> Status {
      MILLRACE_ASSIGN(deployed, train(client, *name, *how, common.json));
      return {};
    });
    if (exit_code == kExitDone && !deployed && *how != "never") exit_code = kExitRefused;
  });
}

void add_tune(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("tune", "Search better settings for a model, at random within a budget");
  add_data_options(*command, common);
  struct Call {
    std::string name;
    int trials = 20;
    int minutes = 0;
    std::uint64_t seed = 1;
  };
  auto call = std::make_shared<Call>();
  command->add_option("NAME", call->name, "of models/NAME.yaml, which says under `search` what to try")
      ->required();
  command->add_option("--trials", call->trials, "how many settings to try")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_option("--minutes", call->minutes, "end after so long; 0: never")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command->add_option("--seed", call->seed, "of what is drawn")->capture_default_str();
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "It changes nothing: it prints the best settings, for you to put into the file. They are judged on a "
      "part of the\n"
      "data that the model's evaluation does not ask for.\nExample:\n  millrace tune for_you --trials 50 "
      "--minutes 10");
  command->callback([=, &common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData, [&](HttpClient& client) {
      return tune(client, call->name,
                  fmt::format("trials={}&minutes={}&seed={}", call->trials, call->minutes, call->seed),
                  common.json);
    });
  });
}

void add_batch(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "batch-recommend", "Make the best items of every user at once, into a table and a file");
  add_data_options(*command, common);
  struct Call {
    std::string model;
    std::string set;
    int n = 20;
  };
  auto call = std::make_shared<Call>();
  command
      ->add_option("MODEL", call->model,
                   "of models/MODEL.yaml; its deployed version is asked, for everyone in its interactions")
      ->required();
  command->add_option("--set", call->set, "name of what is made; the model's unless said");
  command->add_option("-n", call->n, "items of each list")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "A run takes the place of the one before once it is whole. The lists are in the table "
      "batch_recommendations, in the\n"
      "lake as Parquet, and at GET /v1/batch-recommendations/SET/USER.\nExample:\n  millrace batch-recommend "
      "for_you -n 20");
  command->callback([=, &common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData, [&](HttpClient& client) -> Status {
      const std::string set = call->set.empty() ? call->model : call->set;
      MILLRACE_ASSIGN(const Json run, ask_long(client,
                                               fmt::format("/v1/batch-recommendations/{}?model={}&n={}",
                                                           url_encode(set), url_encode(call->model), call->n),
                                               common.json ? "" : set));
      if (common.json)
        print_json(run);
      else
        fmt::print("{} run {}: {} people, {} by {}; lake/{}\n", set, run.value("run", 0),
                   with_thousands(run.value("users", 0ULL)), counted(run.value("rows", 0ULL), "row"),
                   run.value("model", ""), run.value("path", ""));
      return {};
    });
  });
}

using NamedWork = Status (*)(HttpClient&, const std::string&, bool);

/// A command that takes one name, which may be left out where `required` is false.
CLI::App* add_named(CLI::App& parent, const char* command_name, const char* says, const char* what,
                    bool required, NamedWork work, CommonOptions& common, int& exit_code) {
  CLI::App* command = parent.add_subcommand(command_name, says);
  add_data_options(*command, common);
  auto name = std::make_shared<std::string>();
  auto* option = command->add_option("NAME", *name, what);
  if (required) option->required();
  command->add_flag("--json", common.json, "print JSON");
  command->callback([=, &common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData,
                                [&](HttpClient& client) { return work(client, *name, common.json); });
  });
  return command;
}

}  // namespace

void add_model_commands(CLI::App& app, CommonOptions& common, int& exit_code) {
  add_train(app, common, exit_code);
  add_tune(app, common, exit_code);
  add_batch(app, common, exit_code);
  add_named(app, "deploy", "Serve a version of a model from now on", "NAME@VERSION; NAME: its newest", true,
            deploy, common, exit_code)
      ->footer(
          "No request waits or fails for it. A version that is damaged is refused, and what is served "
          "stays.");
  CLI::App* models = app.add_subcommand("model", "See, roll back, import and export versions of models");
  models->require_subcommand(1);
  add_named(*models, "list", "Show models and their versions; * is deployed", "only this one", false,
            list_models, common, exit_code);
  add_named(
      *models, "show", "Print all that is known of a model or a version, as JSON", "NAME, or NAME@VERSION",
      true, [](HttpClient& client, const std::string& name, bool) { return show_version(client, name); },
      common, exit_code);
  add_named(
      *models, "rollback", "Serve the version again that was deployed before", "of the model", true,
      [](HttpClient& client, const std::string& name, bool as_json) {
        return post(client, {name, ""}, "rollback", Json::object(), as_json);
      },
      common, exit_code);
  add_named(
      *models, "retire", "Serve no version any more", "of the model", true,
      [](HttpClient& client, const std::string& name, bool as_json) {
        return post(client, {name, ""}, "retire", Json::object(), as_json);
      },
      common, exit_code);
  add_named(
      *models, "remove", "Remove a version that is not deployed", "NAME@VERSION", true,
      [](HttpClient& client, const std::string& name, bool) { return remove_version(client, name); }, common,
      exit_code);
  add_model_files_commands(*models, common, exit_code);
  add_drift_command(*models, common, exit_code);
}

}  // namespace millrace
