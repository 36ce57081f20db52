#include "server/push_client.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>

#include "net/http_testing.h"
#include "net/tls_testing.h"

namespace millrace {
namespace {

using Push = PushOutcome::Kind;

PushOutcome send(PushSender& sender, const std::string& text) {
  auto outcome = std::make_shared<std::promise<PushOutcome>>();
  auto future = outcome->get_future();
  sender.send("id-1", {"text/plain", text},
              [outcome](PushOutcome one) { outcome->set_value(std::move(one)); });
  return future.get();
}

/// Send until the client is open, which happens on a thread of its own.
PushOutcome send_when_open(PushSender& sender, const std::string& text) {
  for (;;) {
    PushOutcome outcome = send(sender, text);
    if (outcome.text != "connecting") return outcome;
    short_sleep();
  }
}

TEST(PushUrlTest, TakesHttpApart) {
  const auto parsed = PushUrl::parse("http://Shop.example:8000/hooks/a?b=c");
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->address, "shop.example:8000");
  EXPECT_EQ(parsed->target, "/hooks/a?b=c");
  EXPECT_EQ(PushUrl::parse("http://a")->address, "a:80");
  EXPECT_EQ(PushUrl::parse("http://a")->target, "/");
  EXPECT_EQ(PushUrl::parse("http://[::1]/x")->address, "[::1]:80");
  EXPECT_EQ(PushUrl::parse("http://[::1]:9/x")->address, "[::1]:9");
  for (const char* url : {"", "http://", "ftp://a/", "http:///x", "http://user@a/", "http://a/../b",
                          "http://a/%2e%2e/b", "http://a/b c", "http://a/b\r\nX: y", "http://a/#f", "//a/b"})
    EXPECT_FALSE(PushUrl::parse(url)) << url;
}

TEST(PushUrlTest, TellsHttpsFromHttp) {
  const auto parsed = PushUrl::parse("https://a/x");
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_TRUE(parsed->tls);
  EXPECT_EQ(parsed->address, "a:443");
  EXPECT_FALSE(PushUrl::parse("http://a/x")->tls);
}

TEST(PushTargetsTest, AnAllowedHttpsUrlAllowsNoHttp) {
  const HttpPushTargets targets({{"https://a:1/"}}, Env::system());
  EXPECT_TRUE(targets.check("https://a:1/x"));
  EXPECT_FALSE(targets.check("http://a:1/x"));
}

TEST(PushTargetsTest, AllowsWhatIsConfiguredAndBelow) {
  const HttpPushTargets targets({{"http://a:1/hooks"}, {"http://b/"}}, Env::system());
  for (const char* url : {"http://a:1/hooks", "http://a:1/hooks/x", "http://a:1/hooks?x", "http://A:1/hooks/",
                          "http://b", "http://b:80/any/thing"})
    EXPECT_TRUE(targets.check(url)) << url;
  for (const char* url : {"http://a:1/hooksx", "http://a:1/", "http://a/hooks", "http://a:11/hooks",
                          "http://b:81/", "http://b.evil/", "http://c/"}) {
    const Status checked = targets.check(url);
    ASSERT_FALSE(checked) << url;
    EXPECT_EQ(checked.error().code, Code::kDenied);
    EXPECT_THAT(checked.error().message, testing::HasSubstr("push_targets"));
  }
}

/// The example of the Standard Webhooks specification, whose signature its reference libraries agree on.
TEST(PushSignatureTest, IsThatOfStandardWebhooks) {
  EXPECT_EQ(push_signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                           1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(PushSenderTest, TellsHowItEnded) {
  std::atomic<int> status = 200;
  std::string signature, authorization;
  const auto server = open_test_server([&](const HttpRequest& request, const Responder& responder) {
    signature = request.header("webhook-signature");
    authorization = request.header("Authorization");
    if (status == 0) return;  // hangs
    HttpResponse response{.status = status};
    if (status == 429) response.headers.push_back({"Retry-After", "7"});
    responder.send(std::move(response));
  });
  const std::string url = "http://" + server->addresses().front() + "/";
  HttpPushTargets targets({{url, "secret", "Bearer t"}}, Env::system());
  auto sender = targets.open(url + "x", 300 * kMillisecondUs, 2);
  ASSERT_TRUE(sender);
  EXPECT_EQ(send_when_open(**sender, "a").kind, Push::kAcknowledged);
  EXPECT_THAT(signature, testing::StartsWith("v1,"));
  EXPECT_EQ(authorization, "Bearer t");
  for (const int good : {201, 202, 204}) {
    status = good;
    EXPECT_EQ(send(**sender, "a").kind, Push::kAcknowledged) << good;
  }
  for (const int bad : {203, 301, 400, 404, 500}) {
    status = bad;
    EXPECT_EQ(send(**sender, "a").kind, Push::kRefused) << bad;
  }
  status = 429;
  EXPECT_EQ(send(**sender, "a").retry_after, 7 * kSecondUs);
  status = 0;
  EXPECT_EQ(send(**sender, "a").kind, Push::kRefused) << "the time is up";
}

TEST(PushSenderTest, PushesOverTls) {
  const TlsTestServer server({});
  const std::string url = "https://" + server.address() + "/";
  HttpPushTargets trusting({{.url = url, .secret = "", .authorization = "", .ca_file = server.ca_file()}},
                           Env::system());
  auto sender = trusting.open(url, kSecondUs, 1);
  ASSERT_TRUE(sender) << sender.error().text();
  EXPECT_EQ(send_when_open(**sender, "a").kind, Push::kAcknowledged);
  HttpPushTargets others({{url}}, Env::system());
  sender = others.open(url, kSecondUs, 1);
  ASSERT_TRUE(sender) << sender.error().text();
  const PushOutcome outcome = send_when_open(**sender, "a");
  EXPECT_EQ(outcome.kind, Push::kUnreachable) << "a server that nobody vouches for gets no message";
  EXPECT_EQ(server.requests(), 1);
}

TEST(PushSenderTest, NobodyThereIsUnreachable) {
  std::string url;
  {
    const auto server = open_test_server([](const HttpRequest&, const Responder&) {});
    url = "http://" + server->addresses().front() + "/";
  }
  HttpPushTargets targets({{url}}, Env::system());
  const auto sender = targets.open(url, kSecondUs, 1);
  ASSERT_TRUE(sender);
  EXPECT_EQ(send_when_open(**sender, "a").kind, Push::kUnreachable);
}

}  // namespace
}  // namespace millrace
