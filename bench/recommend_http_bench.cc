// Recommendations over HTTP, open loop: latency counts from when a request should have been sent.
//
//   recommend_http_bench [--tiny]

#include <cstdio>
#include <string_view>

#include <fmt/format.h>

#include "bench/server_process.h"
#include "bench/shop.h"
#include "bench/yardstick.h"

namespace millrace::bench {
namespace {

struct Plan {
  std::vector<std::size_t> items = {200, 100'000};
  DurationUs duration = 8 * kSecondUs;
  int rounds = 3;
  std::size_t people = 20'000;
  std::size_t open_connections = 10'000;
};

Status measure_rate(const ServerProcess& server, const Plan& plan, std::size_t items) {
  std::vector<double> p50, p99;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const LoadResult result, ask_shop(server, plan.people, 1'000, 64, plan.duration));
    p50.push_back(static_cast<double>(result.latency.quantile(.5)) / 1000);
    p99.push_back(static_cast<double>(result.latency.quantile(.99)) / 1000);
  }
  print({.name = fmt::format("recommend p50, {} items, 1,000 requests/s", items),
         .value = median(p50),
         .unit = "ms"});
  print({.name = fmt::format("recommend p99, {} items, 1,000 requests/s", items),
         .value = median(p99),
         .unit = "ms",
         .target = 5});
  return {};
}

Status measure_connections(const ServerProcess& server, const Plan& plan) {
  std::vector<double> p99;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const LoadResult result,
                    ask_shop(server, plan.people, 2'000, plan.open_connections, plan.duration));
    p99.push_back(static_cast<double>(result.latency.quantile(.99)) / 1000);
  }
  print({.name = fmt::format("recommend p99, 2,000 requests/s over {} connections", plan.open_connections),
         .value = median(p99),
         .unit = "ms",
         .target = 50});
  return {};
}

Status run(const Plan& plan) {
  for (const std::size_t items : plan.items) {
    MILLRACE_ASSIGN(const auto server, ServerProcess::start());
    MILLRACE_TRY(fill_shop(*server, items, plan.people));
    MILLRACE_TRY(measure_rate(*server, plan, items));
    if (items == plan.items.back()) MILLRACE_TRY(measure_connections(*server, plan));
  }
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {
        .items = {200}, .duration = millrace::kSecondUs, .rounds = 1, .people = 400, .open_connections = 500};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
