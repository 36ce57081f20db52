#include "source/http_position.h"

#include <functional>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/source_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = HttpPaging::Kind;

constexpr TimeUs kDecember = 1'796'083'200 * kSecondUs;  // 2026-12-01

/// Reads an API that is a function from a request's target to an answer.
class HttpPositionTest : public testing::Test {
 protected:
  HttpPositionTest() {
    source_.name = "shop";
    source_.url = HttpUrl::parse("http://api:80/orders").value();
    source_.items = "/items";
    source_.paging = {.kind = Kind::kCursor, .next = "/next", .parameter = "after"};
  }

  /// Read one page; return what was new on it, or the error.
  std::string step() {
    const auto target = target_of(source_, position_);
    if (!target) return target.error().text();
    targets_.push_back(*target);
    std::string body = api_(*target);
    body.reserve(body.size() + 64);
    const auto page = read_page(body, "", source_);
    if (!page) return page.error().text();
    auto step = next_step(source_, position_, *page, pass_, kDecember);
    if (!step) return step.error().text();
    std::string fresh;
    for (const auto item : step->fresh) fresh += fmt::format("{} ", item);
    refused_ += step->refused.size();
    position_ = std::move(step->after);
    ended_ = step->ended;
    if (ended_) pass_ = {};
    return fresh;
  }

  /// Read to the end of the pages; return what was new.
  std::string pass() {
    std::string all;
    do all += step();
    while (!ended_ && targets_.size() < 100);
    return all;
  }

  /// Answer pages of two of the numbers below `count_`.
  std::string numbers(std::uint64_t from, bool with_next = true) const {
    std::string items;
    for (auto n = from; n < std::min(from + 2, count_); ++n)
      items += fmt::format("{}{}", n == from ? "" : ",", n);
    const bool more = from + 2 < count_;
    return fmt::format(R"({{"items":[{}]{}}})", items,
                       with_next && more ? fmt::format(R"(,"next":"{}")", from + 2) : "");
  }
  static std::uint64_t number_in(const std::string& target) {
    return target.contains('=') ? std::stoull(target.substr(target.find('=') + 1)) : 0;
  }

  HttpSource source_;
  HttpPosition position_{.id = "id"};
  HttpPass pass_;
  std::function<std::string(const std::string&)> api_;
  std::vector<std::string> targets_;
  std::uint64_t count_ = 5;
  std::size_t refused_ = 0;
  bool ended_ = false;
};

TEST_F(HttpPositionTest, FollowsCursorsAndReadsTheLastPageAgainForWhatCame) {
  api_ = [&](const std::string& target) { return numbers(number_in(target)); };
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
  EXPECT_THAT(targets_, ElementsAre("/orders", "/orders?after=2", "/orders?after=4"));
  EXPECT_EQ(pass(), "");
  EXPECT_EQ(targets_.back(), "/orders?after=4");
  count_ = 8;
  EXPECT_EQ(pass(), "5 6 7 ");
  EXPECT_EQ(pass(), "");
  EXPECT_EQ(position_.items, 8u);
}

TEST_F(HttpPositionTest, ItemsThatAreAlikeAreAsManyAsThereAre) {
  std::string items = R"("a","a")";
  api_ = [&](const std::string&) { return "{\"items\":[" + items + "]}"; };
  EXPECT_EQ(pass(), "\"a\" \"a\" ");
  items += R"(,"a")";
  EXPECT_EQ(pass(), "\"a\" ");
  EXPECT_EQ(pass(), "");
}

TEST_F(HttpPositionTest, AFeedGoesOnAtItsLastCursor) {
  api_ = [&](const std::string& target) {
    const auto from = number_in(target);
    return fmt::format(R"({{"items":[{}],"next":"{}"}})", from < count_ ? std::to_string(from) : "",
                       std::min(from + 1, count_));
  };
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
  EXPECT_EQ(targets_.size(), 6u) << "an empty page says that there is no more by now";
  EXPECT_EQ(pass(), "");
  count_ = 7;
  EXPECT_EQ(pass(), "5 6 ");
}

