#include "bench/server_process.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"

namespace millrace::bench {
namespace {

constexpr DurationUs kStartLimit = kMinuteUs;
constexpr std::string_view kListening = "listening on http://";

std::vector<char*> argument_pointers(std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Start the binary with its standard output on a pipe; return the read end.
Result<std::pair<pid_t, int>> spawn_binary(std::vector<std::string> arguments) {
  std::array<int, 2> out;
  if (pipe2(out.data(), O_CLOEXEC) != 0) return fail(Code::kIo, "pipe failed");
  arguments.insert(arguments.begin(), binary_path().string());
  const std::vector<char*> pointers = argument_pointers(arguments);
  const pid_t pid = fork();
  if (pid < 0) return fail(Code::kIo, "fork failed");
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  close(out[1]);
  return std::pair(pid, out[0]);
}

}  // namespace

std::filesystem::path binary_path() {
  const char* given = std::getenv("MILLRACE_BIN");
  return given ? given : "build/release/millrace";
}

std::filesystem::path shared_data(const std::string& name) {
  const char* given = std::getenv("MILLRACE_SHARED_DATA");
  const std::filesystem::path file = std::filesystem::path(given ? given : "../shared/data") / name;
  return std::filesystem::exists(file) ? file : std::filesystem::path();
}

Result<std::unique_ptr<ServerProcess>> ServerProcess::start(std::filesystem::path data,
                                                            std::vector<std::string> options) {
  std::unique_ptr<ServerProcess> server(new ServerProcess());
  server->owns_data_ = data.empty();
  if (data.empty()) {
    // On the disk of the checkout: /tmp may be memory, where fsync costs nothing.
    std::string pattern = (std::filesystem::current_path() / "build" / "bench-XXXXXX").string();
    if (!mkdtemp(pattern.data())) return fail(Code::kIo, "cannot make " + pattern);
    data = pattern;
  }
  server->data_ = data;
  MILLRACE_TRY(server->spawn(options));
  return server;
}

Status ServerProcess::spawn(const std::vector<std::string>& options) {
  Env& env = Env::system();
  const DurationUs started = env.steady_now();
  std::vector<std::string> arguments = {"up", "--data", data_.string(), "--listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  MILLRACE_ASSIGN(const auto process, spawn_binary(std::move(arguments)));
  pid_ = process.first;
  std::string text;
  std::array<char, 512> buffer;
  for (;;) {
    const ssize_t got = read(process.second, buffer.data(), buffer.size());
    if (got <= 0) return fail(Code::kNotFound, binary_path().string() + " did not start: " + text);
    text.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t at = text.find(kListening);
    if (at != std::string::npos && text.find('\n', at) != std::string::npos) {
      start_us_ = env.steady_now() - started;
      address_ = text.substr(at + kListening.size(), text.find('\n', at) - at - kListening.size());
      return {};
    }
    if (env.steady_now() - started > kStartLimit) return fail(Code::kDeadline, "not ready within a minute");
  }
}

void ServerProcess::stop() {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (owns_data_) std::filesystem::remove_all(data_, ignored);
}

Result<std::unique_ptr<HttpClient>> ServerProcess::client() const {
  return HttpClient::connect({.address = address_});
}

std::uint64_t ServerProcess::resident_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", pid_));
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

DurationUs ServerProcess::cpu_us() const {
  std::ifstream file(fmt::format("/proc/{}/stat", pid_));
  std::stringstream text;
  text << file.rdbuf();
  std::istringstream rest(text.str().substr(text.str().rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  std::int64_t user = 0, system = 0;
  rest >> user >> system;
  return (user + system) * (kSecondUs / sysconf(_SC_CLK_TCK));
}

Result<std::string> ServerProcess::sql_cell(const std::string& query) const {
  MILLRACE_ASSIGN(auto http, client());
  MILLRACE_ASSIGN(const HttpResponse answer,
                  http->request("POST", "/v1/sql", nlohmann::json{{"query", query}}.dump()));
  if (answer.status != 200) return fail(Code::kIo, answer.body);
  const nlohmann::json cell = nlohmann::json::parse(answer.body)["rows"][0][0];
  return cell.is_string() ? cell.get<std::string>() : cell.dump();
}

Status ServerProcess::wait_loaded(DurationUs limit) const {
  Env& env = Env::system();
  const DurationUs end = env.steady_now() + limit;
  MILLRACE_ASSIGN(auto http, client());
  for (;;) {
    MILLRACE_ASSIGN(const HttpResponse answer, http->get("/v1/dashboard?window=1h"));
    const nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status == 200 && body["books"]["pending"] == 0) {
      if (body["books"]["balanced"] == true) return {};
      return fail(Code::kInternal, "the books do not balance: " + body["books"].dump());
    }
    if (env.steady_now() > end) return fail(Code::kDeadline, "still loading: " + answer.body.substr(0, 400));
    env.sleep_for(50 * kMillisecondUs);
  }
}

Result<std::string> run_binary(const std::vector<std::string>& arguments) {
  MILLRACE_ASSIGN(const auto process, spawn_binary(arguments));
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(process.second, buffer.data(), buffer.size());
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(process.second);
  int status = 0;
  waitpid(process.first, &status, 0);
  if (status != 0) return fail(Code::kIo, "the command failed: " + text);
  return text;
}

}  // namespace millrace::bench
