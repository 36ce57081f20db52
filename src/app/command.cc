#include "app/command.h"

#include <csignal>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/platform.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr DurationUs kCommandTimeout = 10 * kMinuteUs;
constexpr DurationUs kStopGrace = 30 * kSecondUs;
constexpr DurationUs kStartingLimit = 10 * kSecondUs;
constexpr DurationUs kStartingCheck = 100 * kMillisecondUs;

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

Result<std::unique_ptr<HttpClient>> connect(const std::string& socket, const std::string& token) {
  HttpClientOptions options;
  options.address = "unix:" + socket;
  options.request_timeout = kCommandTimeout;
  options.headers = {{"Authorization", "Bearer " + token}};
  return HttpClient::connect(std::move(options));
}

}  // namespace

Result<std::unique_ptr<HttpClient>> connect_running(const Path& data) {
  MILLRACE_ASSIGN(const std::string text, read_file(Env::system(), data / "server.json", 1 << 16));
  const nlohmann::json file = nlohmann::json::parse(text, nullptr, false);
  if (!file.is_object()) return fail(Code::kCorrupt, "is not JSON", (data / "server.json").string());
  MILLRACE_ASSIGN(auto client, connect(file.value("socket", ""), file.value("token", "")));
  MILLRACE_ASSIGN(const HttpResponse health, client->get("/healthz"));
  MILLRACE_TRY(check_answer(health));
  return client;
}

void add_data_options(CLI::App& command, CommonOptions& common) {
  command.add_option("--data", common.data, "data directory (./millrace-data)");
  command.add_option("--project", common.project, "folder with a millrace.yaml");
}

Result<Config> config_of(const CommonOptions& options) {
  Config config;
  if (!options.project.empty()) {
    const Path project(options.project);
    MILLRACE_ASSIGN(config, load_config(Env::system(), project / "millrace.yaml"));
    MILLRACE_ASSIGN(config.transforms,
                    load_transforms(Env::system(), project / "in_flight", config.function_targets));
  }
  if (!options.data.empty()) config.data = options.data;
  config.data = std::filesystem::absolute(config.data).lexically_normal();
  return config;
}

void StopSignals::block() {
  const sigset_t set = stop_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool StopSignals::wait(DurationUs limit) {
  const sigset_t set = stop_set();
  const timespec time = {limit / kSecondUs, limit % kSecondUs * 1000};
  if (sigtimedwait(&set, nullptr, &time) < 0) return false;
  // Whoever asks twice does not want to wait for an orderly end.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return true;
}

void StopSignals::release() {
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_DFL);
  const sigset_t set = stop_set();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

ServerConnection::ServerConnection() = default;

ServerConnection::~ServerConnection() {
  client_.reset();
  if (platform_) platform_->stop(kStopGrace);
}

Result<std::unique_ptr<ServerConnection>> ServerConnection::open(const CommonOptions& options, Need need) {
  MILLRACE_ASSIGN(const Config config, config_of(options));
  Env& env = Env::system();
  if (need == Need::kNeedsData && !env.exists(config.data / "VERSION"))
    return fail(Code::kNotFound, "there is no Millrace data in " + config.data.string() +
                                     "; give --data, or run this where `millrace up` runs");
  std::unique_ptr<ServerConnection> connection(new ServerConnection());
  const DurationUs end = env.steady_now() + kStartingLimit;
  for (;;) {
    if (auto running = connect_running(config.data)) {
      connection->client_ = *std::move(running);
      StopSignals::release();  // the server ends what nobody waits for
      return connection;
    }
    auto platform = Platform::open(env, config, Platform::Listen::kUnixSocket);
    if (platform) {
      connection->platform_ = *std::move(platform);
      break;
    }
    // Somebody has the data open and does not answer yet: a server that is starting.
    if (platform.error().code != Code::kExists || env.steady_now() > end) return fail(platform.error());
    env.sleep_for(kStartingCheck);
  }
  MILLRACE_ASSIGN(connection->client_,
                  connect(connection->platform_->unix_socket(), connection->platform_->admin_token()));
  StopSignals::release();         // an end without warning harms no data
  std::signal(SIGPIPE, SIG_IGN);  // but a reader of our output that goes away is no reason for one
  return connection;
}

Status ServerConnection::wait_ready(DurationUs limit) {
  Env& env = Env::system();
  const DurationUs end = env.steady_now() + limit;
  for (;;) {
    MILLRACE_ASSIGN(const HttpResponse answer, client_->get("/readyz"));
    if (answer.status == 200) return {};
    if (env.steady_now() > end) return fail(Code::kDeadline, "the server is not ready yet: " + answer.body);
    env.sleep_for(10 * kMillisecondUs);
  }
}

std::string counted(std::uint64_t number, std::string_view singular) {
  std::string text = with_thousands(number) + ' ' + std::string(singular);
  if (number != 1) text += 's';
  return text;
}

int report_failure(const Error& error) {
  fmt::print(stderr, "millrace: {}\n", error.text());
  return kExitFailed;
}

Status check_answer(const HttpResponse& answer) {
  if (answer.status >= 200 && answer.status < 300) return {};
  const nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
  if (body.is_object() && body.contains("message"))
    return fail(Code::kIo, body["message"].get<std::string>());
  return fail(Code::kIo,
              fmt::format("the server answered {}: {}", answer.status, answer.body.substr(0, 200)));
}

Result<nlohmann::json> ask(HttpClient& client, std::string_view method, const std::string& target,
                           std::string_view body, const Headers& headers) {
  MILLRACE_ASSIGN(const HttpResponse answer, client.request(method, target, body, headers));
  MILLRACE_TRY(check_answer(answer));
  return nlohmann::json::parse(answer.body);
}

Result<nlohmann::json> ask_long(HttpClient& client, const std::string& target, std::string_view label,
                                std::string_view body) {
  using nlohmann::json;
  std::optional<Result<json>> outcome;
  const bool draw = !label.empty() && on_terminal();
  const auto on_line = [&](std::string_view text) {
    const json parsed = json::parse(text, nullptr, false);
    if (!parsed.is_object()) return true;
    if (draw && parsed.contains("progress")) {
      fmt::print("\r\x1b[K{}: {}", label, parsed["progress"].value("step", ""));
      std::fflush(stdout);
    }
    if (parsed.contains("result")) outcome = parsed["result"];
    if (parsed.contains("error")) outcome = fail(Code::kInvalid, parsed["error"].value("message", ""));
    return true;
  };
  const auto answer = client.request_lines("POST", target, body, {}, on_line);
  if (draw) fmt::print("\r\x1b[K");
  if (!answer) return fail(answer.error());
  MILLRACE_TRY(check_answer(*answer));
  if (!outcome) return fail(Code::kIo, "the server ended before it was done; give the same command again");
  return *std::move(outcome);
}

int run_with_server(const CommonOptions& options, ServerConnection::Need need,
                    const std::function<Status(HttpClient&)>& work) {
  auto server = ServerConnection::open(options, need);
  if (!server) return report_failure(server.error());
  if (Status done = work((*server)->client()); !done) return report_failure(done.error());
  return kExitDone;
}

bool on_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

}  // namespace millrace
