#include "source/http_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr TimeUs kNow = 784'111'777 * kSecondUs;  // Sun, 06 Nov 1994 08:49:37 GMT

/// Reads bodies as an API's answers.
class HttpPageTest : public testing::Test {
 protected:
  Result<HttpPage> read(std::string body, std::string_view link = {}) {
    body_ = std::move(body);
    body_.reserve(body_.size() + 64);
    return read_page(body_, link, source_);
  }

  HttpSource source_;
  std::string body_;
};

TEST_F(HttpPageTest, FindsItemsCursorAndWhetherThereIsMore) {
  source_.items = json_pointer("data.orders");
  source_.paging = {
      .kind = HttpPaging::Kind::kCursor, .next = "/meta/next", .parameter = "after", .more = "/meta/more"};
  const auto page =
      read(R"({"meta":{"next":"a\u0041==","more":true},"data":{"orders":[{"id":1}, 7 ,{"id":{"b":[2]}}]}})");
  ASSERT_TRUE(page) << page.error().text();
  EXPECT_THAT(page->items, ElementsAre("{\"id\":1}", "7", "{\"id\":{\"b\":[2]}}"));
  EXPECT_EQ(page->next, "aA==");
  EXPECT_EQ(page->more, true);
}

TEST_F(HttpPageTest, NullEmptyAndAbsentCursorsAreTheEnd) {
  source_.items = "/i";
  source_.paging = {.kind = HttpPaging::Kind::kCursor, .next = "/n", .parameter = "c"};
  for (const char* body : {R"({"i":[],"n":null})", R"({"i":[],"n":""})", R"({"i":[]})"})
    EXPECT_FALSE(read(body)->next) << body;
  EXPECT_EQ(read(R"({"i":[],"n":12})")->next, "12");
  EXPECT_THAT(read(R"({"i":[],"n":{"a":1}})").error().message, HasSubstr("'/n' of the answer is no text"));
}

TEST_F(HttpPageTest, TheAnswerItselfMayBeTheList) {
  EXPECT_THAT(read("[1,{\"a\":2}]")->items, ElementsAre("1", "{\"a\":2}"));
  EXPECT_THAT(read("{}").error().message, HasSubstr("the answer is not an array"));
  source_.items = "/data";
  EXPECT_THAT(read("[1]").error().message, HasSubstr("'/data' of the answer is not an array"));
}

TEST_F(HttpPageTest, AnAnswerThatIsCutIsNoLastPage) {
  source_.items = "/i";
  source_.paging = {.kind = HttpPaging::Kind::kCursor, .next = "/n", .parameter = "c"};
  EXPECT_THAT(read(R"({"i":[{"a":1}])").error().message, HasSubstr("is not JSON: it begins with '{\"i\":[{"));
  EXPECT_THAT(read("<html>\n502").error().message, HasSubstr("'<html> 502'"));
}

TEST_F(HttpPageTest, ALinkThatIsNotUtf8IsRefused) {
  source_.paging = {.kind = HttpPaging::Kind::kLink};
  EXPECT_EQ(read("[]", "</a>; rel=next; title=\"caf\xE9\"")->next, "/a");
  EXPECT_THAT(read("[]", "</caf\xE9>; rel=next").error().message, HasSubstr("is not UTF-8"));
}

TEST_F(HttpPageTest, BoundsTheItemsOfAPage) {
  std::string body = "[1";
  for (int i = 1; i < 100'000; ++i) body += ",1";
  EXPECT_EQ(read(body + "]")->items.size(), 100'000u);
  EXPECT_THAT(read(body + ",1]").error().message, HasSubstr("more than 100000 items"));
}

TEST_F(HttpPageTest, ShowsTheBeginningWithoutSecrets) {
  source_.secrets = {"s3cret-key", "x"};
  EXPECT_EQ(beginning_of("axis: s3cret-key\n\xFF, s3cret-key", 100, source_), "axis: ***  , ***");
  EXPECT_EQ(beginning_of("12345 s3cret-key", 8, source_), "12345 **") << "not the first half of it";
}

TEST(HttpLinkTest, FindsTheNextPageAmongLinks) {
  EXPECT_EQ(next_link(R"(<https://a/x?page=1>; rel="prev", <https://a/x?page=3>; rel="next")"),
            "https://a/x?page=3");
  EXPECT_EQ(next_link(R"(</x?a=1,2>; title="a, b"; rel=next)"), "/x?a=1,2");
  EXPECT_EQ(next_link(R"(<b>; rel="last next")"), "b");
  EXPECT_EQ(next_link(R"(<b>; rel="nextly", <c>; rel="last")"), std::nullopt);
  EXPECT_EQ(next_link("<broken"), std::nullopt);
  EXPECT_EQ(next_link(""), std::nullopt);
}

TEST(HttpRetryAfterTest, ReadsSecondsAndDates) {
  EXPECT_EQ(retry_after("120", kNow), 120 * kSecondUs);
  EXPECT_EQ(retry_after(" 0 ", kNow), 0);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", kNow), 30 * kSecondUs);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", kNow), 0) << "it is over";
  EXPECT_EQ(retry_after("99999999", kNow), kDayUs) << "a day at the most";
  for (const char* bad : {"", "soon", "-1", "1.5", "Sun, 06 Nov 1994"})
    EXPECT_EQ(retry_after(bad, kNow), std::nullopt) << bad;
}

TEST(HttpItemTest, GivesTheTextOfAMember) {
  std::string item = R"({"a":{"b":"x"},"n":1.50,"z":null})";
  item.reserve(item.size() + 64);
  EXPECT_EQ(item_text(item, "/a/b"), "x");
  EXPECT_EQ(item_text(item, "/n"), "1.50");
  EXPECT_EQ(item_text(item, "/z"), std::nullopt);
  EXPECT_EQ(item_text(item, "/a"), std::nullopt);
  EXPECT_EQ(item_text(item, "/none"), std::nullopt);
}

}  // namespace
}  // namespace millrace
