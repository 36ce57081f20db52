#include "source/http_streams.h"

#include <atomic>
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "log/topics.h"
#include "net/http_testing.h"
#include "net/socket.h"
#include "net/tls_testing.h"
#include "source/follow_state.h"
#include "source/http_fetcher.h"
#include "source/http_position.h"
#include "source/ingest_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kOneItem =
    R"({"items":[{"type":"item_view","user_id":"u","items":[{"item_id":"7"}]}]})";

/// An API with pages of two items, read into a real log.
class HttpStreamsTest : public testing::Test {
 protected:
  HttpStreamsTest() {
    server_ = open_test_server(
        [this](HttpRequest&& request, Responder responder) { responder.send(answer(request)); });
    source_.name = "api";
    source_.source = "api";
    source_.url = HttpUrl::parse("http://" + server_->addresses().front() + "/views").value();
    source_.items = "/items";
    source_.paging = {.kind = HttpPaging::Kind::kCursor, .next = "/next", .parameter = "after"};
    source_.codec = CodecId::kNative;
    source_.every = 20 * kMillisecondUs;
    source_.limits.requests_per_second = 0;
    source_.limits.timeout = 2 * kSecondUs;
  }

  HttpResponse answer(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    if (odd_) return odd_(request);
    const int count = count_;
    const auto from = static_cast<int>(request.query().integer("after", 0, 0, 1'000'000).value());
    std::string items;
    for (int n = from; n < std::min(from + 2, count); ++n)
      items += fmt::format(R"({}{{"type":"item_view","user_id":"u","items":[{{"item_id":"{}"}}]}})",
                           n == from ? "" : ",", n);
    const bool more = from + 2 < count;
    return HttpResponse::json(200, fmt::format(R"({{"items":[{}],"next":{}}})", items,
                                               more ? fmt::format("\"{}\"", from + 2) : "null"));
  }

  void start(Env& env = Env::system()) {
    streams_ = std::make_unique<HttpStreams>(
        HttpStreams::Tools{*bench_.log, env, bench_.folder.path() / "follow", {}, {}},
        std::vector<HttpSource>{source_});
    streams_->start();
  }
  FollowStatus status() const { return streams_->list().front().follow; }
  std::vector<int> items() const {
    std::vector<int> ids;
    bench_.for_each_event(
        [&](const Event& event) { ids.push_back(std::stoi(std::string(event.items[0].item_id))); });
    std::ranges::sort(ids);
    return ids;
  }
  bool comes_to(int count) {
    return eventually([&] { return static_cast<int>(items().size()) >= count && status().idle; });
  }
  static std::vector<int> numbers(int to) {
    std::vector<int> all;
    for (int n = 0; n < to; ++n) all.push_back(n);
    return all;
  }
  void answer_oddly(std::function<HttpResponse(const HttpRequest&)> odd) {
    const std::lock_guard lock(mutex_);
    odd_ = std::move(odd);
  }

  IngestBench bench_;
  std::mutex mutex_;
  std::function<HttpResponse(const HttpRequest&)> odd_;  ///< guarded by mutex_; none: pages
  std::atomic<int> requests_ = 0;
  std::atomic<int> count_ = 5;
  std::unique_ptr<HttpServer> server_;
  HttpSource source_;
  std::unique_ptr<HttpStreams> streams_;
};

TEST_F(HttpStreamsTest, BringsPageAfterPageAndWhatComesLater) {
  start();
  ASSERT_TRUE(comes_to(5));
  count_ = 8;
  ASSERT_TRUE(comes_to(8));
  EXPECT_EQ(items(), numbers(8));
  EXPECT_EQ(status().state, FollowStatus::State::kStreaming);
}

TEST_F(HttpStreamsTest, EachItemComesOnceThroughStopsAtAnyPlace) {
  source_.limits.requests_per_second = 2'000;
  for (int round = 0; round < 15; ++round) {
    count_ = 20 * (round + 1);
    start();
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round % 11));
    streams_.reset();
  }
  start();
  ASSERT_TRUE(comes_to(300));
  EXPECT_EQ(items(), numbers(300));
}

TEST_F(HttpStreamsTest, APageThatWasKeptIsFinishedWhateverTheApiSaysByThen) {
  start();
  ASSERT_TRUE(comes_to(5));
  streams_.reset();
  // A crash between the note and the log: the page lies in the note, and half of it in the log.
  const Path note = bench_.folder.path() / "follow" / "api.api.json";
  auto position = load_http_position(Env::system(), note).value().value();
  position.pending = {
      .body = R"({"items":[{"type":"item_view","user_id":"u","items":[{"item_id":"77"}]}],"next":"900"})",
      .link = "",
      .log_ends = ends_of(*bench_.log, {std::string(kEventsTopic), std::string(kQuarantineTopic)}).value()};
  ASSERT_TRUE(save_http_position(Env::system(), note, position));
  start();
  ASSERT_TRUE(eventually([&] { return items().size() == 6; }));
  streams_.reset();
  ASSERT_TRUE(save_http_position(Env::system(), note, position));  // and now all of it is in the log
  start();
  ASSERT_TRUE(eventually([&] { return status().idle; }));
  EXPECT_THAT(items(), SizeIs(6));
}

