#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/http_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

void hello(HttpRequest&&, const Responder& responder) {
  responder.send(HttpResponse::text(200, "hello"));
}

/// Holds requests until a test answers them.
class Waiting {
 public:
  HttpHandler handler() {
    return [this](HttpRequest&&, Responder responder) {
      const std::lock_guard lock(mutex_);
      responders_.push_back(std::move(responder));
    };
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return responders_.size();
  }
  std::vector<Responder> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(responders_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Responder> responders_;
};

HttpServerOptions quick_timeouts() {
  HttpServerOptions options;
  options.request_timeout = 150 * kMillisecondUs;
  options.idle_timeout = 400 * kMillisecondUs;
  options.write_timeout = 200 * kMillisecondUs;
  return options;
}

TEST(HttpServerTimeouts, EndASlowRequestWhileOthersAreServed) {
  const auto server = open_test_server(hello, quick_timeouts());
  RawConnection slow(server->port());
  RawConnection other(server->port());
  slow.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 20 && server->stats().timeouts_total == 0; ++i) {
    slow.send("X: y\r\n");  // a little now and then does not prolong it
    other.send(kGet);
    EXPECT_THAT(other.read_until("hello"), StartsWith("HTTP/1.1 200"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_THAT(slow.read_to_end(), StartsWith("HTTP/1.1 408 Request Timeout"));
  EXPECT_TRUE(slow.ended());
}

TEST(HttpServerTimeouts, CloseIdleConnections) {
  const auto server = open_test_server(hello, quick_timeouts());
  RawConnection connection(server->port());
  connection.send(kGet);
  EXPECT_THAT(connection.read_to_end(), HasSubstr("hello"));
  EXPECT_TRUE(connection.ended());
}

TEST(HttpServerTimeouts, CloseAClientThatDoesNotRead) {
  const auto server = open_test_server(
      [](HttpRequest&&, const Responder& r) {
        r.send(HttpResponse::text(200, std::string(30'000'000, 'x')));
      },
      quick_timeouts());
  RawConnection connection(server->port());
  connection.shrink_receive_buffer();
  connection.send(kGet);
  EXPECT_TRUE(eventually([&] { return server->stats().timeouts_total == 1; }));
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

TEST(HttpServerTimeouts, SpareARequestThatIsBeingHandled) {
  Waiting waiting;
  const auto server = open_test_server(waiting.handler(), quick_timeouts());
  RawConnection connection(server->port());
  connection.send(kGet);
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  waiting.take().front().send(HttpResponse::text(200, "late"));
  EXPECT_THAT(connection.read_until("late"), HasSubstr("late"));
}

TEST(Responder, AnswersFromAnyThreadAndOnlyOnce) {
  Waiting waiting;
  const auto server = open_test_server(waiting.handler());
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 200; ++i) {
    connections.push_back(std::make_unique<RawConnection>(server->port()));
    connections.back()->send(kGet);
  }
  ASSERT_TRUE(eventually([&] { return waiting.count() == 200; }));
  auto responders = waiting.take();
  auto answer_all = [&] {
    for (const auto& responder : responders) responder.send(HttpResponse::text(200, "done"));
  };
  std::thread one(answer_all), other(answer_all);
  one.join();
  other.join();
  EXPECT_TRUE(responders.front().answered());
  EXPECT_EQ(responders.front().start_stream("text/plain"), nullptr);
  for (auto& connection : connections) {
    EXPECT_EQ(count_of(connection->read_until("done"), "HTTP/1.1 200"), 1);
    connection->send(kGet);  // and the connection goes on
  }
  ASSERT_TRUE(eventually([&] { return waiting.count() == 200; }));
}

TEST(Responder, DroppedMeansInternalError) {
  Waiting waiting;
  const auto server = open_test_server(waiting.handler());
  RawConnection connection(server->port());
  connection.send(kGet);
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  waiting.take();
  EXPECT_THAT(connection.read_until("}"), StartsWith("HTTP/1.1 500 Internal Server Error"));
  const auto careless = open_test_server([](HttpRequest&&, const Responder&) {});
  RawConnection again(careless->port());
  again.send(kGet);
  EXPECT_THAT(again.read_until("}"), HasSubstr("\"code\":\"internal\""));
}

TEST(Responder, SurvivesAHandlerThatThrows) {
  const auto server =
      open_test_server([](HttpRequest&&, const Responder&) { throw std::runtime_error("a library did it"); });
  RawConnection connection(server->port());
  connection.send(kGet);
  EXPECT_THAT(connection.read_until("}"), StartsWith("HTTP/1.1 500"));
}

TEST(Responder, OutlivesTheConnectionAndTheServer) {
  Waiting waiting;
  auto server = open_test_server(waiting.handler());
  for (int i = 0; i < 50; ++i) {
    RawConnection connection(server->port());
    connection.send(kGet);
    ASSERT_TRUE(eventually([&] { return waiting.count() == static_cast<std::size_t>(i) + 1; }));
    if (i % 2) connection.abort();
  }
  auto responders = waiting.take();
  for (int i = 0; i < 25; ++i)
    responders[static_cast<std::size_t>(i)].send(HttpResponse::text(200, "to nobody"));
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open <= 25; }));
  server.reset();
  for (const auto& responder : responders) responder.send(HttpResponse::text(200, "to nobody"));
  Waiting later;
  server = open_test_server(later.handler());
  RawConnection connection(server->port());
  connection.send(kGet);
  ASSERT_TRUE(eventually([&] { return later.count() == 1; }));
  server.reset();
  EXPECT_FALSE(later.take().front().start_stream("text/plain")->write("x"));
}

