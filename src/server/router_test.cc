#include "server/router.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace millrace {
namespace {

using testing::HasSubstr;

/// Keeps what is answered, in place of a socket.
class KeptAnswers : public ResponseSink {
 public:
  void send(std::uint64_t ticket, HttpResponse response) override { answers[ticket] = std::move(response); }
  std::shared_ptr<ResponseStream> start_stream(std::uint64_t, HttpResponse) override { return nullptr; }

  std::map<std::uint64_t, HttpResponse> answers;
};

class RouterTest : public testing::Test {
 protected:
  HttpResponse ask(const Router& router, std::string_view method, std::string_view target,
                   const Headers& headers = {}) {
    Headers all = headers;
    if (std::none_of(headers.begin(), headers.end(), [](const Header& h) { return h.name == "Host"; }))
      all.push_back({"Host", "127.0.0.1:8080"});
    auto request = HttpRequest::make(method, target, all);
    EXPECT_TRUE(request);
    router.handle(*std::move(request), Responder(sink_, ++ticket_));
    return sink_->answers[ticket_];
  }

  static Router make(AccessOptions options = {}) {
    Router router{AccessPolicy(std::move(options))};
    const auto say = [](const char* what) {
      return [what](const std::shared_ptr<Exchange>& exchange) {
        std::string text = what;
        for (const std::string& value : exchange->path_values) text += "|" + value;
        exchange->send(HttpResponse::text(200, text));
      };
    };
    router.add("POST", "/v1/batch", {Access::kCollect, true}, say("batch"));
    router.add("GET", "/v1/items/{id}", {Access::kRead, false}, say("item"));
    router.add("PUT", "/v1/items/{id}", {Access::kRead, false}, say("put"));
    router.add("GET", "/v1/items/{id}/similar", {Access::kRead, true}, say("similar"));
    router.add("POST", "/v1/ingest", {Access::kAdmin, false}, say("ingest"));
    router.add("GET", "/healthz", {Access::kPublic, false}, say("ok"));
    return router;
  }

  std::shared_ptr<KeptAnswers> sink_ = std::make_shared<KeptAnswers>();
  std::uint64_t ticket_ = 0;
};

TEST_F(RouterTest, FindsRoutesAndDecodesVariables) {
  const Router router = make();
  EXPECT_EQ(ask(router, "POST", "/v1/batch").body, "batch");
  EXPECT_EQ(ask(router, "GET", "/v1/items/a%2Fb").body, "item|a/b");
  EXPECT_EQ(ask(router, "GET", "/v1/items/7/similar?n=2").body, "similar|7");
  EXPECT_EQ(ask(router, "HEAD", "/v1/items/7").status, 200);
}

TEST_F(RouterTest, UnknownPathsAndMethodsSaySo) {
  const Router router = make();
  EXPECT_EQ(ask(router, "GET", "/v1/none").status, 404);
  EXPECT_EQ(ask(router, "GET", "/v1/items/").status, 404);
  const HttpResponse wrong = ask(router, "DELETE", "/v1/items/7");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "OPTIONS, GET, PUT");
  EXPECT_THAT(wrong.body, HasSubstr("does not take DELETE; it takes GET, PUT"));
}

TEST_F(RouterTest, AMistypedPathGetsTheNearestRoute) {
  const Router router = make();
  EXPECT_THAT(ask(router, "POST", "/v1/bacth").body, HasSubstr("did you mean /v1/batch?"));
  EXPECT_THAT(ask(router, "GET", "/v1/items/7/similiar").body,
              HasSubstr("did you mean /v1/items/7/similar?"));
  EXPECT_THAT(ask(router, "GET", "/v1/itmes/7").body, HasSubstr("did you mean /v1/items/7?"));
  EXPECT_THAT(ask(router, "GET", "/favourites").body, testing::Not(HasSubstr("did you mean")));
  EXPECT_THAT(ask(router, "GET", "/favourites").body, HasSubstr("/openapi.json"));
  EXPECT_THAT(ask(router, "GET", "/v1/batch" + std::string(200, 'h')).body,
              testing::Not(HasSubstr("did you mean")));
}

