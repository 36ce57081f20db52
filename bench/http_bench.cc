// The HTTP server of net/ against nginx: the same 200 bytes, the same two cores, in turns, so that what else
// the machine does hits both. Closed loop by wrk; the figures are medians of the rounds.
//
//   http_bench [--tiny]        --tiny: seconds instead of minutes, to see that it works

#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "bench/yardstick.h"
#include "net/file_limit.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kReplyBytes = 200;

struct Plan {
  std::vector<int> connections = {64, 1000, 10'000};
  int rounds = 3;
  int seconds = 4;
  std::size_t idle_connections = 9'000;  // both ends are in this process
};

Plan tiny_plan() {
  return {.connections = {64}, .rounds = 1, .seconds = 1, .idle_connections = 500};
}

/// The measurements of one server at one number of connections.
struct Series {
  std::vector<double> rate, per_cpu_second, p50_us, p99_us;
  std::uint64_t errors = 0;

  Status measure(const std::string& url, const WrkLoad& load, const std::function<double()>& cpu_seconds) {
    const double cpu_before = cpu_seconds();
    MILLRACE_ASSIGN(const auto result, run_wrk(url, load));
    per_cpu_second.push_back(static_cast<double>(result.requests) / (cpu_seconds() - cpu_before));
    rate.push_back(result.requests_per_second);
    p50_us.push_back(result.p50_us);
    p99_us.push_back(result.p99_us);
    errors += result.errors;
    return {};
  }
};

Result<std::unique_ptr<HttpServer>> start_server() {
  HttpServerOptions options;
  options.listen = {"127.0.0.1:0"};
  return HttpServer::open(options,
                          [body = std::string(kReplyBytes, 'x')](HttpRequest&&, const Responder& responder) {
                            responder.send(HttpResponse::text(200, body));
                          });
}

/// Answers from a thread of its own, all that wait at a time, as the log does after a group commit.
class Committer {
 public:
  Committer() : thread_([this] { run(); }) {}
  ~Committer() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    filled_.notify_one();
    thread_.join();
  }

  void add(Responder responder) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(responder));
    if (waiting_.size() == 1) filled_.notify_one();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      filled_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      const auto batch = std::exchange(waiting_, {});
      lock.unlock();
      for (const auto& responder : batch)
        responder.send(HttpResponse::text(200, std::string(kReplyBytes, 'x')));
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<Responder> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

Status measure_foreign_answers(const Plan& plan) {
  Committer committer;
  HttpServerOptions options;
  options.listen = {"127.0.0.1:0"};
  MILLRACE_ASSIGN(const auto server, HttpServer::open(options, [&](HttpRequest&&, Responder responder) {
                    committer.add(std::move(responder));
                  }));
  Series series;
  for (int round = 0; round < plan.rounds; ++round)
    MILLRACE_TRY(series.measure(fmt::format("http://{}/", server->addresses().front()),
                                {.seconds = plan.seconds}, own_cpu_seconds));
  print({.name = "http/answered_by_another_thread/64_connections",
         .value = median(series.rate),
         .unit = "requests/s"});
  return {};
}

Status compare(const std::string& ours, const Nginx& nginx, int connections, const Plan& plan) {
  const WrkLoad load{.connections = connections,
                     .seconds = connections > 5'000 ? 2 * plan.seconds : plan.seconds};
  Series a, b;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_TRY(a.measure(ours, load, own_cpu_seconds));
    MILLRACE_TRY(b.measure(nginx.url(), load, [&] { return nginx.cpu_seconds(); }));
  }
  print({.name = fmt::format("http/static_200B/{}_connections", connections),
         .value = median(a.rate),
         .unit = "requests/s",
         .yardstick = "nginx",
         .yardstick_value = median(b.rate),
         .target = 1.0});
  // What a request costs the server hardly depends on what else the machine does.
  print({.name = fmt::format("http/static_200B/{}_connections/per_cpu_second", connections),
         .value = median(a.per_cpu_second),
         .unit = "requests/s",
         .yardstick = "nginx",
         .yardstick_value = median(b.per_cpu_second),
         .target = 1.0});
  print({.name = fmt::format("http/static_200B/{}_connections/p99", connections),
         .value = median(a.p99_us),
         .unit = "us",
         .yardstick = "nginx",
         .yardstick_value = median(b.p99_us)});
  print({.name = fmt::format("http/static_200B/{}_connections/errors", connections),
         .value = static_cast<double>(a.errors),
         .unit = "errors",
         .target = 0.0});
  return {};
}

/// Return the bytes of memory this process has in use.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Open connections, let each be answered once, and leave them idle; a raw socket has no memory of its own
/// here.
Status measure_idle_memory(const HttpServer& server, std::size_t count) {
  constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
  const auto& written = server.addresses().front();
  MILLRACE_ASSIGN(const auto address, resolve_address(written));
  std::vector<UniqueFd> connections;
  connections.reserve(count);
  const double before = resident_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    MILLRACE_ASSIGN(auto fd, connect_to(address, written, 10 * kSecondUs));
    char answer[1024];
    if (::send(fd.get(), kGet.data(), kGet.size(), MSG_NOSIGNAL) < 0) return fail(Code::kIo, "cannot send");
    MILLRACE_TRY(wait_for_socket(fd.get(), false, 10 * kSecondUs));
    if (::recv(fd.get(), answer, sizeof answer, 0) <= 0) return fail(Code::kIo, "no answer");
    connections.push_back(std::move(fd));
  }
  print({.name = fmt::format("http/memory/{}_idle_connections", count),
         .value = (resident_bytes() - before) / static_cast<double>(count),
         .unit = "B/connection",
         .target = 10'000.0});
  return {};
}

Status run(const Plan& plan) {
  raise_open_files_limit();
  MILLRACE_ASSIGN(const auto server, start_server());
  MILLRACE_TRY(measure_idle_memory(*server, plan.idle_connections));
  MILLRACE_ASSIGN(const auto nginx, Nginx::start(std::string(kReplyBytes, 'x')));
  const auto ours = fmt::format("http://{}/", server->addresses().front());
  for (const int connections : plan.connections) MILLRACE_TRY(compare(ours, *nginx, connections, plan));
  return measure_foreign_answers(plan);
}

}  // namespace
}  // namespace millrace::bench

int main(int count, char** arguments) {
  const bool tiny = count > 1 && std::string_view(arguments[1]) == "--tiny";
  const auto status = millrace::bench::run(tiny ? millrace::bench::tiny_plan() : millrace::bench::Plan{});
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.error().text().c_str());
  return 1;
}
