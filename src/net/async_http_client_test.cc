#include "net/async_http_client.h"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/http_testing.h"
#include "net/load_generator.h"

namespace millrace {
namespace {

void echo(HttpRequest&& request, const Responder& responder) {
  responder.send(HttpResponse::text(200, fmt::format("{}{}", request.path(), request.body())));
}

/// Holds requests until it is told to answer.
struct Holding {
  HttpHandler handler() {
    return [this](HttpRequest&&, Responder responder) {
      const std::lock_guard lock(mutex);
      held.push_back(std::move(responder));
    };
  }
  std::mutex mutex;
  std::vector<Responder> held;
};

std::unique_ptr<AsyncHttpClient> client_of(const HttpServer& server, AsyncHttpClientOptions options = {}) {
  options.address = server.addresses().front();
  auto client = AsyncHttpClient::open(std::move(options));
  if (client) return *std::move(client);
  ADD_FAILURE() << client.error().text();
  return nullptr;
}

/// Counts outcomes by kind.
class Outcomes {
 public:
  AsyncHttpClient::Done done() {
    return [this](const Result<HttpResponse>& answer) {
      const std::lock_guard lock(mutex_);
      ++counts_[answer ? fmt::format("{}", answer->status) : std::string(code_name(answer.error().code))];
    };
  }
  int count(const std::string& kind) {
    const std::lock_guard lock(mutex_);
    return counts_[kind];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> counts_;
};

TEST(AsyncHttpClient, GivesEachRequestItsOwnAnswer) {
  const auto server = open_test_server(echo);
  std::atomic<int> right = 0, answers = 0;
  AsyncHttpClientOptions options;
  options.connections = 8;
  const auto client = client_of(*server, options);
  for (int i = 0; i < 3000; ++i) {
    ClientRequest request{
        .method = "POST", .target = fmt::format("/{}", i), .body = std::string(1 + i % 9000, 'b')};
    auto expected = request.target + request.body;
    ASSERT_TRUE(client->send(std::move(request), [&, expected](const Result<HttpResponse>& answer) {
      right += answer && answer->body == expected;
      ++answers;  // last: a request is no longer outstanding while its answer is looked at
    }));
  }
  EXPECT_TRUE(eventually([&] { return answers == 3000; }));
  EXPECT_EQ(client->outstanding(), 0u);
  EXPECT_EQ(right, 3000);
  EXPECT_EQ(server->stats().connections_total, 8u);
}

TEST(AsyncHttpClient, RefusesBeyondItsQueueAndCancelsAtTheEnd) {
  Holding holding;
  const auto server = open_test_server(holding.handler());
  Outcomes outcomes;
  AsyncHttpClientOptions options;
  options.connections = 2;
  options.queue_requests_max = 5;
  auto client = client_of(*server, options);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client->send({}, outcomes.done()));
  EXPECT_EQ(client->send({}, outcomes.done()).error().code, Code::kOverloaded);
  client.reset();
  EXPECT_EQ(outcomes.count("cancelled"), 5);
}

TEST(AsyncHttpClient, TimesOutRequestsSentAndWaiting) {
  Holding holding;
  const auto server = open_test_server(holding.handler());
  Outcomes outcomes;
  AsyncHttpClientOptions options;
  options.connections = 1;
  options.request_timeout = 100 * kMillisecondUs;
  const auto client = client_of(*server, options);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client->send({}, outcomes.done()));
  EXPECT_TRUE(eventually([&] { return outcomes.count("deadline") == 3; }));
}

TEST(AsyncHttpClient, TellsWhenNothingListensAndRecovers) {
  auto server = open_test_server(echo);
  const auto address = server->addresses().front();
  Outcomes outcomes;
  const auto client = client_of(*server);
  EXPECT_TRUE(client->send({}, outcomes.done()));
  EXPECT_TRUE(eventually([&] { return outcomes.count("200") == 1; }));
  server.reset();
  ASSERT_TRUE(eventually([&] { return client->connections_open() == 0; }));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client->send({}, outcomes.done()));
  EXPECT_TRUE(eventually([&] { return outcomes.count("not_found") == 20; }));
  HttpServerOptions options;
  options.listen = {address};
  const auto again = HttpServer::open(options, echo);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_TRUE(client->send({}, outcomes.done()));
  EXPECT_TRUE(eventually([&] { return outcomes.count("200") == 2; }));
}

