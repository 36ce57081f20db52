#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "app/command.h"
#include "app/usage.h"
#include "app/version.h"

int main(int argc, char** argv) {
  // Commands wait for these with `StopSignals`; threads must not get them instead.
  millrace::StopSignals::block();

  CLI::App app(
      "Millrace leads what people do on a shop or news site to what they are shown next: it collects "
      "events,\n"
      "keeps them safe, turns them into tables, and recommends in milliseconds.\n\n"
      "Start with:  millrace demo          a simulated shop, to look around in\n"
      "             millrace up            the server, with its data in ./millrace-data");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(millrace::kVersion));
  app.failure_message(CLI::FailureMessage::help);

  millrace::CommonOptions common;
  int exit_code = millrace::kExitDone;
  millrace::add_up_command(app, common, exit_code);
  millrace::add_demo_command(app, common, exit_code);
  millrace::add_ingest_command(app, common, exit_code);
  millrace::add_extract_command(app, common, exit_code);
  millrace::add_discover_command(app, common, exit_code);
  millrace::add_replay_command(app, common, exit_code);
  millrace::add_quarantine_command(app, common, exit_code);
  millrace::add_run_command(app, common, exit_code);
  millrace::add_simulate_command(app, common, exit_code);
  millrace::add_recommend_command(app, common, exit_code);
  millrace::add_sql_command(app, common, exit_code);
  millrace::add_logs_command(app, common, exit_code);
  millrace::add_topic_command(app, common, exit_code);
  millrace::add_subscription_command(app, common, exit_code);
  millrace::add_features_command(app, common, exit_code);
  millrace::add_training_set_command(app, common, exit_code);
  millrace::add_model_commands(app, common, exit_code);
  millrace::add_pipeline_command(app, common, exit_code);
  millrace::add_vectors_command(app, common, exit_code);
  millrace::add_evaluate_command(app, common, exit_code);
  millrace::add_contract_command(app, common, exit_code);
  millrace::add_work_command(app, common, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string unknown = millrace::unknown_word(app); !unknown.empty()) {
      fmt::print(stderr, "millrace: {}\nSee millrace --help, and --help after a command.\n", unknown);
      return millrace::kExitUsage;
    }
    return app.exit(error) == 0 ? millrace::kExitDone : millrace::kExitUsage;
  }
  return exit_code;
}
