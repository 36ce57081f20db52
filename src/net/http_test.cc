#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(UrlCoding, DecodesAndEncodes) {
  EXPECT_EQ(*url_decode("a%2Fb%20c%C3%A9"), "a/b c\xC3\xA9");
  EXPECT_EQ(*url_decode("a+b"), "a+b");
  EXPECT_EQ(*url_decode("a+b", true), "a b");
  EXPECT_EQ(url_encode("a/b c~\xC3\xA9"), "a%2Fb%20c~%C3%A9");
}

TEST(UrlCoding, RefusesWhatIsCutShort) {
  for (const auto* text : {"%", "a%2", "%zz", "%2g", "%00"}) EXPECT_FALSE(url_decode(text)) << text;
}

TEST(UrlCoding, EveryByteSurvivesTheWayThereAndBack) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(*url_decode(url_encode(all), true), all);
}

TEST(SplitPath, DecodesEachSegmentOnItsOwn) {
  EXPECT_THAT(*split_path("/v1/items/a%2Fb"), ElementsAre("v1", "items", "a/b"));
  EXPECT_THAT(*split_path("/v1/items/"), ElementsAre("v1", "items"));
  EXPECT_THAT(*split_path("/v1//x"), ElementsAre("v1", "", "x"));
  EXPECT_THAT(*split_path("/"), ElementsAre());
  EXPECT_FALSE(split_path("v1"));
  EXPECT_FALSE(split_path("/%"));
}

TEST(QueryParameters, KeepsOrderAndRepetition) {
  const auto query = QueryParameters::parse("item=a&user=u%26v&item=b+c&explain");
  ASSERT_TRUE(query);
  EXPECT_THAT(query->all("item"), ElementsAre("a", "b c"));
  EXPECT_EQ(query->get("user"), "u&v");
  EXPECT_EQ(query->get("absent", "none"), "none");
  EXPECT_TRUE(*query->boolean("explain", false));
  EXPECT_EQ(query->unknown({"item", "user"}), "explain");
  EXPECT_FALSE(query->unknown({"item", "user", "explain"}));
}

TEST(QueryParameters, SaysWhatIsWrong) {
  EXPECT_THAT(QueryParameters::parse("a=1&name=%zz").error().text(), HasSubstr("query parameter name"));
  const auto query = *QueryParameters::parse("n=x&m=11&b=perhaps");
  EXPECT_THAT(query.integer("n", 1, 0, 10).error().text(),
              HasSubstr("n must be a whole number from 0 to 10"));
  EXPECT_FALSE(query.integer("m", 1, 0, 10));
  EXPECT_EQ(*query.integer("absent", 7, 0, 10), 7);
  EXPECT_FALSE(query.boolean("b", true));
}

TEST(QueryParameters, AreBounded) {
  std::string query;
  for (std::size_t i = 0; i <= QueryParameters::kParametersMax; ++i) query += "a=1&";
  EXPECT_FALSE(QueryParameters::parse(query));
}

TEST(HttpRequest, SplitsItsTarget) {
  const auto request = HttpRequest::make("GET", "/v1/x%20y?n=3&q=a%3Db", {{"Accept", "text/html"}}, "body");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->path(), "/v1/x%20y");
  EXPECT_EQ(request->query().get("q"), "a=b");
  EXPECT_EQ(request->header("aCCept"), "text/html");
  EXPECT_FALSE(request->has_header("Host"));
  EXPECT_EQ(request->body(), "body");
}

TEST(HttpRequest, TakesAbsoluteTargetsAndRefusesOthers) {
  EXPECT_EQ(HttpRequest::make("GET", "http://host:1/p?x=1")->path(), "/p");
  EXPECT_EQ(HttpRequest::make("GET", "http://host")->path(), "/");
  EXPECT_EQ(HttpRequest::make("OPTIONS", "*")->path(), "*");
  EXPECT_FALSE(HttpRequest::make("CONNECT", "host:443"));
  EXPECT_FALSE(HttpRequest::make("GET", "/?a=%"));
}

TEST(HttpRequest, PadsItsBodyAndSurvivesMoves) {
  auto request = *HttpRequest::make("PUT", "/a", {{"K", "v"}}, "12345");
  const HttpRequest moved = std::move(request);
  const auto body = moved.body();
  for (std::size_t i = 0; i < HttpRequest::kBodyPadding; ++i) EXPECT_EQ(body.data()[body.size() + i], '\0');
  EXPECT_EQ(moved.method(), "PUT");
  EXPECT_EQ(moved.header("k"), "v");
  EXPECT_EQ(HttpRequest().body(), "");
}

TEST(HttpResponse, ErrorsHaveOneShape) {
  const auto response = HttpResponse::error(400, "invalid", "a \"quote\" and \xff");
  EXPECT_EQ(response.body, "{\"code\":\"invalid\",\"message\":\"a \\\"quote\\\" and \xEF\xBF\xBD\"}");
  EXPECT_EQ(response.content_type, "application/json");
}

TEST(HttpResponse, FollowsTheCodeOfAnError) {
  const auto full = HttpResponse::from_error({Code::kNoSpace, "the disk is full", "data"});
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.header("retry-after"), "1");
  EXPECT_THAT(full.body, HasSubstr("data: the disk is full"));
  EXPECT_EQ(HttpResponse::from_error({Code::kInvalid, "x", ""}).status, 400);
  EXPECT_EQ(HttpResponse::from_error({Code::kOverloaded, "x", ""}).header("Retry-After"), "1");
}

}  // namespace
}  // namespace millrace