TEST(AsyncHttpClient, ReportsAConnectionLostUnderARequest) {
  Holding holding;
  auto server = open_test_server(holding.handler());
  Outcomes outcomes;
  const auto client = client_of(*server);
  EXPECT_TRUE(client->send({}, outcomes.done()));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(holding.mutex);
    return holding.held.size() == 1;
  }));
  server.reset();
  EXPECT_TRUE(eventually([&] { return outcomes.count("io") == 1; }));
}

TEST(AsyncHttpClient, OpensAllConnectionsFirst) {
  const auto server = open_test_server(echo);
  AsyncHttpClientOptions options;
  options.connections = 600;
  options.open_all_first = true;
  auto client = client_of(*server, options);
  EXPECT_EQ(client->connections_open(), 600u);
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 600; }));
  server->stop(0);
  options.address = server->addresses().front();
  EXPECT_EQ(AsyncHttpClient::open(options).error().code, Code::kNotFound);
}

TEST(AsyncHttpClient, CallbacksMaySendMore) {
  const auto server = open_test_server(echo);
  std::atomic<int> left = 500;
  const auto client = client_of(*server);
  std::function<void(Result<HttpResponse>)> again = [&](const Result<HttpResponse>& answer) {
    if (!answer || --left == 0) return;
    EXPECT_TRUE(client->send({}, again));
  };
  ASSERT_TRUE(client->send({}, again));
  EXPECT_TRUE(eventually([&] { return left == 0; }));
  EXPECT_TRUE(eventually([&] { return client->outstanding() == 0; }));
}

TEST(LoadGenerator, KeepsItsRateAndCountsOutcomes) {
  const auto server = open_test_server([](HttpRequest&& request, const Responder& responder) {
    responder.send(HttpResponse::text(request.path() == "/5" ? 503 : 200, "x"));
  });
  LoadOptions options;
  options.address = server->addresses().front();
  options.rate_per_second = 500;
  options.duration = kSecondUs;
  options.connections = 20;
  const auto result = generate_load(
      options, [](std::uint64_t i) { return ClientRequest{.target = fmt::format("/{}", i % 10)}; });
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->sent, 500u);
  EXPECT_EQ(result->succeeded, 450u);
  EXPECT_EQ(result->errors.at("status_503"), 50u);
  EXPECT_EQ(result->error_count(), 50u);
  EXPECT_EQ(result->latency.count(), 500u);
  EXPECT_NEAR(result->achieved_per_second, 450, 60);
}

// A server that stalls for 400 ms of one second: a closed loop would see one slow answer, an open loop sees
// that every request meant for that time came late.
TEST(LoadGenerator, DoesNotHideAStall) {
  std::atomic<int> seen = 0;
  HttpServerOptions server_options;
  server_options.threads = 1;
  const auto server = open_test_server(
      [&](HttpRequest&&, const Responder& responder) {
        if (++seen == 100) std::this_thread::sleep_for(std::chrono::milliseconds(400));
        responder.send(HttpResponse::text(200, "x"));
      },
      std::move(server_options));
  LoadOptions options;
  options.address = server->addresses().front();
  options.rate_per_second = 400;
  options.duration = kSecondUs;
  options.connections = 1;
  const auto result = generate_load(options, [](std::uint64_t) { return ClientRequest{}; });
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->succeeded, 400u);
  EXPECT_GT(result->latency.quantile(0.9), 100 * kMillisecondUs);
  EXPECT_GE(result->latency.max(), 390 * kMillisecondUs);
}

}  // namespace
}  // namespace millrace
