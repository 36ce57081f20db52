// The collector, durable and with the warehouse loading behind it, against nginx serving 200 static bytes on
// the same two cores, in turns. No request may fail, and
// after each round everything logged must reach the warehouse and the books must balance.
//
//   collect_bench [--tiny]

#include <cstdio>
#include <fstream>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "bench/server_process.h"
#include "bench/yardstick.h"

namespace millrace::bench {
namespace {

struct Plan {
  int rounds = 3;
  int seconds = 5;
  std::vector<int> connections = {64, 1000};
};

/// A wrk script that posts batches of `events`, each event with a message id of its own. The request is built
/// once, and each time only the digits of its number are written into it: wrk shares the two cores, so what
/// it does counts against us.
std::string wrk_script(std::size_t events) {
  return fmt::format(R"(
local ffi = require("ffi")
local size = {}
local seed = tostring({{}}):sub(8)
local path = size == 1 and "/v1/track" or "/v1/batch"
local mark = "@@@@@@@@"
local function event(i)
  return string.format('{{"type":"track","event":"Product Viewed","messageId":"%s-%s-%02d","anonymousId":"a-%s-%02d","timestamp":"2026-01-31T12:00:00.000Z","properties":{{"product_id":"P-%04d","name":"Copper Rake","category":"Garden/Tools","price":19.95,"quantity":1}},"context":{{"userAgent":"Mozilla/5.0","page":{{"path":"/products/1"}}}}}}', seed, mark, i, mark, i, i)
end
local parts = {{}}
for i = 1, size do parts[i] = event(i) end
local body = table.concat(parts, ",")
if size > 1 then body = '{{"batch":[' .. body .. ']}}' end

local request_bytes, request_length, places
function init()
  local text = wrk.format("POST", path, {{["Content-Type"] = "application/json", ["Host"] = wrk.headers["Host"]}}, body)
  request_length = #text
  request_bytes = ffi.new("char[?]", request_length)
  ffi.copy(request_bytes, text, request_length)
  places = {{}}
  local at = text:find(mark, 1, true)
  while at do
    places[#places + 1] = at - 1
    at = text:find(mark, at + #mark, true)
  end
end

local n = 0
function request()
  n = n + 1
  local digits = string.format("%08d", n)
  for i = 1, #places do ffi.copy(request_bytes + places[i], digits, 8) end
  return ffi.string(request_bytes, request_length)
end
)",
                     events);
}

class ScriptFile {
 public:
  explicit ScriptFile(std::size_t events)
      : path_(fmt::format("/tmp/millrace-wrk-{}-{}.lua", getpid(), events)) {
    std::ofstream(path_) << wrk_script(events);
  }
  ~ScriptFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Status measure_single(const ServerProcess& server, const Nginx& nginx, const Plan& plan, int connections) {
  const ScriptFile script(1);
  std::vector<double> ours, theirs, p99;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const WrkResult other,
                    run_wrk(nginx.url(), {.connections = connections, .seconds = plan.seconds}));
    MILLRACE_ASSIGN(const WrkResult mine,
                    run_wrk(server.url() + "/v1/track",
                            {.connections = connections, .seconds = plan.seconds, .script = script.path()}));
    if (mine.errors > 0) return fail(Code::kIo, fmt::format("{} requests failed", mine.errors));
    MILLRACE_TRY(server.wait_loaded(2 * kMinuteUs));
    ours.push_back(mine.requests_per_second);
    theirs.push_back(other.requests_per_second);
    p99.push_back(mine.p99_us / 1000);
  }
  print({.name = fmt::format("collect, one event a request, {} connections", connections),
         .value = median(ours),
         .unit = "requests/s",
         .yardstick = "nginx, static 200 bytes",
         .yardstick_value = median(theirs),
         .target = 0.5});
  Figure latency{
      .name = fmt::format("collect p99, {} connections", connections), .value = median(p99), .unit = "ms"};
  if (connections == 1000) latency.target = 25;
  print(latency);
  return {};
}

Status measure_batches(const ServerProcess& server, const Plan& plan) {
  constexpr std::size_t kEvents = 100;
  constexpr double kEventsPerSecond = 300'000;
  const ScriptFile script(kEvents);
  std::vector<double> rates;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(const WrkResult mine,
                    run_wrk(server.url() + "/v1/batch",
                            {.connections = 16, .seconds = plan.seconds, .script = script.path()}));
    if (mine.errors > 0) return fail(Code::kIo, fmt::format("{} requests failed", mine.errors));
    MILLRACE_TRY(server.wait_loaded(5 * kMinuteUs));
    rates.push_back(mine.requests_per_second * kEvents);
  }
  print({.name = "collect, batches of 100",
         .value = median(rates),
         .unit = "events/s",
         .yardstick = "wanted",
         .yardstick_value = kEventsPerSecond,
         .target = 1.0});
  return {};
}

Status run(const Plan& plan) {
  MILLRACE_ASSIGN(const auto nginx, Nginx::start(std::string(200, 'x')));
  MILLRACE_ASSIGN(const auto server, ServerProcess::start());
  for (const int connections : plan.connections)
    MILLRACE_TRY(measure_single(*server, *nginx, plan, connections));
  return measure_batches(*server, plan);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {.rounds = 1, .seconds = 1, .connections = {16}};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
