#include "bench/shop.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace::bench {

Status fill_shop(const ServerProcess& server, std::size_t items, std::size_t people) {
  MILLRACE_ASSIGN(auto client, server.client());
  const auto send = [&](std::string_view method, std::string_view target,
                        const nlohmann::json& body) -> Status {
    MILLRACE_ASSIGN(const HttpResponse answer, client->request(method, target, body.dump()));
    if (answer.status == 200) return {};
    return fail(Code::kIo, fmt::format("{} {}: {}", method, target, answer.body));
  };
  constexpr std::size_t kItemsAtOnce = 5'000;
  for (std::size_t from = 0; from < items; from += kItemsAtOnce) {
    nlohmann::json body = nlohmann::json::array();
    for (std::size_t i = from; i < std::min(items, from + kItemsAtOnce); ++i)
      body.push_back({{"id", fmt::format("p{}", i)},
                      {"name", fmt::format("Thing {}", i)},
                      {"category", fmt::format("C{}/S{}", i % 20, i % 100)},
                      {"price", "9.95"},
                      {"currency", "EUR"}});
    MILLRACE_TRY(send("PUT", "/v1/items", body));
  }
  constexpr std::size_t kPeopleAtOnce = 200;
  for (std::size_t from = 0; from < people; from += kPeopleAtOnce) {
    nlohmann::json batch = nlohmann::json::array();
    for (std::size_t person = from; person < std::min(people, from + kPeopleAtOnce); ++person)
      for (std::size_t view = 0; view < 5; ++view)
        batch.push_back(
            {{"type", "track"},
             {"event", "Product Viewed"},
             {"messageId", fmt::format("m{}-{}", person, view)},
             {"userId", fmt::format("u{}", person)},
             {"properties",
              {{"product_id", fmt::format("p{}", (person * 7 + view * (person % 13 + 1)) % items)}}}});
    MILLRACE_TRY(send("POST", "/v1/batch", {{"batch", batch}}));
  }
  return server.wait_loaded(2 * kMinuteUs);
}

Result<LoadResult> ask_shop(const ServerProcess& server, std::size_t people, double rate_per_second,
                            std::size_t connections, DurationUs duration) {
  LoadOptions load;
  load.address = server.address();
  load.rate_per_second = rate_per_second;
  load.duration = duration;
  load.connections = connections;
  MILLRACE_ASSIGN(
      LoadResult result, generate_load(load, [&](std::uint64_t i) {
        return ClientRequest{.target = fmt::format("/v1/recommendations?user=u{}&n=10", i * 7919 % people)};
      }));
  if (result.error_count() > 0)
    return fail(Code::kIo, fmt::format("{} requests failed, such as {}", result.error_count(),
                                       result.errors.begin()->first));
  return result;
}

}  // namespace millrace::bench
