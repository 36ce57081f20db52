// From `millrace up` to ready, and what an idle server costs, on an empty directory and with a million
// events, whose recommender's memory comes from its snapshot or is rebuilt.
//
//   startup_bench [--tiny]

#include <cstdio>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "base/env.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"

namespace millrace::bench {
namespace {

struct Plan {
  int rounds = 3;
  std::size_t events = 1'000'000;
  DurationUs idle = 10 * kSecondUs;
};

Status load_events(const ServerProcess& server, std::size_t count) {
  constexpr std::size_t kBatch = 500;
  MILLRACE_ASSIGN(auto client, server.client());
  for (std::size_t from = 0; from < count; from += kBatch) {
    std::string body = R"({"batch":[)";
    for (std::size_t i = from; i < std::min(count, from + kBatch); ++i)
      body += fmt::format(
          R"({}{{"type":"track","event":"Product Viewed","messageId":"m{}","userId":"u{}","properties":{{"product_id":"p{}"}}}})",
          i == from ? "" : ",", i, i % 50'000, i * 31 % 5'000);
    body += "]}";
    MILLRACE_ASSIGN(const HttpResponse answer, client->request("POST", "/v1/batch", body));
    if (answer.status != 200) return fail(Code::kIo, answer.body);
  }
  MILLRACE_TRY(server.wait_loaded(5 * kMinuteUs));
  MILLRACE_ASSIGN(const std::string rows, server.sql_cell("SELECT count(*) FROM events"));
  if (rows != std::to_string(count)) return fail(Code::kInternal, "the warehouse has " + rows + " events");
  return {};
}

Status measure_idle(const ServerProcess& server, const Plan& plan, std::string_view what) {
  Env::system().sleep_for(2 * kSecondUs);
  const DurationUs before = server.cpu_us();
  Env::system().sleep_for(plan.idle);
  const double share = 100 * static_cast<double>(server.cpu_us() - before) / static_cast<double>(plan.idle);
  print({.name = fmt::format("idle resident memory, {}", what),
         .value = static_cast<double>(server.resident_bytes()) / 1e6,
         .unit = "MB",
         .target = 150});
  print(
      {.name = fmt::format("idle processor, {}", what), .value = share, .unit = "% of a core", .target = 1});
  return {};
}

/// Start with what is in `data`, each time with the snapshot of the recommender's memory or each time
/// without.
Status measure_starts(const std::filesystem::path& data, const Plan& plan, bool snapshot) {
  const std::filesystem::path file = data / "recommender.snapshot";
  std::vector<double> ms;
  for (int round = 0; round < plan.rounds; ++round) {
    if (!std::filesystem::exists(file)) return fail(Code::kInternal, "a stop left no " + file.string());
    if (!snapshot) std::filesystem::remove(file);
    MILLRACE_ASSIGN(const auto server, ServerProcess::start(data));
    ms.push_back(static_cast<double>(server->start_us()) / kMillisecondUs);
    if (round == 0 && snapshot)
      MILLRACE_TRY(measure_idle(*server, plan, fmt::format("{} events", plan.events)));
    server->stop();
  }
  print({.name = fmt::format("up to ready, {} events, {} the recommender's snapshot", plan.events,
                             snapshot ? "with" : "without"),
         .value = median(ms),
         .unit = "ms",
         .target = 3'000});
  return {};
}

Status run(const Plan& plan) {
  std::vector<double> empty_ms;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const auto server, ServerProcess::start());
    empty_ms.push_back(static_cast<double>(server->start_us()) / kMillisecondUs);
    if (round == 0) MILLRACE_TRY(measure_idle(*server, plan, "empty"));
  }
  print({.name = "up to ready, empty directory", .value = median(empty_ms), .unit = "ms", .target = 1'000});

  MILLRACE_ASSIGN(const auto first, ServerProcess::start());
  MILLRACE_TRY(load_events(*first, plan.events));
  first->stop();
  for (const bool snapshot : {true, false}) MILLRACE_TRY(measure_starts(first->data(), plan, snapshot));
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {.rounds = 1, .events = 2'000, .idle = millrace::kSecondUs};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
