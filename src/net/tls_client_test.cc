#include "net/tls_client.h"

#include <future>

#include <gtest/gtest.h>

#include "net/async_http_client.h"
#include "net/tls_testing.h"

namespace millrace {
namespace {

/// Post `body` to the server and return what came of it.
Result<HttpResponse> post(const TlsTestServer& server, const std::string& ca_file, std::string body) {
  AsyncHttpClientOptions options{.address = server.address(), .connections = 1};
  auto trust = TlsTrust::load(ca_file);
  if (!trust) return fail(trust.error());
  options.tls = *trust;
  auto client = AsyncHttpClient::open(options);
  if (!client) return fail(client.error());
  std::promise<Result<HttpResponse>> answered;
  const Status sent =
      (*client)->send({.method = "POST", .target = "/", .body = std::move(body)},
                      [&](Result<HttpResponse> answer) { answered.set_value(std::move(answer)); });
  if (!sent) return fail(sent.error());
  return answered.get_future().get();
}

TEST(TlsClient, SendsAndReceives) {
  const TlsTestServer server({});
  const auto answer = post(server, server.ca_file(), "a message");
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->body, "a message");
}

TEST(TlsClient, TakesBodiesOfManyRecords) {
  const TlsTestServer server({});
  std::string body(300'000, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  const auto answer = post(server, server.ca_file(), body);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_TRUE(answer->body == body);
}

TEST(TlsClient, KeepsAConnectionForManyRequests) {
  const TlsTestServer server({});
  auto trust = TlsTrust::load(server.ca_file());
  ASSERT_TRUE(trust) << trust.error().text();
  auto client = AsyncHttpClient::open({.address = server.address(), .tls = *trust, .connections = 1});
  ASSERT_TRUE(client) << client.error().text();
  std::promise<void> all;
  std::atomic<int> left = 50;
  std::atomic<int> good = 0;
  for (int i = 0; i < 50; ++i) {
    const Status sent = (*client)->send({.method = "POST", .body = std::to_string(i)},
                                        [&, i](const Result<HttpResponse>& answer) {
                                          good += answer && answer->body == std::to_string(i);
                                          if (--left == 0) all.set_value();
                                        });
    ASSERT_TRUE(sent) << sent.error().text();
  }
  all.get_future().get();
  EXPECT_EQ(good, 50);
  EXPECT_EQ((*client)->connections_open(), 1u);
}

TEST(TlsClient, RefusesACertificateThatNobodyVouchesFor) {
  const TlsTestServer server({});
  const auto answer = post(server, "", "a message");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kDenied) << answer.error().text();
  EXPECT_EQ(server.requests(), 0) << "the message must not have left";
}

TEST(TlsClient, RefusesACertificateForAnotherHost) {
  const TlsTestServer server({.name = "elsewhere.example"});
  const auto answer = post(server, server.ca_file(), "a message");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kDenied) << answer.error().text();
  EXPECT_EQ(server.requests(), 0);
}

TEST(TlsClient, TakesACutForNoEnd) {
  const TlsTestServer server({.cut = true});
  const auto answer = post(server, server.ca_file(), "a message");
  ASSERT_FALSE(answer) << "an answer without a length ends only when the server says so";
  EXPECT_EQ(answer.error().code, Code::kIo) << answer.error().text();
}

TEST(TlsClient, RefusesWhatIsNotTls) {
  auto trust = TlsTrust::load();
  ASSERT_TRUE(trust) << trust.error().text();
  auto session = TlsClientSession::begin(*trust, "localhost");
  ASSERT_TRUE(session) << session.error().text();
  EXPECT_FALSE((*session)->take_output().empty());
  const Status taken = (*session)->receive("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Code::kCorrupt) << taken.error().text();
}

TEST(TlsClient, SaysWhichFileHasNoCertificates) {
  const auto trust = TlsTrust::load("/etc/hostname");
  ASSERT_FALSE(trust);
  EXPECT_EQ(trust.error().code, Code::kInvalid);
  EXPECT_NE(trust.error().text().find("/etc/hostname"), std::string::npos) << trust.error().text();
}

}  // namespace
}  // namespace millrace