TEST_F(HttpPositionTest, WhetherThereIsMoreMayBeSaid) {
  source_.paging.more = "/more";
  api_ = [&](const std::string& target) {
    const auto from = number_in(target);
    const bool empty = from == 1;  // filtered away; the next page has something
    return fmt::format(R"({{"items":[{}],"next":"{}","more":{}}})", empty ? "" : std::to_string(from),
                       from + 1, from < 3);
  };
  EXPECT_EQ(pass(), "0 2 3 ");
  EXPECT_EQ(position_.at, "4");
}

TEST_F(HttpPositionTest, CountsPagesAndComesBackToTheLast) {
  source_.paging = {
      .kind = Kind::kPage, .parameter = "page", .first = 1, .size_parameter = "limit", .size = 2};
  api_ = [&](const std::string& target) {
    return numbers(2 * (std::stoull(target.substr(target.find("page=") + 5)) - 1), false);
  };
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
  EXPECT_THAT(targets_, ElementsAre("/orders?limit=2&page=1", "/orders?limit=2&page=2",
                                    "/orders?limit=2&page=3", "/orders?limit=2&page=4"));
  EXPECT_EQ(pass(), "");
  count_ = 6;
  EXPECT_EQ(pass(), "5 ") << "the third page has been filled up";
  count_ = 9;
  EXPECT_EQ(pass(), "6 7 8 ");
}

TEST_F(HttpPositionTest, APageThatIsNotThereIsBehindTheLastOnce) {
  source_.paging = {.kind = Kind::kPage, .parameter = "page", .first = 1, .size_parameter = "n", .size = 2};
  api_ = [&](const std::string& target) {
    return numbers(2 * (std::stoull(target.substr(target.find("page=") + 5)) - 1), false);
  };
  const auto is_behind = [&](int status) { return is_behind_last_page(source_, position_, status); };
  EXPECT_FALSE(is_behind(404)) << "the first page";
  step();
  EXPECT_TRUE(is_behind(404));
  EXPECT_FALSE(is_behind(400)) << "behind a full page it means something else";
  step();
  step();
  EXPECT_EQ(position_.at, "4");
  EXPECT_TRUE(is_behind(400));
  EXPECT_FALSE(is_behind(500));
  position_ = next_step(source_, position_, {}, pass_, kDecember)->after;
  EXPECT_EQ(position_.at, "3") << "it may be filled up yet";
  EXPECT_FALSE(is_behind(404)) << "that page was there";
  count_ = 6;
  EXPECT_EQ(step(), "5 ");
  EXPECT_FALSE(is_behind(400));
}

TEST_F(HttpPositionTest, CountsItems) {
  source_.paging = {.kind = Kind::kOffset, .parameter = "offset"};
  api_ = [&](const std::string& target) { return numbers(number_in(target), false); };
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
  count_ = 6;
  EXPECT_EQ(pass(), "5 ");
  EXPECT_EQ(targets_.back(), "/orders?offset=6");
}

TEST_F(HttpPositionTest, FollowsLinksOfTheSameHostAlone) {
  source_.paging = {.kind = Kind::kLink, .next = "/next"};
  std::string next = "?page=2";
  api_ = [&](const std::string& target) {
    return target == "/orders" ? R"({"items":[1],"next":")" + next + "\"}" : R"({"items":[2]})";
  };
  EXPECT_EQ(pass(), "1 2 ");
  EXPECT_EQ(targets_.back(), "/orders?page=2");
  position_ = {.id = "id"};
  next = "http://api:8080/orders?page=2";
  step();
  EXPECT_THAT(step(), HasSubstr("another host than api:80"));
}

