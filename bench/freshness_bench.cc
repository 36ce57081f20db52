// How soon an event shows, while 20,000 others a second come in and every job runs: in the recommender's
// profile of its person, and in the warehouse's tables. A probe's time counts from just before it is sent, so
// it holds the way in and the sync of the log. At the end everything logged must be in the warehouse and
// the books must balance.
//
//   freshness_bench [--tiny]

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <deque>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/env.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"
#include "net/load_generator.h"

namespace millrace::bench {
namespace {

constexpr int kEventsPerRequest = 100;

struct Plan {
  int rounds = 3;
  DurationUs duration = 15 * kSecondUs;
  double events_per_second = 20'000;
};

/// A batch of views by a hundred of 50,000 people; no two of its messages have the same id.
std::string batch_of(std::string_view run, std::uint64_t number) {
  std::string body = R"({"batch":[)";
  for (int i = 0; i < kEventsPerRequest; ++i) {
    const std::uint64_t n = number * kEventsPerRequest + static_cast<std::uint64_t>(i);
    fmt::format_to(
        std::back_inserter(body),
        R"({}{{"type":"track","event":"Product Viewed","messageId":"{}-{}","anonymousId":"a-{}","properties":)"
        R"({{"product_id":"P-{:04}","name":"Copper Rake","category":"Garden/Tools","price":19.95,"quantity":1}},)"
        R"("context":{{"userAgent":"Mozilla/5.0","page":{{"path":"/products/{}"}}}}}})",
        i == 0 ? "" : ",", run, n, n * 7919 % 50'000, n * 31 % 200, n * 31 % 200);
  }
  return body + "]}";
}

/// Sends one event of a new person at a time, and sees when it has come through.
class Prober {
 public:
  Prober(HttpClient& client, std::string run) : client_(client), run_(std::move(run)) {}

  LatencyHistogram profile;  ///< µs to the first recommendation that knows the person
  LatencyHistogram table;    ///< µs to the first query that finds the row

  /// Probe until `until`, at most every 50 ms, then wait for the rows still due. Errors: kDeadline when one
  /// does not come within half a minute.
  Status run(DurationUs until) {
    while (env_.steady_now() < until) {
      const DurationUs sent = env_.steady_now();
      MILLRACE_TRY(send());
      due_.push_back(sent);
      MILLRACE_TRY(wait_for_profile(sent));
      MILLRACE_TRY(look_at_table());
      env_.sleep_for(std::max<DurationUs>(0, sent + 50 * kMillisecondUs - env_.steady_now()));
    }
    while (!due_.empty()) {
      if (env_.steady_now() - due_.front() > 30 * kSecondUs) return fail(Code::kDeadline, "a row never came");
      MILLRACE_TRY(look_at_table());
      env_.sleep_for(5 * kMillisecondUs);
    }
    return {};
  }

 private:
  Status send() {
    ++sent_;
    const auto body = fmt::format(
        R"({{"type":"track","event":"Product Viewed","messageId":"{0}-probe-{1}","userId":"{0}-{1}",)"
        R"("properties":{{"product_id":"P-0001","probe":{1}}}}})",
        run_, sent_);
    MILLRACE_ASSIGN(const HttpResponse answer, client_.request("POST", "/v1/track", body));
    if (answer.status != 200) return fail(Code::kIo, "the collector answered " + answer.body);
    return {};
  }

  /// A person without a past gets the fallback "cold".
  Status wait_for_profile(DurationUs sent) {
    const auto target = fmt::format("/v1/recommendations?user={}-{}&n=1", run_, sent_);
    for (;;) {
      MILLRACE_ASSIGN(const HttpResponse answer, client_.get(target));
      const auto body = nlohmann::json::parse(answer.body, nullptr, false);
      const DurationUs took = env_.steady_now() - sent;
      if (answer.status == 200 && body.value("fallback", nlohmann::json()) != "cold") {
        profile.record(took);
        return {};
      }
      if (took > 30 * kSecondUs) return fail(Code::kDeadline, "no profile came: " + answer.body);
    }
  }

  /// Probes are loaded in the order in which they came, so the newest one that shows tells of all before it.
  Status look_at_table() {
    const auto query = fmt::format(
        "SELECT coalesce(max(CAST(properties->>'$.probe' AS BIGINT)), 0) FROM events "
        "WHERE event_time > (SELECT max(event_time) FROM events) - INTERVAL 40 SECOND "
        "AND user_id LIKE '{}-%'",
        run_);
    MILLRACE_ASSIGN(const HttpResponse answer,
                    client_.request("POST", "/v1/sql", nlohmann::json{{"query", query}}.dump()));
    if (answer.status != 200) return fail(Code::kIo, answer.body);
    const auto newest = nlohmann::json::parse(answer.body)["rows"][0][0].get<std::uint64_t>();
    const DurationUs now = env_.steady_now();
    for (; seen_ < newest; ++seen_, due_.pop_front()) table.record(now - due_.front());
    return {};
  }

  Env& env_ = Env::system();
  HttpClient& client_;
  const std::string run_;
  std::uint64_t sent_ = 0;
  std::uint64_t seen_ = 0;
  std::deque<DurationUs> due_;  ///< when the probes were sent whose rows have not shown
};

struct Measured {
  LatencyHistogram profile;
  LatencyHistogram table;
};

Result<Measured> measure(const ServerProcess& server, const Plan& plan, int round) {
  const std::string run = fmt::format("r{}", round);
  const DurationUs until = Env::system().steady_now() + plan.duration;
  Result<LoadResult> loaded = fail(Code::kInternal, "not run");
  std::thread generator;
  if (plan.events_per_second > 0) {
    LoadOptions load{.address = server.address(),
                     .rate_per_second = plan.events_per_second / kEventsPerRequest,
                     .duration = plan.duration,
                     .connections = 16};
    generator = std::thread([&, load] {
      loaded = generate_load(load, [&](std::uint64_t i) {
        return ClientRequest{.method = "POST", .target = "/v1/batch", .body = batch_of(run, i)};
      });
    });
  }
  Status probed = {};
  LatencyHistogram profile, table;
  if (auto client = server.client(); client) {
    Prober prober(**client, run);
    probed = prober.run(until);
    profile = prober.profile;
    table = prober.table;
  } else {
    probed = fail(client.error());
  }
  if (generator.joinable()) {
    generator.join();
    if (!loaded) return fail(loaded.error());
    if (loaded->error_count() > 0) return fail(Code::kIo, fmt::format("{} failed", loaded->error_count()));
  }
  MILLRACE_TRY(probed);
  MILLRACE_TRY(server.wait_loaded(2 * kMinuteUs));
  return Measured{profile, table};
}

Status run_at(const ServerProcess& server, const Plan& plan, int& round) {
  std::vector<double> profile_p50, profile_p99, table_p50, table_p99;
  for (int i = 0; i < plan.rounds; ++i) {
    MILLRACE_ASSIGN(const Measured measured, measure(server, plan, ++round));
    profile_p50.push_back(static_cast<double>(measured.profile.quantile(.5)) / 1000);
    profile_p99.push_back(static_cast<double>(measured.profile.quantile(.99)) / 1000);
    table_p50.push_back(static_cast<double>(measured.table.quantile(.5)) / 1000);
    table_p99.push_back(static_cast<double>(measured.table.quantile(.99)) / 1000);
  }
  const std::string at = fmt::format(", {} other events/s", plan.events_per_second);
  print({.name = "event to live profile p50" + at, .value = median(profile_p50), .unit = "ms"});
  Figure profile{.name = "event to live profile p99" + at, .value = median(profile_p99), .unit = "ms"};
  if (plan.events_per_second == 0) profile.target = 5;
  print(profile);
  print({.name = "event to table p50" + at, .value = median(table_p50), .unit = "ms"});
  print({.name = "event to table p99" + at, .value = median(table_p99), .unit = "ms", .target = 2000});
  return {};
}

Status run(Plan plan) {
  MILLRACE_ASSIGN(const auto server, ServerProcess::start());
  int round = 0;
  Plan quiet = plan;
  quiet.events_per_second = 0;
  MILLRACE_TRY(run_at(*server, quiet, round));
  return run_at(*server, plan, round);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {.rounds = 1, .duration = millrace::kSecondUs, .events_per_second = 2'000};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
