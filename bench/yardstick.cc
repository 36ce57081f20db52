#include "bench/yardstick.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/socket.h"

namespace millrace::bench {
namespace {

/// Return what a command prints, or nothing when it fails.
std::optional<std::string> output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return std::nullopt;
  std::string output;
  std::array<char, 4096> bytes;
  while (const auto n = std::fread(bytes.data(), 1, bytes.size(), pipe)) output.append(bytes.data(), n);
  if (::pclose(pipe) != 0) return std::nullopt;
  return output;
}

/// Return the number after `label`, with what follows it up to the end of the line; nothing without the
/// label.
std::optional<std::pair<double, std::string_view>> number_after(std::string_view text,
                                                                std::string_view label) {
  const auto at = text.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = text.substr(at + label.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  rest = rest.substr(0, rest.find('\n'));
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc()) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return std::pair(number, rest);
}

/// Read "355.71us", "4.94ms" or "1.02s" after `label` as microseconds.
std::optional<double> microseconds_after(std::string_view text, std::string_view label) {
  const auto found = number_after(text, label);
  if (!found) return std::nullopt;
  const auto [number, unit] = *found;
  if (unit.starts_with("us")) return number;
  if (unit.starts_with("ms")) return number * 1e3;
  return unit.starts_with("s") ? number * 1e6 : number * 60e6;
}

std::uint64_t count_after(std::string_view text, std::string_view label) {
  const auto found = number_after(text, label);
  return found ? static_cast<std::uint64_t>(found->first) : 0;
}

/// Return the number that stands before `label`, alone in its line so far.
std::uint64_t count_before(std::string_view text, std::string_view label) {
  const auto before = text.substr(0, text.find(label));
  return count_after(before.substr(before.rfind('\n') + 1), "");
}

/// Return a port that is free now. Another program might take it first; then nginx says so and the run fails.
std::uint16_t free_port() {
  const auto address = resolve_address("127.0.0.1:0");
  const auto fd = listen_on(*address, "127.0.0.1:0");
  return fd ? local_address(fd->get()).port() : 0;
}

/// Return user and system time of a process in clock ticks (proc(5): fields 14 and 15; the name may hold
/// spaces).
double cpu_ticks(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

constexpr std::string_view kNginxConfig = R"({user}worker_processes {workers};
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16000; multi_accept on; use epoll; }}
http {{
  access_log off;
  sendfile on;
  open_file_cache max=100 inactive=600s;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; }}
}}
)";

}  // namespace

Result<WrkResult> run_wrk(const std::string& url, const WrkLoad& load) {
  const auto script = load.script.empty() ? std::string() : fmt::format("-s '{}' ", load.script);
  const auto report = output_of(fmt::format("wrk -t{} -c{} -d{}s --timeout 10s --latency {}'{}'",
                                            load.threads, load.connections, load.seconds, script, url));
  if (!report) return fail(Code::kNotFound, "wrk is not installed or failed");
  const auto rate = number_after(*report, "Requests/sec:");
  const auto p50 = microseconds_after(*report, " 50%");
  const auto p99 = microseconds_after(*report, " 99%");
  if (!rate || !p50 || !p99) return fail(Code::kCorrupt, "cannot read the report of wrk: " + *report);
  std::uint64_t errors = count_after(*report, "Non-2xx or 3xx responses:");
  for (const auto* kind : {"errors: connect", ", read", ", write", ", timeout"})
    errors += count_after(*report, kind);
  const auto requests = count_before(*report, " requests in ");
  return WrkResult{rate->first, requests, *p50, *p99, errors};
}

Result<std::unique_ptr<Nginx>> Nginx::start(std::string_view file_content, int workers) {
  std::unique_ptr<Nginx> nginx(new Nginx);
  MILLRACE_TRY(nginx->write_files(file_content, workers));
  MILLRACE_TRY(nginx->spawn());
  return nginx;
}

Status Nginx::write_files(std::string_view file_content, int workers) {
  std::string name = (std::filesystem::temp_directory_path() / "millrace-nginx-XXXXXX").string();
  if (!::mkdtemp(name.data())) return fail(Code::kIo, "cannot make a temporary folder");
  folder_ = name;
  port_ = free_port();
  std::filesystem::create_directory(folder_ / "files");
  std::ofstream(folder_ / "files" / "static.txt") << file_content;
  const auto* user =
      ::geteuid() == 0 ? "user root;\n" : "";  // only root may choose, and must: the folder is private
  std::ofstream(folder_ / "nginx.conf")
      << fmt::format(kNginxConfig, fmt::arg("user", user), fmt::arg("workers", workers),
                     fmt::arg("folder", folder_.string()), fmt::arg("port", port_));
  return {};
}

Status Nginx::spawn() {
  const auto config = (folder_ / "nginx.conf").string(), log = (folder_ / "error.log").string();
  pid_ = ::fork();
  if (pid_ < 0) return fail(Code::kIo, "cannot start a process");
  if (pid_ == 0) {
    ::execlp("nginx", "nginx", "-e", log.c_str(), "-c", config.c_str(), nullptr);
    ::execl("/usr/sbin/nginx", "nginx", "-e", log.c_str(), "-c", config.c_str(), nullptr);
    ::_exit(127);
  }
  HttpClientOptions options;
  options.address = fmt::format("127.0.0.1:{}", port_);
  for (int tries = 0; tries < 100; ++tries) {
    if (HttpClient::connect(options)) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(Code::kNotFound, "nginx is not installed or did not start");
}

Nginx::~Nginx() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

double Nginx::cpu_seconds() const {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid_));
  double ticks = 0;
  for (pid_t worker = 0; children >> worker;) ticks += cpu_ticks(worker);
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kSecondUs + usage.ru_utime.tv_usec +
                  usage.ru_stime.tv_usec;
  return static_cast<double>(us) / kSecondUs;
}

std::string Nginx::url() const {
  return fmt::format("http://127.0.0.1:{}/static.txt", port_);
}

double ratio_of(const Figure& figure) {
  return figure.yardstick_value == 0 ? 0 : figure.value / figure.yardstick_value;
}

bool passes(const Figure& figure) {
  if (!figure.target) return true;
  return figure.yardstick.empty() ? figure.value <= *figure.target : ratio_of(figure) >= *figure.target;
}

void print(const Figure& figure) {
  nlohmann::ordered_json line{{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}};
  if (!figure.yardstick.empty()) {
    line["yardstick"] = figure.yardstick;
    line["yardstick_value"] = figure.yardstick_value;
    line["ratio"] = ratio_of(figure);
  }
  if (figure.target) {
    line["target"] = *figure.target;
    line["pass"] = passes(figure);
  }
  std::puts(line.dump().c_str());
  std::fflush(stdout);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace millrace::bench
