#include "net/http_url.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string read(std::string_view url) {
  const auto parsed = HttpUrl::parse(url);
  return parsed ? parsed->address + " " + parsed->target + (parsed->tls ? " tls" : "")
                : parsed.error().message;
}

TEST(HttpUrlTest, TakesAUrlApart) {
  EXPECT_EQ(read("http://Api.Example/v1/orders?a=1"), "api.example:80 /v1/orders?a=1");
  EXPECT_EQ(read("https://api.example"), "api.example:443 / tls");
  EXPECT_EQ(read("https://api.example:8443?since=3"), "api.example:8443 /?since=3 tls");
  EXPECT_EQ(read("http://[::1]:80/a"), "[::1]:80 /a");
  EXPECT_EQ(read("http://[::1]/a"), "[::1]:80 /a");
}

TEST(HttpUrlTest, RefusesWhatIsNone) {
  EXPECT_EQ(read("ftp://a/b"), "a URL is http(s)://HOST:PORT/PATH, not 'ftp://a/b'");
  EXPECT_EQ(read("http:///b?key=secret"), "a URL is http(s)://HOST:PORT/PATH, not 'http:///b'");
  EXPECT_EQ(read("http://user:pass@host/"), "a URL is http(s)://HOST:PORT/PATH, without a user and password");
  EXPECT_FALSE(HttpUrl::parse("http://host/a b"));
  EXPECT_FALSE(HttpUrl::parse("http://host/a\r\nX: y"));
  EXPECT_FALSE(HttpUrl::parse("http://host/#part"));
}

TEST(HttpUrlTest, ResolvesReferences) {
  const HttpUrl base = HttpUrl::parse("https://api.example/v1/orders?page=1").value();
  const auto leads_to = [&](std::string_view reference) {
    const auto found = base.resolve(reference);
    return found ? found->without_query() + " " + found->target : found.error().message;
  };
  EXPECT_EQ(leads_to("?page=2"), "https://api.example:443/v1/orders /v1/orders?page=2");
  EXPECT_EQ(leads_to("/v2/x?a=b"), "https://api.example:443/v2/x /v2/x?a=b");
  EXPECT_EQ(leads_to("more"), "https://api.example:443/v1/more /v1/more");
  EXPECT_EQ(leads_to("//other.example/x"), "https://other.example:443/x /x");
  EXPECT_FALSE(base.resolve("http://api.example/v1/orders")->same_origin(base));
  EXPECT_TRUE(base.resolve("https://API.example:443/")->same_origin(base));
}

}  // namespace
}  // namespace millrace