/// Items with a time; the API gives those from `since` on.
class HttpSinceTest : public HttpPositionTest {
 protected:
  HttpSinceTest() {
    source_.paging = {};
    source_.since = {.field = "/at", .parameter = "since"};
    api_ = [this](const std::string& target) {
      std::string items;
      for (const auto& [at, name] : rows_) {
        if (honours_ && target.contains("since=") && at < target.substr(target.find("since=") + 6)) continue;
        items += fmt::format(R"({}{{"at":"{}","n":"{}"}})", items.empty() ? "" : ",", at, name);
      }
      return "{\"items\":[" + items + "]}";
    };
  }
  std::string names() {
    std::string out;
    const auto fresh = pass();
    for (std::size_t at = 0; (at = fresh.find("\"n\":\"", at)) != std::string::npos; ++at)
      out += fresh[at + 5];
    return out;
  }

  std::vector<std::pair<std::string, std::string>> rows_ = {{"1", "a"}, {"3", "b"}, {"2", "c"}, {"3", "d"}};
  bool honours_ = true;
};

TEST_F(HttpSinceTest, GoesOnAtTheLargestValueAndTakesWhatIsJustThereOnce) {
  EXPECT_EQ(names(), "abcd");
  EXPECT_EQ(position_.since, "3");
  EXPECT_EQ(names(), "");
  EXPECT_EQ(targets_.back(), "/orders?since=3");
  rows_.emplace_back("3", "e");
  rows_.emplace_back("4", "f");
  EXPECT_EQ(names(), "ef");
  EXPECT_EQ(names(), "");
}

TEST_F(HttpSinceTest, AnApiThatGivesMoreThanAskedCountsNothingTwice) {
  honours_ = false;
  EXPECT_EQ(names(), "abcd");
  rows_.emplace_back("5", "e");
  EXPECT_EQ(names(), "e");
}

TEST_F(HttpSinceTest, ComparesNumbersAndTimesAsSuch) {
  rows_ = {{"9", "a"}, {"10", "b"}};
  honours_ = false;
  EXPECT_EQ(names(), "ab");
  EXPECT_EQ(position_.since, "10");
  position_ = {.id = "id"};
  rows_ = {
      {"2026-11-01T10:00:00.5Z", "a"}, {"2026-11-01T10:00:00Z", "b"}, {"2026-11-01T09:00:00-02:00", "c"}};
  EXPECT_EQ(names(), "abc");
  EXPECT_EQ(position_.since, "2026-11-01T09:00:00-02:00");
  EXPECT_EQ(names(), "");
  position_ = {.id = "id"};
  rows_ = {{"1790000000000000", "a"}, {"1790000000000001", "b"}, {"179000000000000", "c"}};
  EXPECT_EQ(names(), "abc");
  EXPECT_EQ(position_.since, "1790000000000001");
}

TEST_F(HttpSinceTest, WhatAppearsLateWithinTheOverlapIsTakenOnce) {
  rows_ = {{"2026-11-01T10:00:00Z", "a"}, {"2026-11-01T10:05:00.250Z", "b"}};
  EXPECT_EQ(names(), "ab");
  rows_.emplace_back("2026-11-01T10:04:30.000Z", "c");
  EXPECT_EQ(names(), "c");
  EXPECT_EQ(targets_.back(), "/orders?since=2026-11-01T10%3A04%3A00.250Z");
  EXPECT_EQ(names(), "");
  honours_ = false;
  rows_.emplace_back("2026-11-01T10:03:00.000Z", "d");
  EXPECT_EQ(names(), "") << "later than the overlap allows";
  rows_.emplace_back("2026-11-01T12:05:00.250+02:00", "e");
  EXPECT_EQ(names(), "e") << "the instant that is reached, elsewhere";
  EXPECT_EQ(names(), "");
  EXPECT_EQ(position_.since, "2026-11-01T10:05:00.250Z");
}

TEST_F(HttpSinceTest, WhatIsMissingForOnePassDoesNotComeAnew) {
  rows_ = {{"2026-11-01T10:00:00Z", "a"}, {"2026-11-01T10:00:30Z", "b"}};
  EXPECT_EQ(names(), "ab");
  const auto all = std::exchange(rows_, {{"2026-11-01T10:00:00Z", "a"}});
  EXPECT_EQ(names(), "");
  rows_ = all;
  EXPECT_EQ(names(), "");
}

