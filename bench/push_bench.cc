// From publishing a message to the arrival of its push, open loop at 1,000 messages a second: latency counts
// from when a message should have been published, and so holds the log's sync, the hand-out and both ways
// through the kernel. Every message must arrive once, and be acknowledged on disk at the end.
//
//   push_bench [--tiny]

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/env.h"
#include "base/text.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"
#include "net/http_server.h"
#include "net/load_generator.h"

namespace millrace::bench {
namespace {

struct Plan {
  int rounds = 3;
  DurationUs duration = 8 * kSecondUs;
  double rate = 1'000;
};

/// A project whose one setting is where pushes may go.
class Project {
 public:
  explicit Project(const std::string& target)
      : path_(std::filesystem::temp_directory_path() / fmt::format("millrace-push-bench-{}", getpid())) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ / "millrace.yaml") << "subscriptions: {push_targets: [\"" << target << "\"]}\n";
  }
  ~Project() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The subscriber: takes every push and notes how long ago its message should have been published.
class Subscriber {
 public:
  Status open() {
    MILLRACE_ASSIGN(server_, HttpServer::open({.listen = {"127.0.0.1:0"}, .threads = 1},
                                              [this](const HttpRequest& request, const Responder& responder) {
                                                take(request.body());
                                                responder.send(HttpResponse{.status = 204});
                                              }));
    return {};
  }
  std::string url() const { return "http://" + server_->addresses().front() + "/hook"; }

  std::uint64_t count() const {
    const std::lock_guard lock(mutex_);
    return latency_.count();
  }
  LatencyHistogram take_all() {
    const std::lock_guard lock(mutex_);
    return std::exchange(latency_, {});
  }

 private:
  void take(std::string_view body) {
    constexpr std::string_view kData = R"("data":")";
    const std::size_t begin = body.find(kData) + kData.size();
    const std::string text = base64_decode(body.substr(begin, body.find('"', begin) - begin)).value_or("");
    DurationUs intended = 0;
    std::from_chars(text.data(), text.data() + text.size(), intended);
    const std::lock_guard lock(mutex_);
    latency_.record(Env::system().steady_now() - intended);
  }

  mutable std::mutex mutex_;
  LatencyHistogram latency_;  ///< guarded by mutex_
  std::unique_ptr<HttpServer> server_;
};

Status ask(HttpClient& client, std::string_view method, std::string_view target,
           const std::string& body = {}) {
  MILLRACE_ASSIGN(const HttpResponse answer, client.request(method, target, body));
  if (answer.status == 200) return {};
  return fail(Code::kIo, fmt::format("{} {}: {}", method, target, answer.body));
}

Status wait_acknowledged(HttpClient& client) {
  Env& env = Env::system();
  const DurationUs end = env.steady_now() + 30 * kSecondUs;
  for (;;) {
    MILLRACE_ASSIGN(const HttpResponse answer, client.get("/v1/subscriptions/bench"));
    const auto backlog =
        nlohmann::json::parse(answer.body, nullptr, false).value("backlog", std::uint64_t{1});
    if (backlog == 0) return {};
    if (env.steady_now() > end)
      return fail(Code::kDeadline, fmt::format("{} messages were not pushed", backlog));
    env.sleep_for(50 * kMillisecondUs);
  }
}

struct Measured {
  LatencyHistogram
      answered;  ///< from when a message should have been published to the answer that it is on disk
  LatencyHistogram pushed;  ///< … to the arrival of its push
};

Result<Measured> measure(const ServerProcess& server, Subscriber& subscriber, const Plan& plan) {
  Env& env = Env::system();
  LoadOptions load;
  load.address = server.address();
  load.rate_per_second = plan.rate;
  load.duration = plan.duration;
  load.connections = 32;
  const std::string rest(900, 'x');  // about 1 KB a message
  const DurationUs started = env.steady_now();
  MILLRACE_ASSIGN(const LoadResult published, generate_load(load, [&](std::uint64_t i) {
                    // Our start lies a moment before the generator's, so this counts rather too much.
                    const auto due = static_cast<DurationUs>(static_cast<double>(i) * kSecondUs / plan.rate);
                    const DurationUs intended = started + due;
                    return ClientRequest{.method = "POST",
                                         .target = "/v1/topics/bench/messages",
                                         .body = fmt::format("{} {}", intended, rest),
                                         .content_type = "text/plain"};
                  }));
  if (published.error_count() > 0)
    return fail(Code::kIo, fmt::format("{} were not taken", published.error_count()));
  MILLRACE_ASSIGN(const auto client, server.client());
  MILLRACE_TRY(wait_acknowledged(*client));
  if (subscriber.count() != published.sent)
    return fail(Code::kInternal, fmt::format("{} published, {} pushed", published.sent, subscriber.count()));
  return Measured{published.latency, subscriber.take_all()};
}

Status run(const Plan& plan) {
  Subscriber subscriber;
  MILLRACE_TRY(subscriber.open());
  const Project project(subscriber.url());
  MILLRACE_ASSIGN(const auto server, ServerProcess::start({}, {"--project", project.path().string()}));
  MILLRACE_ASSIGN(const auto client, server->client());
  MILLRACE_TRY(ask(*client, "PUT", "/v1/topics/bench"));
  MILLRACE_TRY(ask(*client, "PUT", "/v1/subscriptions/bench",
                   nlohmann::json{{"topic", "bench"}, {"push", subscriber.url()}}.dump()));
  std::vector<double> answered_p50, answered_p99, p50, p99;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const Measured latency, measure(*server, subscriber, plan));
    answered_p50.push_back(static_cast<double>(latency.answered.quantile(.5)) / 1000);
    answered_p99.push_back(static_cast<double>(latency.answered.quantile(.99)) / 1000);
    p50.push_back(static_cast<double>(latency.pushed.quantile(.5)) / 1000);
    p99.push_back(static_cast<double>(latency.pushed.quantile(.99)) / 1000);
  }
  const std::string at = fmt::format(", {} messages/s", plan.rate);
  print({.name = "publish answered p50" + at, .value = median(answered_p50), .unit = "ms"});
  print({.name = "publish answered p99" + at, .value = median(answered_p99), .unit = "ms"});
  print({.name = "publish to push p50" + at, .value = median(p50), .unit = "ms"});
  print({.name = "publish to push p99" + at, .value = median(p99), .unit = "ms", .target = 10});
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {.rounds = 1, .duration = millrace::kSecondUs};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