TEST_F(HttpStreamsTest, WhatAPageBecomesDependsOnItAlone) {
  source_.codec.reset();
  source_.mapping =
      parse_mapping("format: jsonl\ntype: read\ntime: at\nfields: {user_id: who}\nitem: {item_id: i}\n",
                    "m.yaml")
          .value();
  const std::string second = R"({"items":[{"at":"2026-11-01","who":"u","i":2,"a":3,"b":4}]})";
  answer_oddly([&](const HttpRequest& request) {
    const bool is_first = request.query().find("after") == nullptr;
    return HttpResponse::json(
        200,
        is_first ? R"({"items":[{},{"at":"2026-11-01","who":"u","i":1,"b":1,"a":2}],"next":"x"})" : second);
  });
  start();
  ASSERT_TRUE(eventually([&] { return bench_.records(kEventsTopic).size() == 2 && status().idle; }));
  EXPECT_THAT(bench_.records(kQuarantineTopic), SizeIs(1));
  streams_.reset();
  // A crash once the second page is in the log, before a note says so.
  const Path note = bench_.folder.path() / "follow" / "api.api.json";
  auto position = load_http_position(Env::system(), note).value().value();
  position.items = 2;
  position.seen.clear();
  position.pending = {.body = second, .link = "", .log_ends = {}};
  position.pending->log_ends[std::string(kEventsTopic)].assign(4, Offset(0));
  ASSERT_TRUE(save_http_position(Env::system(), note, position));
  start();
  ASSERT_TRUE(eventually([&] { return status().idle; }));
  EXPECT_THAT(bench_.records(kEventsTopic), SizeIs(2));
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, NothingOfAPageIsInTheLogBeforeItsNote) {
  FaultEnv env;
  answer_oddly([&](const HttpRequest&) {
    if (requests_ == 1) env.set_space(0);
    return HttpResponse::json(200, kOneItem);
  });
  start(env);
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_THAT(items(), SizeIs(0));
  env.set_space(std::nullopt);
  ASSERT_TRUE(comes_to(1));
  EXPECT_THAT(items(), SizeIs(1));
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, ANoteThatFailsAtTheEndOfThePagesStopsNothing) {
  FaultEnv env;
  answer_oddly([](const HttpRequest&) { return HttpResponse::json(200, kOneItem); });
  env.fail_write(1);  // the first is the page's own
  start(env);
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  ASSERT_TRUE(eventually([&] { return requests_ >= 3; }));
  EXPECT_EQ(status().state, FollowStatus::State::kStreaming);
  EXPECT_THAT(items(), SizeIs(1));
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, AnOddLinkHeaderHarmsNothing) {
  std::atomic<bool> leads_on = false;
  answer_oddly([&](const HttpRequest&) {
    auto answer = HttpResponse::json(200, kOneItem);
    answer.headers.push_back(
        {"Link", leads_on ? "</caf\xE9>; rel=next" : "</a>; rel=self; title=\"caf\xE9\""});
    return answer;
  });
  start();
  ASSERT_TRUE(comes_to(1));
  streams_.reset();
  source_.paging = {.kind = HttpPaging::Kind::kLink};
  leads_on = true;
  start();
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  EXPECT_THAT(status().error->text(), HasSubstr("Link leads is not UTF-8"));
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, CountsPagesOfAnApiThatHasNoneBehindTheLast) {
  source_.paging = {.kind = HttpPaging::Kind::kPage, .parameter = "page", .first = 1};
  answer_oddly([&](const HttpRequest& request) {
    const int count = count_;
    const int from = 2 * (static_cast<int>(request.query().integer("page", 1, 1, 1'000).value()) - 1);
    if (from >= count) return HttpResponse::text(404, "no such page");
    std::string list;
    for (int n = from; n < std::min(from + 2, count); ++n)
      list += fmt::format(R"({}{{"type":"item_view","user_id":"u","items":[{{"item_id":"{}"}}]}})",
                          n == from ? "" : ",", n);
    return HttpResponse::json(200, "{\"items\":[" + list + "]}");
  });
  start();
  ASSERT_TRUE(comes_to(5));
  count_ = 9;
  ASSERT_TRUE(comes_to(9));
  EXPECT_EQ(items(), numbers(9));
  EXPECT_EQ(status().state, FollowStatus::State::kStreaming);
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, WhatIsTooLargeForTheLogIsPutAsideInShort) {
  source_.codec.reset();
  source_.mapping = parse_mapping("produce: items\nformat: jsonl\nid: id\n", "m.yaml").value();
  source_.limits.page_bytes = 32 << 20;
  source_.limits.timeout = kMinuteUs;
  answer_oddly([large = std::string(17 << 20, 'x')](const HttpRequest&) {
    return HttpResponse::json(200, R"({"items":[{"id":"a","text":")" + large + R"("},{"id":"b"}]})");
  });
  start();
  ASSERT_TRUE(eventually([&] { return status().idle; }));
  EXPECT_THAT(bench_.records(kItemsTopic), SizeIs(1));
  const auto refused = bench_.records(kQuarantineTopic);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_THAT(refused[0].first, HasSubstr("the row is larger than 16777216 bytes"));
  EXPECT_EQ(refused[0].second.size(), kBadRowBytesMax);
}

TEST_F(HttpStreamsTest, BadItemsAndPagesGoToTheQuarantineWithTheirPlace) {
  answer_oddly([](const HttpRequest& request) {
    if (request.query().find("after") == nullptr)
      return HttpResponse::json(
          200,
          R"({"items":[7,{"type":"item_view"},{"type":"item_view","user_id":"u","items":["a"]}],"next":"x"})");
    return HttpResponse::text(200, "<html>");
  });
  start();
  ASSERT_TRUE(eventually([&] { return bench_.records(kQuarantineTopic).size() >= 2; }));
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  EXPECT_THAT(status().error->text(), HasSubstr("page 2, after=x"));
  const auto refused = bench_.records(kQuarantineTopic);
  EXPECT_THAT(refused[0].first, HasSubstr("api page 1:1"));
  EXPECT_EQ(refused.back().second, "<html>");
  EXPECT_THAT(refused.back().first, HasSubstr("api page 2, after=x:"));
}

TEST_F(HttpStreamsTest, WaitsAsLongAsTheApiAsks) {
  std::atomic<DurationUs> refused_at = 0, asked_again = 0;
  answer_oddly([&](const HttpRequest&) {
    const auto now = Env::system().steady_now();
    if (refused_at == 0) {
      refused_at = now;
      HttpResponse answer = HttpResponse::text(429, "slowly");
      answer.headers.push_back({"Retry-After", "1"});
      return answer;
    }
    if (asked_again == 0) asked_again = now;
    return HttpResponse::json(200, R"({"items":[]})");
  });
  start();
  ASSERT_TRUE(eventually([&] { return asked_again != 0; }));
  EXPECT_GE(asked_again - refused_at, kSecondUs);
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, RetryAfterNothingIsNoReasonToHurry) {
  answer_oddly([](const HttpRequest&) {
    HttpResponse answer = HttpResponse::text(503, "");
    answer.headers.push_back({"Retry-After", "0"});
    return answer;
  });
  start();
  ASSERT_TRUE(eventually([&] { return requests_ >= 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LE(requests_, 3);
}

TEST_F(HttpStreamsTest, AnAnswerThatIsTooLargeIsAskedForAgain) {
  source_.limits.page_bytes = 1'000;
  answer_oddly([&](const HttpRequest&) {
    return HttpResponse::json(200, requests_ > 2 ? R"({"items":[]})" : std::string(4'000, ' '));
  });
  start();
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  EXPECT_EQ(status().state, FollowStatus::State::kWaiting);
  EXPECT_TRUE(eventually([&] { return status().idle; }));
  streams_.reset();  // before what it uses
}

TEST_F(HttpStreamsTest, SaysWhatToDoAndStopsWhenPagesNeverEnd) {
  answer_oddly([](const HttpRequest&) { return HttpResponse::text(401, "who?"); });
  start();
  ASSERT_TRUE(eventually([&] { return status().error.has_value(); }));
  EXPECT_THAT(status().error->text(),
              HasSubstr("/views answered 401: the API does not take the credentials: check "
                        "auth (source api of millrace.yaml) (it says: who?)"));
  streams_.reset();
  answer_oddly([n = 0](const HttpRequest&) mutable {
    return HttpResponse::json(200, fmt::format(R"({{"items":[{}],"next":"same"}})", ++n));
  });
  start();
  ASSERT_TRUE(eventually([&] { return status().state == FollowStatus::State::kStopped; }));
  EXPECT_THAT(status().error->text(), HasSubstr("the cursor does not advance"));
  const int asked = requests_;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(requests_, asked);
}

TEST_F(HttpStreamsTest, StopsPromptly) {
  source_.every = kHourUs;
  start();
  ASSERT_TRUE(comes_to(5));
  const auto begun = Env::system().steady_now();
  streams_.reset();
  EXPECT_LT(Env::system().steady_now() - begun, kMinuteUs);
}

TEST_F(HttpStreamsTest, StopsWhileAnAnswerIsAwaited) {
  std::vector<Responder> held;
  const auto silent = open_test_server([&](HttpRequest&&, Responder responder) {
    held.push_back(responder);
    ++requests_;
  });
  source_.url = HttpUrl::parse("http://" + silent->addresses().front() + "/").value();
  source_.limits.timeout = kMinuteUs;
  start();
  ASSERT_TRUE(eventually([&] { return requests_ > 0; }));
  const auto begun = Env::system().steady_now();
  streams_.reset();
  EXPECT_LT(Env::system().steady_now() - begun, kMinuteUs / 2);
}

/// Asks for single answers.
class HttpFetcherTest : public HttpStreamsTest {
 protected:
  Result<HttpResponse> get(const std::string& target = "/views") {
    return HttpFetcher(source_, Env::system()).get(target, {});
  }
};

TEST_F(HttpFetcherTest, FollowsRedirectsWithinTheHost) {
  answer_oddly([](const HttpRequest& request) {
    HttpResponse answer =
        HttpResponse::text(request.path() == "/new" ? 200 : 307, std::string(request.header("X-Key")));
    if (request.path() == "/far") answer.headers.push_back({"Location", "http://elsewhere.example/x"});
    if (request.path() == "/round") answer.headers.push_back({"Location", "/round"});
    if (request.path() == "/views") answer.headers.push_back({"Location", "/new"});
    return answer;
  });
  source_.headers = {{"X-Key", "k"}};
  EXPECT_EQ(get()->body, "k");
  EXPECT_THAT(get("/far").error().message,
              HasSubstr("leads on to http://elsewhere.example:80/x, another host"));
  EXPECT_THAT(get("/round").error().message, HasSubstr("leads on and on"));
}

TEST_F(HttpFetcherTest, ShowsNoSecretThatTheApiRepeats) {
  answer_oddly(
      [](const HttpRequest&) { return HttpResponse::text(400, "bad key k-7731 of /views?key=k-7731"); });
  source_.secrets = {"k-7731"};
  EXPECT_THAT(get().error().text(), HasSubstr("(it says: bad key *** of /views?key=***)"));
}

TEST_F(HttpFetcherTest, DoesNotWaitForAResolverOnceItIsStopped) {
  std::stop_source stopped;
  stopped.request_stop();
  const auto found = resolve_address("localhost:80", stopped.get_token());
  EXPECT_TRUE(found || found.error().code == Code::kCancelled);
  EXPECT_EQ(resolve_address("localhost:80", {})->port(), 80);
}

TEST_F(HttpFetcherTest, BoundsAnswersAndWaiting) {
  answer_oddly([](const HttpRequest&) { return HttpResponse::text(200, std::string(4'000, 'x')); });
  source_.limits.page_bytes = 1'000;
  const auto large = get();
  EXPECT_EQ(large.error().code, Code::kOutOfRange);
  EXPECT_THAT(large.error().message, HasSubstr("larger than 1000 bytes; ask for smaller pages"));
  source_.url = HttpUrl::parse("http://127.0.0.1:1/x").value();
  EXPECT_EQ(get().error().code, Code::kNotFound);
}

TEST_F(HttpFetcherTest, AnAnswerThatDoesNotComeIsGivenUp) {
  std::vector<Responder> held;
  const auto silent =
      open_test_server([&](HttpRequest&&, Responder responder) { held.push_back(responder); });
  source_.url = HttpUrl::parse("http://" + silent->addresses().front() + "/").value();
  source_.limits.timeout = 200 * kMillisecondUs;
  EXPECT_EQ(get().error().code, Code::kDeadline);
}

TEST_F(HttpFetcherTest, KeepsToItsRate) {
  source_.limits.requests_per_second = 20;
  HttpFetcher fetcher(source_, Env::system());
  const auto begun = Env::system().steady_now();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(fetcher.get("/views", {}));
  EXPECT_GE(Env::system().steady_now() - begun, 200 * kMillisecondUs);
}

TEST_F(HttpFetcherTest, TrustsTheAuthorityThatIsNamedAndNoOther) {
  const TlsTestServer server({});
  source_.url = HttpUrl::parse("https://" + server.address() + "/views").value();
  source_.ca_file = server.ca_file();
  const auto trusted = get();
  EXPECT_TRUE(trusted) << trusted.error().text();
  source_.ca_file.clear();
  EXPECT_EQ(get().error().code, Code::kDenied);
}

}  // namespace
}  // namespace millrace