TEST_F(HttpSinceTest, ATimeIsAskedForAsTheApiWritesIt) {
  const auto asked = [&](const std::string& since) {
    position_.since = since;
    position_.since_kind = SinceKind::kTime;
    return url_decode(target_of(source_, position_)->substr(std::string_view("/orders?since=").size()))
        .value();
  };
  EXPECT_EQ(asked("2026-11-01T00:00:10+02:00"), "2026-10-31T23:59:10+02:00");
  EXPECT_EQ(asked("2026-11-01 10:00:00.5"), "2026-11-01 09:59:00.5");
  EXPECT_EQ(asked("2026-11-01T10:00Z"), "2026-11-01T09:59Z");
  EXPECT_EQ(asked("2026-11-01"), "2026-11-01");
  source_.since->overlap = 1'500 * kMillisecondUs;
  EXPECT_EQ(asked("2026-11-01T10:00:10Z"), "2026-11-01T10:00:08Z");
  source_.since->overlap = 0;
  EXPECT_EQ(asked("2026-11-01T10:00:10Z"), "2026-11-01T10:00:10Z");
}

TEST_F(HttpSinceTest, AnOddValueIsRefusedAndStopsNothing) {
  rows_ = {{"n/a", "x"}, {"2026-11-01", "a"}, {"2026-11-02", "b"}, {"9999-12-31", "c"}, {"", "y"}};
  honours_ = false;
  EXPECT_EQ(names(), "abc");
  EXPECT_EQ(refused_, 2u);
  EXPECT_EQ(position_.since, "2026-11-02");
  rows_.emplace_back("2026-11-03", "d");
  rows_.emplace_back("17", "z");
  EXPECT_EQ(names(), "d");
  EXPECT_EQ(names(), "");
  EXPECT_EQ(refused_, 3u);
}

TEST_F(HttpSinceTest, PagesThatShiftCountNothingTwice) {
  source_.paging = {.kind = Kind::kPage, .parameter = "page", .first = 1};
  std::string newest_first = "dcba";
  api_ = [&](const std::string& target) {
    const auto from = 2 * (std::stoull(target.substr(target.find("page=") + 5)) - 1);
    std::string items;
    for (const char c : from < newest_first.size() ? newest_first.substr(from, 2) : "")
      items += fmt::format(R"({}{{"at":"{}","n":"{}"}})", items.empty() ? "" : ",", c - 'a', c);
    return "{\"items\":[" + items + "]}";
  };
  step();
  newest_first = "edcba";
  EXPECT_THAT(step(), HasSubstr("\"n\":\"b\"")) << "c is at the head of the second page now";
  EXPECT_EQ(position_.items, 3u);
  EXPECT_EQ(names(), "a");
  EXPECT_EQ(names(), "e");
  EXPECT_EQ(names(), "");
}

TEST_F(HttpSinceTest, AnItemWithoutTheFieldIsRefusedOnce) {
  api_ = [](const std::string&) { return R"({"items":[{"n":"a"},{"at":"1","n":"b"},7]})"; };
  EXPECT_EQ(names(), "b");
  EXPECT_EQ(refused_, 2u);
  EXPECT_EQ(names(), "");
  EXPECT_EQ(refused_, 2u);
}

