// A year of a real shop's invoices (online_retail.csv.gz, 541,909 rows) through `millrace ingest` into a
// running server: rows a second until all is durable in the log, then the time until all of it can be
// queried. Without the file it says so and measures nothing.
//
//   ingest_run_bench [--tiny]

#include <cstdio>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/env.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"

namespace millrace::bench {
namespace {

constexpr double kRows = 541'909;
constexpr double kRowsPerSecond = 250'000;

Status run(int rounds) {
  const auto file = shared_data("retail/online_retail.csv.gz");
  if (file.empty()) {
    fmt::print(stderr, "no online_retail.csv.gz on this machine; nothing was measured\n");
    return {};
  }
  Env& env = Env::system();
  std::vector<double> rates, seconds_to_query;
  for (int round = 0; round < rounds; ++round) {
    MILLRACE_ASSIGN(const auto server, ServerProcess::start());
    const DurationUs began = env.steady_now();
    MILLRACE_ASSIGN(const std::string output,
                    run_binary({"ingest", "csv", "--map", "examples/shop/mappings/online_retail.yaml",
                                "--data", server->data().string(), "--json", file.string()}));
    const DurationUs durable = env.steady_now();
    MILLRACE_TRY(server->wait_loaded(kMinuteUs));
    const DurationUs queryable = env.steady_now();
    const nlohmann::json result = nlohmann::json::parse(output);
    if (result["rows"] != kRows) return fail(Code::kInternal, "rows read: " + result["rows"].dump());
    MILLRACE_ASSIGN(const std::string revenue,
                    server->sql_cell("SELECT sum(amount) FROM order_lines WHERE country = 'France'"));
    if (revenue.empty() || revenue == "null") return fail(Code::kInternal, "nothing can be queried");
    rates.push_back(kRows * kSecondUs / static_cast<double>(durable - began));
    seconds_to_query.push_back(static_cast<double>(queryable - durable) / kSecondUs);
  }
  print({.name = "ingest of online_retail, into the log",
         .value = median(rates),
         .unit = "rows/s",
         .yardstick = "wanted",
         .yardstick_value = kRowsPerSecond,
         .target = 1.0});
  print({.name = "from there until it can be queried",
         .value = median(seconds_to_query),
         .unit = "s",
         .target = 5});
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  const bool tiny = argc > 1 && std::string_view(argv[1]) == "--tiny";
  if (const auto done = millrace::bench::run(tiny ? 1 : 3); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
