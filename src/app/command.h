#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>

#include "app/config.h"
#include "base/env.h"
#include "net/http_client.h"

namespace millrace {

class Platform;

/// Exit codes of every command.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitDrifted = 3;  ///< of `millrace model drift`
inline constexpr int kExitRefused = 3;  ///< of `millrace train`: its version is not deployed

/// Options that most commands have.
struct CommonOptions {
  std::string data;     ///< --data; empty: the project's, else ./millrace-data
  std::string project;  ///< --project; a folder with a millrace.yaml
  bool json = false;    ///< --json
};

/// Add --data and --project to a command.
void add_data_options(CLI::App& command, CommonOptions& common);

/// Return the configuration that the options choose: that of PROJECT/millrace.yaml when a project is named,
/// else the defaults. Errors: those of load_config.
Result<Config> config_of(const CommonOptions& options);

/// SIGINT and SIGTERM. `block` once at the start of main, before any thread begins.
class StopSignals {
 public:
  static void block();

  /// Wait for one, `limit` at most; return whether one came. A second one, after the first was taken, ends
  /// the process at once.
  static bool wait(DurationUs limit);

  /// Let the signals end the process at once, as those of programs without a server do; for commands that
  /// have nothing to put in order.
  static void release();
};

/// Connect to the server that DATA/server.json speaks of. Errors: when none runs.
Result<std::unique_ptr<HttpClient>> connect_running(const Path& data);

/// A connection to the server of a data directory. When none runs, the same server is started inside this
/// process, on its Unix socket, and stopped, with everything loaded, when the connection is destroyed.
class ServerConnection {
 public:
  /// With `kNeedsData`, a directory without data is an error (kNotFound) instead of being made.
  enum class Need { kNeedsData, kMayBeNew };
  static Result<std::unique_ptr<ServerConnection>> open(const CommonOptions& options, Need need);
  ~ServerConnection();

  HttpClient& client() { return *client_; }

  /// Wait until the server is ready (GET /readyz). Errors: kDeadline, kIo.
  Status wait_ready(DurationUs limit);

 private:
  ServerConnection();

  std::unique_ptr<Platform> platform_;  ///< only when this process is the server
  std::unique_ptr<HttpClient> client_;
};

/// Write "1 record", "1,200 records".
std::string counted(std::uint64_t number, std::string_view singular);

/// Print a failure for people on standard error and return kExitFailed.
int report_failure(const Error& error);

/// Return an error for an answer that is not 2xx, with the server's own words.
Status check_answer(const HttpResponse& answer);

/// Send a request and read the JSON it is answered with. Errors: those of the client and of `check_answer`.
Result<nlohmann::json> ask(HttpClient& client, std::string_view method, const std::string& target,
                           std::string_view body = {}, const Headers& headers = {});

/// Have long work done by a POST that answers lines of progress, {"progress":{"step"}}, and at last
/// {"result"} or {"error"}; return the result. On a terminal the steps are shown after `label`; an empty one:
/// not. Errors: those of the client and of `check_answer`; what the work failed with; kIo when the server
/// ended before.
Result<nlohmann::json> ask_long(HttpClient& client, const std::string& target, std::string_view label,
                                std::string_view body = {});

/// Do `work` with the server of the data directory. Return the exit code; a failure is printed.
int run_with_server(const CommonOptions& options, ServerConnection::Need need,
                    const std::function<Status(HttpClient&)>& work);

/// Return whether standard output is a terminal, so that progress may redraw its line.
bool on_terminal();

// Each adds one command to the program; `exit_code` is what main returns.
void add_features_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_contract_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_training_set_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_model_commands(CLI::App& app, CommonOptions& common, int& exit_code);
void add_model_files_commands(CLI::App& models, CommonOptions& common, int& exit_code);
void add_pipeline_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_drift_command(CLI::App& models, CommonOptions& common, int& exit_code);
void add_up_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_demo_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_ingest_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_extract_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_discover_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_evaluate_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_replay_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_quarantine_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_run_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_simulate_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_recommend_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_sql_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_logs_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_topic_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_subscription_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_vectors_command(CLI::App& app, CommonOptions& common, int& exit_code);
void add_work_command(CLI::App& app, CommonOptions& common, int& exit_code);

}  // namespace millrace
