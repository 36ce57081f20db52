// Online features over HTTP, open loop: latency counts from when a request should have been sent. The
// yardstick is /healthz of the same server at the same rate, in turns: what HTTP itself takes. Checks its
// answers.
//
//   features_bench [--tiny]

#include <cstdio>
#include <fstream>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/env.h"
#include "bench/server_process.h"
#include "bench/yardstick.h"
#include "net/load_generator.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kViews = 10;  // alike, so that a request can name one or all
constexpr std::size_t kEventsEach = 5;

struct Plan {
  DurationUs duration = 8 * kSecondUs;
  int rounds = 3;
  std::size_t people = 50'000;
  double rate_one = 1'000;
  double rate_hundred = 200;
};

/// A project whose views count what people look at.
std::filesystem::path write_project() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-features-XXXXXX").string();
  const std::filesystem::path dir = ::mkdtemp(pattern.data());
  std::filesystem::create_directories(dir / "features");
  std::ofstream(dir / "millrace.yaml") << "features: {memory: 2GiB}\n";
  for (std::size_t i = 0; i < kViews; ++i)
    std::ofstream(dir / "features" / fmt::format("activity{}.yaml", i))
        << "owner: bench\ndescription: bench\nentity: visitor\nflow: item_interactions\nfeatures:\n"
           "  views_1h: {value: count, window: 1h, description: d}\n"
           "  views_7d: {value: count, window: 7d, description: d}\n"
           "  items_1d: {value: distinct(item_id), window: 1d, description: d}\n"
           "  last_item: {value: last(item_id), description: d}\n";
  return dir;
}

Status fill(const ServerProcess& server, std::size_t people) {
  MILLRACE_ASSIGN(auto client, server.client());
  constexpr std::size_t kPeopleAtOnce = 200;
  for (std::size_t from = 0; from < people; from += kPeopleAtOnce) {
    nlohmann::json batch = nlohmann::json::array();
    for (std::size_t person = from; person < std::min(people, from + kPeopleAtOnce); ++person)
      for (std::size_t view = 0; view < kEventsEach; ++view)
        batch.push_back({{"type", "track"},
                         {"event", "Product Viewed"},
                         {"messageId", fmt::format("m{}-{}", person, view)},
                         {"userId", fmt::format("u{}", person)},
                         {"properties", {{"product_id", fmt::format("p{}", (person + view) % 1000)}}}});
    MILLRACE_ASSIGN(const HttpResponse answer,
                    client->request("POST", "/v1/batch", nlohmann::json{{"batch", batch}}.dump()));
    if (answer.status != 200) return fail(Code::kIo, answer.body);
  }
  return server.wait_loaded(5 * kMinuteUs);
}

std::string body_of(std::size_t first, std::size_t entities, std::size_t views, std::size_t people) {
  nlohmann::json features = nlohmann::json::array(), visitors = nlohmann::json::array();
  if (views == 1) features = {"activity0"};
  for (std::size_t i = 0; i < views && views > 1; ++i) features.push_back(fmt::format("activity{}", i));
  for (std::size_t i = 0; i < entities; ++i)
    visitors.push_back(fmt::format("u{}", (first + i * 17) % people));
  return nlohmann::json{
      {"features", features}, {"entities", {{"visitor", visitors}}}, {"full_feature_names", true}}
      .dump();
}

/// Everybody's features are what they did, once memory has taken it in.
Status check_answers(const ServerProcess& server, std::size_t people) {
  MILLRACE_ASSIGN(auto client, server.client());
  for (int tries = 0;; ++tries) {
    MILLRACE_ASSIGN(const HttpResponse answer,
                    client->request("POST", "/v1/features/online", body_of(people - 1, 100, kViews, people)));
    const auto body = nlohmann::json::parse(answer.body);
    bool right = answer.status == 200 && body["results"].size() == 1 + 4 * kViews;
    for (std::size_t column = 1; right && column < body["results"].size(); column += 4)
      for (const auto& value : body["results"][column]["values"]) right = right && value == kEventsEach;
    if (right) return {};
    if (tries == 200)
      return fail(Code::kInternal, "features are not what was done: " + answer.body.substr(0, 500));
    Env::system().sleep_for(100 * kMillisecondUs);
  }
}

Result<double> p99_of(const ServerProcess& server, const Plan& plan, double rate, std::size_t entities,
                      std::size_t views) {
  LoadOptions load;
  load.address = server.address();
  load.rate_per_second = rate;
  load.duration = plan.duration;
  load.connections = 16;
  MILLRACE_ASSIGN(const LoadResult result, generate_load(load, [&](std::uint64_t i) {
                    if (entities == 0) return ClientRequest{.target = "/healthz"};
                    return ClientRequest{.method = "POST",
                                         .target = "/v1/features/online",
                                         .body = body_of(i * 7919, entities, views, plan.people)};
                  }));
  if (result.error_count() > 0)
    return fail(Code::kIo, fmt::format("{} requests failed, such as {}", result.error_count(),
                                       result.errors.begin()->first));
  fmt::print(stderr, "{} entities, {} views, {}/s: p50 {} us, p99 {} us\n", entities, views, rate,
             result.latency.quantile(.5), result.latency.quantile(.99));
  return static_cast<double>(result.latency.quantile(.99)) / 1000;
}

Status measure(const ServerProcess& server, const Plan& plan, std::size_t entities, std::size_t views,
               std::optional<double> target) {
  const double rate = entities == 1 ? plan.rate_one : plan.rate_hundred;
  std::vector<double> ours, theirs;
  for (int round = 0; round < plan.rounds; ++round) {
    MILLRACE_ASSIGN(theirs.emplace_back(), p99_of(server, plan, rate, 0, 0));
    MILLRACE_ASSIGN(ours.emplace_back(), p99_of(server, plan, rate, entities, views));
  }
  const std::string name =
      fmt::format("online features p99, {} entities, {} features of {} views, {:.0f} requests/s", entities,
                  4 * views, views, rate);
  print({.name = name, .value = median(ours), .unit = "ms", .target = target});
  print({.name = name + ", beside HTTP alone",
         .value = median(ours),
         .unit = "ms",
         .yardstick = "/healthz p99, the same rate",
         .yardstick_value = median(theirs)});
  return {};
}

Status run(const Plan& plan) {
  const std::filesystem::path project = write_project();
  MILLRACE_ASSIGN(const auto server, ServerProcess::start({}, {"--project", project.string()}));
  MILLRACE_TRY(fill(*server, plan.people));
  MILLRACE_TRY(check_answers(*server, plan.people));
  MILLRACE_TRY(measure(*server, plan, 1, 1, 1.0));
  MILLRACE_TRY(measure(*server, plan, 100, 1, 5.0));
  MILLRACE_TRY(measure(*server, plan, 1, kViews, 1.0));
  std::error_code ignored;
  std::filesystem::remove_all(project, ignored);
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Plan plan;
  if (argc > 1 && std::string_view(argv[1]) == "--tiny")
    plan = {.duration = millrace::kSecondUs, .rounds = 1, .people = 400, .rate_one = 100, .rate_hundred = 20};
  if (const auto done = millrace::bench::run(plan); !done) {
    fmt::print(stderr, "{}\n", done.error().text());
    return 1;
  }
  return 0;
}
