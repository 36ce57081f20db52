#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Need = ServerConnection::Need;

Status show_pipelines(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/pipelines"));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  for (const char* placement : {"home", "item", "cart", "checkout"}) {
    const Json& pipeline = answer["placements"][placement];
    const std::string by =
        pipeline["ranker"].is_string() ? "ranker " + pipeline.value("ranker", "") : "weights";
    fmt::print("{:<9} {}, by {}, within {} ms\n", placement, pipeline.value("model", ""), by,
               pipeline.value("deadline_ms", 0));
    for (const Json& source : pipeline["sources"])
      fmt::print("          {:<18} {:.3g}  {}\n", source.value("name", ""), source.value("weight", 0.0),
                 source.value("how", ""));
    for (const Json& absent : pipeline["absent"])
      fmt::print("          {:<18} -  no version is deployed: millrace train {}\n", absent.get<std::string>(),
                 absent.get<std::string>());
    for (const Json& surplus : pipeline["surplus"])
      fmt::print("          {:<18} -  left out, eight models take part: name it in models/*.yaml before others\n",
                 surplus.get<std::string>());
  }
  for (const Json& problem : answer["problems"])
    fmt::print("problem with {}: {}\n", problem.value("about", ""), problem.value("why", ""));
  return {};
}

Status train_ranker_of(HttpClient& client, const std::string& name, const std::string& use, bool as_json) {
  MILLRACE_ASSIGN(const Json trained,
                  ask(client, "POST", "/v1/pipelines/" + url_encode(name) + "/train?use=" + use));
  if (as_json) {
    fmt::print("{}\n", trained.dump());
    return {};
  }
  const Json& difference = trained["mrr"]["difference"];
  fmt::print(
      "ranker {} of {}, of {}: the first choice of the latest {} at a mean reciprocal rank of {:.4f}, served "
      "{:.4f} "
      "({:+.4f}, {:+.4f} to {:+.4f})\n",
      trained.value("version", ""), name, counted(trained.value("lists", 0ULL), "answer"),
      trained.value("test_lists", 0), trained["mrr"]["ranked"].value("mean", 0.0),
      trained["mrr"]["served"].value("mean", 0.0), difference.value("mean", 0.0),
      difference.value("low", 0.0), difference.value("high", 0.0));
  for (const auto& [feature, weight] : trained["weights"].get<std::map<std::string, double>>())
    fmt::print("  {:<18} {:+.3f}\n", feature, weight);
  fmt::print("{}\n", trained.value("in_use", false)   ? "it is in use now"
                     : trained.value("better", false) ? "it is not used"
                                                      : "it is not better for sure, so it is not used");
  return {};
}

void add_train(CLI::App& pipelines, CommonOptions& common, int& exit_code) {
  CLI::App* command = pipelines.add_subcommand(
      "train", "Learn from what people chose how much each source and feature counts");
  add_data_options(*command, common);
  auto name = std::make_shared<std::string>();
  auto use = std::make_shared<std::string>("if_better");
  command->add_option("NAME", *name, "of models/NAME.yaml, of kind: pipeline")->required();
  command->add_option("--use", *use, "if_better: when it would have put what was chosen higher, for sure")
      ->check(CLI::IsMember({"if_better", "never", "always"}))
      ->capture_default_str();
  command->add_flag("--json", common.json, "print JSON");
  command->callback([=, &common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData, [&](HttpClient& client) {
      return train_ranker_of(client, *name, *use, common.json);
    });
  });
}

void add_fixed(CLI::App& pipelines, CommonOptions& common, int& exit_code) {
  CLI::App* command = pipelines.add_subcommand("fixed", "Go by the weights of the file again");
  add_data_options(*command, common);
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "of models/NAME.yaml, of kind: pipeline")->required();
  command->callback([=, &common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData, [&](HttpClient& client) -> Status {
      MILLRACE_TRY(ask(client, "DELETE", "/v1/pipelines/" + url_encode(*name) + "/ranker"));
      fmt::print("{} goes by its weights\n", *name);
      return {};
    });
  });
}

}  // namespace

void add_pipeline_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* pipelines =
      app.add_subcommand("pipeline", "How recommendations are made: sources, weights, rankers");
  pipelines->require_subcommand(1);
  CLI::App* show = pipelines->add_subcommand("show", "Show how each placement is answered");
  add_data_options(*show, common);
  show->add_flag("--json", common.json, "print JSON");
  show->callback([&common, &exit_code] {
    exit_code = run_with_server(common, Need::kNeedsData,
                                [&](HttpClient& client) { return show_pipelines(client, common.json); });
  });
  add_train(*pipelines, common, exit_code);
  add_fixed(*pipelines, common, exit_code);
}

}  // namespace millrace