TEST_F(HttpSinceTest, TooManyItemsWithoutTheFieldAreTold) {
  int from = 0;
  api_ = [&](const std::string&) {
    std::string items = R"({"at":"1","n":"b"})";
    for (int n = from; n < from + 6'000; ++n) items += fmt::format(R"(,{{"n":{}}})", n);
    from += 6'000;
    return "{\"items\":[" + items + "]}";
  };
  EXPECT_EQ(names(), "b");
  EXPECT_THAT(step(), HasSubstr("more than 10000 items have no '/at'"));
}

TEST_F(HttpPositionTest, PagesThatNeverEndAreNoticed) {
  api_ = [](const std::string& target) {
    return fmt::format(R"({{"items":[{}],"next":"7"}})", target.contains('=') ? 2 : 1);
  };
  step();
  EXPECT_THAT(step(), HasSubstr("the cursor does not advance"));

  position_ = {.id = "id"};
  pass_ = {};
  std::uint64_t calls = 0;
  api_ = [&](const std::string&) {
    ++calls;
    return fmt::format(R"({{"items":[{}],"next":"{}"}})", calls, calls % 3);
  };
  for (int i = 0; i < 3; ++i) step();
  EXPECT_THAT(step(), HasSubstr("was read before: the cursor goes round"));

  position_ = {.id = "id"};
  pass_ = {};
  api_ = [&](const std::string&) { return fmt::format(R"({{"items":[5],"next":"{}"}})", ++calls); };
  step();
  EXPECT_THAT(step(), HasSubstr("as if the API did not know the parameter 'after'"));

  position_ = {.id = "id"};
  pass_ = {};
  source_.limits.pages_max = 3;
  source_.paging.more = "/more";
  api_ = [&](const std::string&) {
    return fmt::format(R"({{"items":[],"next":"{}","more":true}})", ++calls);
  };
  for (int i = 0; i < 3; ++i) step();
  EXPECT_THAT(step(), HasSubstr("there are more than 3 pages"));
}

TEST_F(HttpPositionTest, AFeedThatGoesOnAndOnMakesPauses) {
  source_.limits.pages_max = 3;
  api_ = [calls = 0](const std::string&) mutable {
    return fmt::format(R"({{"items":[{0}],"next":"{0}"}})", ++calls);
  };
  EXPECT_EQ(pass(), "1 2 3 ");
  EXPECT_EQ(pass(), "4 5 6 ");
  EXPECT_EQ(targets_.back(), "/orders?after=5");
}

TEST_F(HttpPositionTest, AWholeListIsReadFromItsBeginningEachTime) {
  source_.whole = true;
  api_ = [&](const std::string& target) { return numbers(number_in(target)); };
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
  EXPECT_EQ(pass(), "0 1 2 3 4 ");
}

TEST_F(HttpPositionTest, TheNoteSaysAllOfIt) {
  TestFolder folder;
  const Path path = folder.path() / "shop.api.json";
  EXPECT_FALSE(load_http_position(Env::system(), path).value());
  HttpPosition position{.id = "x", .items = 3, .pages = 2, .at = "c\"", .since = "s", .since_max = "m"};
  position.seen = {1, 1, 18'446'744'073'709'551'615u};
  position.since_kind = SinceKind::kTime;
  position.taken = {{-5, 2}, {7, 18'446'744'073'709'551'615u}};
  position.taken_max = {{7, 2}};
  position.seen_before = {3};
  position.refused = {4};
  position.pending = {.body = "{\"items\":[\"ü\"]}", .link = "<l>"};
  position.pending->log_ends["events"] = {Offset(7), Offset(9)};
  ASSERT_TRUE(save_http_position(Env::system(), path, position));
  const auto loaded = load_http_position(Env::system(), path).value().value();
  EXPECT_EQ(loaded.seen, position.seen);
  EXPECT_EQ(loaded.since_kind, position.since_kind);
  EXPECT_EQ(loaded.taken, position.taken);
  EXPECT_EQ(loaded.taken_max, position.taken_max);
  EXPECT_EQ(loaded.pending->body, position.pending->body);
  EXPECT_EQ(loaded.pending->log_ends, position.pending->log_ends);
  EXPECT_EQ(loaded.at, position.at);
  position.pending->link = "caf\xE9";
  ASSERT_TRUE(save_http_position(Env::system(), path, position)) << "what is not UTF-8 must not be the end";
  EXPECT_EQ(load_http_position(Env::system(), path)->value().pending->link, "caf\xEF\xBF\xBD");
  folder.write("shop.api.json", "{\"id\":1");
  EXPECT_THAT(load_http_position(Env::system(), path).error().message,
              HasSubstr("remove it to read the API"));
}

}  // namespace
}  // namespace millrace
