#include "net/http_client.h"

#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/http_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<HttpClient> client_of(const std::string& address, DurationUs timeout = 5 * kSecondUs) {
  HttpClientOptions options;
  options.address = address;
  options.request_timeout = timeout;
  options.response_bytes_max = 5'000'000;
  options.headers = {{"Authorization", "Bearer t"}};
  auto client = HttpClient::connect(options);
  if (client) return *std::move(client);
  ADD_FAILURE() << client.error().text();
  return nullptr;
}

/// A server of a few lines that says exactly what a test wants, to one connection after the other.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers)
      : fd_(*listen_on(*resolve_address("127.0.0.1:0"), "")), address_(local_address(fd_.get()).text()) {
    thread_ = std::thread([this, answers = std::move(answers)] {
      for (const auto& answer : answers) serve(answer);
    });
  }
  ~ScriptedServer() { thread_.join(); }

  const std::string& address() const { return address_; }

 private:
  void serve(const std::string& answer) {
    if (!wait_for_socket(fd_.get(), false, 5 * kSecondUs)) return;
    const UniqueFd peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char bytes[4096];
    if (::recv(peer.get(), bytes, sizeof bytes, 0) > 0)
      ::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  UniqueFd fd_;
  std::string address_;
  std::thread thread_;
};

class HttpClientTest : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> server_ =
      open_test_server([](HttpRequest&& request, const Responder& responder) {
        if (request.path() == "/large")
          return responder.send(HttpResponse::text(200, std::string(6'000'000, 'x')));
        if (request.path() == "/wait") return held_.push_back(responder);
        if (request.path() == "/lines") return responder.send(HttpResponse::text(200, "one\r\ntwo\n\nlast"));
        if (request.path() == "/bad") return responder.send(HttpResponse::error(400, "invalid", "no\nlines"));
        auto answer = HttpResponse::text(200, std::string(request.body()));
        answer.headers.push_back(
            {"X-Seen", fmt::format("{} {} {}", request.method(), request.header("Authorization"),
                                   request.header("Content-Type"))});
        responder.send(std::move(answer));
      });
  static inline std::vector<Responder> held_;
  void TearDown() override {
    server_->stop(0);
    held_.clear();
  }
};

TEST_F(HttpClientTest, SendsAndReceivesOnOneConnection) {
  const auto client = client_of(server_->addresses().front());
  const auto posted = client->request("POST", "/echo", "hello");
  ASSERT_TRUE(posted) << posted.error().text();
  EXPECT_EQ(posted->body, "hello");
  EXPECT_EQ(posted->header("x-seen"), "POST Bearer t application/json");
  const auto typed = client->request("PUT", "/echo", "a,b", {{"Content-Type", "text/csv"}});
  EXPECT_EQ(typed->header("X-Seen"), "PUT Bearer t text/csv");
  EXPECT_EQ(client->get("/echo")->status, 200);
  EXPECT_EQ(client->request("HEAD", "/lines")->body, "");
  EXPECT_EQ(client->get("/echo")->status, 200);
  EXPECT_EQ(server_->stats().connections_total, 1u);
}

TEST_F(HttpClientTest, ReadsLinesAsTheyCome) {
  const auto client = client_of(server_->addresses().front());
  std::vector<std::string> lines;
  auto collect = [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  };
  EXPECT_EQ(client->request_lines("GET", "/lines", "", {}, collect)->body, "");
  EXPECT_THAT(lines, ElementsAre("one", "two", "", "last"));
  const auto refused = client->request_lines("GET", "/bad", "", {}, collect);
  EXPECT_EQ(refused->status, 400);
  EXPECT_THAT(refused->body, HasSubstr("\"invalid\""));
  EXPECT_EQ(lines.size(), 4u);
  int seen = 0;
  EXPECT_TRUE(client->request_lines("GET", "/lines", "", {}, [&](std::string_view) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(client->get("/echo")->status, 200);
}

TEST_F(HttpClientTest, GivesUpInTimeAndAtItsLimit) {
  const auto client = client_of(server_->addresses().front(), 150 * kMillisecondUs);
  EXPECT_EQ(client->get("/wait").error().code, Code::kDeadline);
  EXPECT_EQ(client->get("/echo")->status, 200);
  EXPECT_EQ(client_of(server_->addresses().front())->get("/large").error().code, Code::kOutOfRange);
}

TEST_F(HttpClientTest, ReconnectsAfterTheServerClosedAnIdleConnection) {
  HttpServerOptions options;
  options.idle_timeout = 50 * kMillisecondUs;
  const auto server = open_test_server(
      [](HttpRequest&&, const Responder& r) { r.send(HttpResponse::text(200, "hi")); }, std::move(options));
  const auto client = client_of(server->addresses().front());
  EXPECT_EQ(client->get("/")->body, "hi");
  ASSERT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
  EXPECT_EQ(client->get("/")->body, "hi");
}

TEST_F(HttpClientTest, SaysWhenNothingListens) {
  HttpClientOptions options;
  options.address = server_->addresses().front();
  server_->stop(0);
  const auto client = HttpClient::connect(options);
  EXPECT_EQ(client.error().code, Code::kNotFound);
  EXPECT_THAT(client.error().message, HasSubstr("nothing listens on 127.0.0.1:"));
  options.address = "unix:/no/such/socket";
  EXPECT_EQ(HttpClient::connect(options).error().code, Code::kNotFound);
}

TEST(ResolveAddress, TakesLocalhostForIpv4) {
  EXPECT_EQ(resolve_address("localhost:80")->text(), "127.0.0.1:80");
  EXPECT_EQ(resolve_address("[::1]:80")->text(), "[::1]:80");
}

TEST(HttpClientAgainstOthers, ReadsAnswersOfEveryLength) {
  const ScriptedServer server({
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
      "HTTP/1.0 200 OK\r\n\r\nok",
  });
  for (int i = 0; i < 3; ++i) {
    const auto answer = client_of(server.address())->request("POST", "/", "body");
    ASSERT_TRUE(answer) << i << answer.error().text();
    EXPECT_EQ(answer->body, "ok");
  }
}

TEST(HttpClientAgainstOthers, RefusesNonsenseAndHalfAnswers) {
  const ScriptedServer server(
      {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"});
  EXPECT_EQ(client_of(server.address())->get("/").error().code, Code::kCorrupt);
  EXPECT_EQ(client_of(server.address())->get("/").error().code, Code::kIo);
}

}  // namespace
}  // namespace millrace
