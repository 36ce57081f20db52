#include "net/http_server.h"

#include <random>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/gzip.h"
#include "net/http_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kEnd = "\r\n\r\n";

/// Answers with "METHOD path [body]".
void echo_all(HttpRequest&& request, const Responder& responder) {
  responder.send(
      HttpResponse::text(200, fmt::format("{} {} [{}]", request.method(), request.path(), request.body())));
}

std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path);
}

std::string post(std::string_view body, std::string_view fields = "") {
  return fmt::format("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), fields,
                     body);
}

class HttpServerTest : public testing::Test {
 protected:
  std::string ask(std::string_view request, std::string_view mark = "]") {
    RawConnection connection(server_->port());
    connection.send(request);
    return connection.read_until(mark);
  }

  std::unique_ptr<HttpServer> server_ = open_test_server(echo_all);
};

TEST_F(HttpServerTest, KeepsTheConnection) {
  RawConnection connection(server_->port());
  for (int i = 0; i < 3; ++i) {
    connection.send(get("/a"));
    const auto answer = connection.read_until("]");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 9\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nDate: "));
  }
  EXPECT_EQ(server_->stats().connections_total, 1u);
  EXPECT_EQ(server_->stats().requests_total, 3u);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  RawConnection connection(server_->port());
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += get(fmt::format("/{}", i));
  connection.send(requests);
  const auto answers = connection.read_until("]", 2000);
  std::size_t at = 0;
  for (int i = 0; i < 2000; ++i) {
    at = answers.find(fmt::format("GET /{} []", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, TakesRequestsByteByByte) {
  RawConnection connection(server_->port());
  for (const char c : post("hello")) connection.send({&c, 1});
  EXPECT_THAT(connection.read_until("]"), HasSubstr("POST /p [hello]"));
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  EXPECT_THAT(ask("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              HasSubstr("[abcde]"));
}

TEST_F(HttpServerTest, ReadsBodiesLargerThanItsBuffer) {
  const std::string body(900'000, 'b');
  const auto answer = ask(post(body));
  EXPECT_THAT(answer.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(answer.substr(answer.size() - body.size() - 2), "[" + body + "]");
}

TEST_F(HttpServerTest, UnzipsBodiesNamedOrNot) {
  const auto zipped = gzip("zipped text");
  EXPECT_THAT(ask(post(zipped, "Content-Encoding: gzip\r\n")), HasSubstr("[zipped text]"));
  EXPECT_THAT(ask(post(zipped)), HasSubstr("[zipped text]"));
}

TEST_F(HttpServerTest, LeavesBytesAloneWhereItShould) {
  HttpServerOptions options;
  options.body_limits.sniff_gzip = false;
  server_ = open_test_server(echo_all, std::move(options));
  const auto zipped = gzip("zipped text");
  EXPECT_THAT(ask(post(zipped), zipped + "]"), HasSubstr(zipped));
  EXPECT_THAT(ask(post(zipped, "Content-Encoding: gzip\r\n")), HasSubstr("[zipped text]"));
}

TEST_F(HttpServerTest, RefusesDamagedGzipAndKeepsTheConnection) {
  const auto zipped = gzip("zipped text");
  RawConnection connection(server_->port());
  connection.send(post(zipped.substr(0, zipped.size() - 4), "Content-Encoding: gzip\r\n"));
  EXPECT_THAT(connection.read_until("}"), HasSubstr("400 Bad Request"));
  connection.send(post("plain", "Content-Encoding: gzip\r\n"));
  EXPECT_THAT(connection.read_until("}"), HasSubstr("\"code\":\"invalid_gzip\""));
  connection.send(post("plain", "Content-Encoding: br\r\n"));
  EXPECT_THAT(connection.read_until("}"), HasSubstr("415"));
  connection.send(get("/after"));
  EXPECT_THAT(connection.read_until("]"), HasSubstr("GET /after"));
}

TEST_F(HttpServerTest, RefusesAGzipBomb) {
  const auto bomb = gzip(std::string(60'000'000, '\0'), 9);
  EXPECT_THAT(ask(post(bomb), "}"), HasSubstr("413 Content Too Large"));
}

TEST_F(HttpServerTest, RefusesALargeBodyAndLetsTheClientSeeWhy) {
  RawConnection connection(server_->port());
  connection.send(post(std::string(10'000'000, 'x')));  // all of it, without reading
  const auto answer = connection.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 Content Too Large"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, HasSubstr("\"code\":\"body_too_large\""));
}

TEST_F(HttpServerTest, LimitsBodiesByPath) {
  HttpServerOptions options;
  options.body_limits_for = [](std::string_view method, std::string_view path) {
    return HttpBodyLimits{method == "POST" && path == "/p" ? 5u : 0u, 100};
  };
  server_ = open_test_server(echo_all, std::move(options));
  EXPECT_THAT(ask(post("12345")), HasSubstr("[12345]"));
  EXPECT_THAT(ask(post("123456"), "}"), HasSubstr("413"));
  EXPECT_THAT(ask("POST /q HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "}"), HasSubstr("413"));
}

TEST_F(HttpServerTest, SendsContinueOnlyWhenTheBodyMayCome) {
  RawConnection connection(server_->port());
  connection.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(connection.read_until(kEnd), "HTTP/1.1 100 Continue\r\n\r\n");
  connection.send("ok");
  EXPECT_THAT(connection.read_until("]"), HasSubstr("[ok]"));
  connection.send("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(connection.read_until("}"), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, AnswersHeadWithoutBody) {
  RawConnection connection(server_->port());
  connection.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + get("/b"));
  const auto answers = connection.read_until("]");
  EXPECT_THAT(answers, HasSubstr("Content-Length: 10\r\n\r\nHTTP/1.1 200 OK"));
  EXPECT_THAT(answers, Not(HasSubstr("HEAD /a")));
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  RawConnection closing(server_->port());
  closing.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(closing.read_to_end(), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(closing.ended());
  RawConnection kept(server_->port());
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(kept.read_until("]"), HasSubstr("Connection: keep-alive\r\n"));
  }
}

TEST_F(HttpServerTest, ClosesWhenAsked) {
  RawConnection connection(server_->port());
  connection.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + get("/never"));
  const auto answers = connection.read_to_end();
  EXPECT_TRUE(connection.ended());
  EXPECT_EQ(count_of(answers, "HTTP/1.1 200"), 1);
}

TEST_F(HttpServerTest, AnswersAClientThatHasFinishedSending) {
  RawConnection connection(server_->port());
  connection.send(get("/a") + get("/b"));
  connection.finish_sending();
  const auto answers = connection.read_to_end();
  EXPECT_THAT(answers, HasSubstr("GET /a"));
  EXPECT_THAT(answers, HasSubstr("GET /b"));
}

TEST_F(HttpServerTest, RefusesMalformedRequestsWithJson) {
  for (const auto* bad :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /%zz?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    RawConnection connection(server_->port());
    connection.send(bad);
    const auto answer = connection.read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request")) << bad;
    EXPECT_THAT(answer, HasSubstr("{\"code\":\"")) << bad;
    EXPECT_TRUE(connection.ended());
  }
  EXPECT_EQ(server_->stats().malformed_total, 3u);
}

TEST_F(HttpServerTest, RefusesHugeHeaders) {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_THAT(ask(start + "X: " + std::string(15'000, 'x') + "\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(ask(start + "X: " + std::string(200'000, 'x') + "\r\n\r\n", "}"), StartsWith("HTTP/1.1 431"));
  std::string many = start;
  for (int i = 0; i < 2000; ++i) many += "A: b\r\n";
  EXPECT_THAT(ask(many + "\r\n", "}"), StartsWith("HTTP/1.1 431"));
}

TEST_F(HttpServerTest, KeepsLineBreaksOutOfItsHeaders) {
  server_ = open_test_server([](HttpRequest&&, const Responder& r) {
    r.send({200, "text/plain", "]", {{"X-From-User", "a\r\nSet-Cookie: evil"}}});
  });
  EXPECT_THAT(ask(get("/")), HasSubstr("X-From-User: a  Set-Cookie: evil\r\n"));
}

TEST_F(HttpServerTest, TellsWhoAsks) {
  server_ = open_test_server([](HttpRequest&& request, const Responder& r) {
    r.send(HttpResponse::text(200, fmt::format("{} {}]", request.remote_ip(), request.over_unix_socket())));
  });
  EXPECT_THAT(ask(get("/")), HasSubstr("127.0.0.1 false]"));
}

// Connections that send damaged requests, are cut off or reset at any point must not disturb the others.
TEST_F(HttpServerTest, SurvivesHostileClients) {
  std::mt19937 random(5);
  const auto good = post("some body to cut");
  for (int round = 0; round < 400; ++round) {
    RawConnection connection(server_->port());
    auto text = good + good;
    if (random() % 2) text[random() % text.size()] = static_cast<char>(random());
    connection.send(text.substr(0, random() % text.size()));
    if (random() % 2) connection.abort();
  }
  EXPECT_THAT(ask(get("/alive")), HasSubstr("GET /alive"));
  EXPECT_TRUE(eventually([&] { return server_->stats().connections_open == 0; }));
}

}  // namespace
}  // namespace millrace