TEST_F(RouterTest, CorsIsForCollectAndRecommendationsAlone) {
  const Router router = make();
  const Headers page = {{"Origin", "https://shop.example"},
                        {"Access-Control-Request-Headers", "authorization"}};
  const HttpResponse open = ask(router, "OPTIONS", "/v1/batch", page);
  EXPECT_EQ(open.header("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(open.header("Access-Control-Allow-Headers"), "authorization");
  EXPECT_EQ(ask(router, "OPTIONS", "/v1/items/7", page).header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(ask(router, "POST", "/v1/batch", page).header("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(ask(router, "PUT", "/v1/items/7", page).status, 403);
  EXPECT_EQ(ask(router, "PUT", "/v1/items/7", {{"Origin", "http://127.0.0.1:8080"}}).status, 200);
}

TEST_F(RouterTest, AForeignHostIsRefused) {
  const Router router = make({.hosts = {"shop.example"}});
  EXPECT_EQ(ask(router, "GET", "/healthz", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(ask(router, "GET", "/healthz", {{"Host", "localhost.evil.example"}}).status, 403);
  for (const char* good : {"shop.example:80", "localhost:8080", "[::1]:8080", "10.1.2.3"})
    EXPECT_EQ(ask(router, "GET", "/healthz", {{"Host", good}}).status, 200) << good;
}

TEST_F(RouterTest, ATokenIsAskedForWhereOneIsSet) {
  const Router router = make({.token = "secret", .admin_token = "admin"});
  EXPECT_EQ(ask(router, "GET", "/healthz").status, 200);
  EXPECT_EQ(ask(router, "GET", "/v1/items/7").status, 401);
  EXPECT_EQ(ask(router, "GET", "/v1/items/7", {{"Authorization", "Bearer secre"}}).status, 401);
  EXPECT_EQ(ask(router, "GET", "/v1/items/7", {{"Authorization", "Bearer secret"}}).status, 200);
  EXPECT_EQ(ask(router, "GET", "/v1/items/7", {{"Cookie", "a=b; millrace_token=secret"}}).status, 200);
  EXPECT_EQ(ask(router, "POST", "/v1/batch").status, 401);
}

TEST_F(RouterTest, WriteKeysGuardEveryRouteThatWrites) {
  const Router router = make({.token = "secret", .write_keys = {{"k1", "shop"}}});
  EXPECT_EQ(ask(router, "POST", "/v1/batch").status, 401);
  EXPECT_EQ(ask(router, "POST", "/v1/batch", {{"X-Write-Key", "k2"}}).status, 401);
  EXPECT_EQ(ask(router, "POST", "/v1/batch", {{"X-Write-Key", "k1"}}).status, 200);
  EXPECT_EQ(ask(router, "POST", "/v1/batch", {{"Authorization", "Bearer secret"}}).status, 200);
}

TEST_F(RouterTest, TheCookieOfATokenIsDecodedAndNamedWholly) {
  const Router router = make({.token = "a+b/="});
  EXPECT_EQ(ask(router, "GET", "/v1/items/7", {{"Cookie", "x=1; millrace_token=a%2Bb%2F%3D"}}).status, 200);
  EXPECT_EQ(ask(router, "GET", "/v1/items/7", {{"Cookie", "xmillrace_token=a%2Bb%2F%3D"}}).status, 401);
}

TEST_F(RouterTest, AdminRoutesAlwaysNeedTheirToken) {
  const Router router = make({.admin_token = "admin"});
  EXPECT_EQ(ask(router, "GET", "/v1/items/7").status, 200);
  EXPECT_EQ(ask(router, "POST", "/v1/ingest").status, 401);
  EXPECT_EQ(ask(router, "POST", "/v1/ingest", {{"Authorization", "Bearer admin"}}).status, 200);
}

TEST(AccessPolicy, WriteKeysNameTheirSource) {
  const AccessPolicy policy({.write_keys = {{"k1", "shop"}}});
  const auto source = [&](const Headers& headers, std::string_view body) {
    return policy.source_of(*HttpRequest::make("POST", "/v1/batch", headers, body));
  };
  EXPECT_EQ(*source({{"Authorization", "Basic " + base64_encode("k1:")}}, "{}"), "shop");
  EXPECT_EQ(*source({{"X-Write-Key", "k1:whatever"}}, "{}"), "shop");
  EXPECT_EQ(*source({}, R"({"batch":[],"writeKey":"k1"})"), "shop");
  EXPECT_FALSE(source({}, R"({"batch":[],"writeKey":"k2"})"));
  EXPECT_FALSE(source({}, "garbage"));
  EXPECT_EQ(*AccessPolicy({}).source_of(*HttpRequest::make("POST", "/v1/batch")), "web");
}

TEST(AccessPolicy, KnowsLoopback) {
  for (const char* yes : {"127.0.0.1:80", "localhost:0", "[::1]:8080", "127.1.2.3:5"})
    EXPECT_TRUE(is_loopback_address(yes)) << yes;
  for (const char* no : {"0.0.0.0:80", "10.0.0.1:80", "[::]:80", "127.evil.example:80", "shop.example:80"})
    EXPECT_FALSE(is_loopback_address(no)) << no;
}

}  // namespace
}  // namespace millrace
