// The server's memory while 20 million events of a million people come in, with every job behind: what it
// holds at its most in the last quarter against the second. No request may fail, and at the end everything
// logged must be in the warehouse and the books must balance.
//
//   memory_bench [--tiny] [--events N] [--little]      --little: DuckDB and the windows have a quarter of
//   their memory, so as to have all of it early

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <thread>

#include <fmt/format.h>

#include "base/env.h"
#include "bench/folder.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"
#include "net/load_generator.h"

namespace millrace::bench {
namespace {

constexpr std::uint64_t kEventsPerRequest = 200;
constexpr std::uint64_t kPeople = 1'000'000;
constexpr double kEventsPerSecond = 80'000;

struct Plan {
  std::uint64_t events = 20'000'000;
  double events_per_second = kEventsPerSecond;
  bool little = false;
};

constexpr std::string_view kLittle = "warehouse: {memory: 128MiB}\nwindows: {memory: 32MiB}\n";

/// Views and carts; neighbours in time are of different people, who all come round again.
std::string batch_of(std::uint64_t number) {
  std::string body = R"({"batch":[)";
  for (std::uint64_t i = 0; i < kEventsPerRequest; ++i) {
    const std::uint64_t n = number * kEventsPerRequest + i;
    fmt::format_to(
        std::back_inserter(body),
        R"({}{{"type":"track","event":"{}","messageId":"m{}","anonymousId":"a{}","properties":)"
        R"({{"product_id":"P-{:04}","name":"Copper Rake","category":"Garden/Tools","price":19.95,"quantity":1}}}})",
        i == 0 ? "" : ",", n % 8 == 0 ? "Product Added" : "Product Viewed", n, n * 7919 % kPeople,
        n * 31 % 5'000);
  }
  return body + "]}";
}

/// Looks at the server's resident memory every 100 ms and keeps the most of each quarter of the run.
class Watch {
 public:
  Watch(const ServerProcess& server, DurationUs length)
      : server_(server), quarter_(length / 4), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  std::array<std::uint64_t, 4> stop() {
    thread_.request_stop();
    thread_.join();
    return most_;
  }

 private:
  void run(const std::stop_token& stop) {
    Env& env = Env::system();
    const DurationUs began = env.steady_now();
    while (!stop.stop_requested()) {
      const auto at =
          static_cast<std::size_t>(std::clamp<DurationUs>((env.steady_now() - began) / quarter_, 0, 3));
      most_[at] = std::max(most_[at], server_.resident_bytes());
      env.sleep_for(100 * kMillisecondUs);
    }
  }

  const ServerProcess& server_;
  const DurationUs quarter_;
  std::array<std::uint64_t, 4> most_{};
  std::jthread thread_;  ///< last: uses the others
};

double megabytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

Status run(const Plan& plan) {
  const Folder project;
  std::ofstream(project.path() / "millrace.yaml") << (plan.little ? kLittle : "");
  MILLRACE_ASSIGN(const auto server, ServerProcess::start({}, {"--project", project.path().string()}));
  LoadOptions load{.address = server->address(),
                   .rate_per_second = plan.events_per_second / kEventsPerRequest,
                   .duration = static_cast<DurationUs>(static_cast<double>(plan.events) /
                                                       plan.events_per_second * kSecondUs),
                   .connections = 8};
  Watch watch(*server, load.duration);
  MILLRACE_ASSIGN(const LoadResult sent, generate_load(load, [](std::uint64_t i) {
                    return ClientRequest{.method = "POST", .target = "/v1/batch", .body = batch_of(i)};
                  }));
  if (sent.error_count() > 0) return fail(Code::kIo, fmt::format("{} requests failed", sent.error_count()));
  MILLRACE_TRY(server->wait_loaded(10 * kMinuteUs));
  const auto most = watch.stop();
  const std::string of = fmt::format(", {} events of {} people", plan.events, kPeople);
  print({.name = "memory, most in the second quarter" + of, .value = megabytes(most[1]), .unit = "MB"});
  print({.name = "memory, most in the last quarter" + of, .value = megabytes(most[3]), .unit = "MB"});
  print({.name = "growth of memory from the second quarter to the last" + of,
         .value = megabytes(most[3]) / megabytes(most[1]),
         .unit = "times",
         .target = 1.1});
  return {};
}

Plan parse(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--tiny") plan = {.events = 20'000, .events_per_second = 10'000};
    if (argument == "--little") plan.little = true;
    if (argument == "--events" && i + 1 < argc) {
      const std::string_view number = argv[++i];
      std::from_chars(number.data(), number.data() + number.size(), plan.events);
    }
  }
  return plan;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  if (const auto done = millrace::bench::run(millrace::bench::parse(argc, argv)); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
