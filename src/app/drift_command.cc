#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"

namespace millrace {

void add_drift_command(CLI::App& models, CommonOptions& common, int& exit_code) {
  CLI::App* command = models.add_subcommand(
      "drift", "Look whether a model still does as well as when it was made, on what has come since");
  add_data_options(*command, common);
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "of models/NAME.yaml; its deployed version is looked at")->required();
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "Exit code 0: nothing has drifted, or too little has come to say; 3: something has; 1: it failed.\n"
      "Example, for a schedule of your own:\n  millrace model drift for_you || millrace train for_you");
  command->callback([=, &common, &exit_code] {
    bool drifted = false;
    exit_code =
        run_with_server(common, ServerConnection::Need::kNeedsData, [&](HttpClient& client) -> Status {
          MILLRACE_ASSIGN(
              const nlohmann::json found,
              ask_long(client, "/v1/models/" + url_encode(*name) + "/drift", common.json ? "" : *name));
          drifted = found.value("drifted", false);
          fmt::print("{}{}", common.json ? found.dump() : found.value("text", ""), common.json ? "\n" : "");
          return {};
        });
    if (exit_code == kExitDone && drifted) exit_code = kExitDrifted;
  });
}

}  // namespace millrace