TEST(HttpServerStop, AnswersWhatHasBegunThenCloses) {
  Waiting waiting;
  const auto server = open_test_server(waiting.handler());
  RawConnection busy(server->port()), idle(server->port()), half(server->port());
  busy.send(kGet);
  half.send(kGet.substr(0, 20));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1 && server->stats().connections_open == 3; }));
  std::thread stopper([&] { server->stop(10 * kSecondUs); });
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_TRUE(idle.ended());
  half.send(kGet.substr(20));
  ASSERT_TRUE(eventually([&] { return waiting.count() == 2; }));
  for (const auto& responder : waiting.take()) responder.send(HttpResponse::text(200, "done"));
  for (auto* connection : {&busy, &half}) {
    const auto answer = connection->read_to_end();
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("done"));
  }
  stopper.join();
  HttpClientOptions again;
  again.address = server->addresses().front();
  EXPECT_EQ(HttpClient::connect(again).error().code, Code::kNotFound);
}

TEST(HttpServerStop, KeepsItsDeadline) {
  Waiting waiting;
  const auto server = open_test_server(waiting.handler());
  RawConnection connection(server->port());
  connection.send(kGet);
  ASSERT_TRUE(eventually([&] { return waiting.count() == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server->stop(100 * kMillisecondUs);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(connection.read_to_end(), "");
  waiting.take();
}

TEST(HttpServerOpen, SaysWhenAnAddressIsTaken) {
  const auto server = open_test_server(hello);
  HttpServerOptions options;
  options.listen = server->addresses();
  const auto second = HttpServer::open(options, hello);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kExists);
  EXPECT_EQ(second.error().message,
            fmt::format("{} is in use by another program; choose another with --listen",
                        server->addresses().front()));
}

TEST(HttpServerOpen, RefusesBadAddresses) {
  for (const auto* address :
       {"", "localhost", "127.0.0.1:99999", "127.0.0.1:x", ":80", "no.such.host.invalid:80"}) {
    HttpServerOptions options;
    options.listen = {address};
    const auto server = HttpServer::open(options, hello);
    ASSERT_FALSE(server) << address;
    EXPECT_EQ(server.error().code, Code::kInvalid) << address;
  }
}

TEST(HttpServerOpen, ListensOnSeveralAddresses) {
  HttpServerOptions options;
  options.listen = {"127.0.0.1:0", "localhost:0"};
  const auto server = HttpServer::open(options, hello);
  ASSERT_TRUE(server) << server.error().text();
  for (const auto& address : (*server)->addresses()) {
    HttpClientOptions client;
    client.address = address;
    EXPECT_EQ((*HttpClient::connect(client))->get("/")->body, "hello");
  }
}

TEST(HttpServerOpen, RefusesConnectionsBeyondItsLimit) {
  HttpServerOptions options;
  options.connections_max = 2;
  const auto server = open_test_server(hello, std::move(options));
  RawConnection one(server->port()), two(server->port());
  ASSERT_TRUE(eventually([&] { return server->stats().connections_open == 2; }));
  RawConnection three(server->port());
  EXPECT_THAT(three.read_to_end(), StartsWith("HTTP/1.1 503 Service Unavailable"));
  one.send(kGet);
  EXPECT_THAT(one.read_until("hello"), HasSubstr("hello"));
}

class UnixSocketTest : public testing::Test {
 protected:
  UnixSocketTest() {
    options_.listen = {};
    options_.unix_socket = path_;
  }
  ~UnixSocketTest() override { std::filesystem::remove(path_); }

  const std::string path_ = fmt::format("{}/millrace-net-{}.sock", testing::TempDir(), ::getpid());
  HttpServerOptions options_;
};

TEST_F(UnixSocketTest, ServesItsOwnerOnly) {
  auto server = HttpServer::open(options_, [](HttpRequest&& request, const Responder& responder) {
    responder.send(HttpResponse::text(request.over_unix_socket() ? 200 : 403, request.remote_ip()));
  });
  ASSERT_TRUE(server) << server.error().text();
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  HttpClientOptions client;
  client.address = "unix:" + path_;
  const auto answer = (*HttpClient::connect(client))->get("/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(HttpServer::open(options_, hello).error().code, Code::kExists);
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, ReplacesAStaleSocketButNoOtherFile) {
  {
    const auto left_behind = listen_on(*resolve_address("unix:" + path_), path_);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  {
    EXPECT_TRUE(HttpServer::open(options_, hello));
  }
  std::ofstream(path_) << "somebody's data";
  EXPECT_FALSE(HttpServer::open(options_, hello));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace millrace
