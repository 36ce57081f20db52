#include "net/request_parser.h"

#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using Step = RequestParser::Step;

RequestParser::Limits limits(std::size_t body_bytes_max = 1000) {
  return {.header_bytes_max = 2048,
          .body = [=](auto, auto) { return HttpBodyLimits{body_bytes_max, body_bytes_max}; }};
}

/// Offer `text` in pieces of `piece` bytes, keeping what is not taken, as a connection does.
void feed_in_pieces(RequestParser& parser, std::string_view text, std::size_t piece) {
  std::string waiting;
  while (!text.empty()) {
    const auto size = std::min(piece, text.size());
    waiting.append(text.substr(0, size));
    text.remove_prefix(size);
    waiting.erase(0, parser.feed(waiting));
  }
}

int refused_status(std::string_view text) {
  const auto l = limits();
  RequestParser parser(l);
  feed_in_pieces(parser, text, 4096);
  return parser.step() == Step::kFailed ? parser.failure().status : 0;
}

TEST(RequestParser, ReadsOneAfterTheOther) {
  const auto l = limits();
  RequestParser parser(l);
  const std::string both =
      "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  auto used = parser.feed(both);
  ASSERT_EQ(parser.step(), Step::kDone);
  EXPECT_EQ(parser.take()->path(), "/a");
  parser.reset();
  used += parser.feed(std::string_view(both).substr(used));
  ASSERT_EQ(parser.step(), Step::kDone);
  EXPECT_EQ(used, both.size());
  EXPECT_EQ(parser.take()->body(), "abc");
}

TEST(RequestParser, PiecesMakeNoDifference) {
  const std::string text =
      "\r\nPOST /v1/batch?a=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-Long: " +
      std::string(500, 'v') + "\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
  const auto l = limits();
  for (const std::size_t piece : {1, 2, 3, 7, 64, 4096}) {
    RequestParser parser(l);
    feed_in_pieces(parser, text, piece);
    ASSERT_EQ(parser.step(), Step::kDone) << piece;
    const auto request = parser.take();
    EXPECT_EQ(request->body(), "hello world");
    EXPECT_EQ(request->header("x-long").size(), 500u);
    EXPECT_FALSE(request->has_header("Trailer"));
  }
}

TEST(RequestParser, RefusesWhatIsNotARequest) {
  const std::vector<std::string> bad{
      "GET\r\n\r\n",
      "GET / HTTP/1.1 extra\r\nHost: h\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\nHost: h\n\n",
      "G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET nopath HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
  };
  for (const auto& text : bad) EXPECT_EQ(refused_status(text), 400) << text;
  using namespace std::string_literals;
  EXPECT_EQ(refused_status("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"s), 400);
  EXPECT_EQ(refused_status("GET / HTTP/1.1\r\nHost: h\0\r\n\r\n"s), 400);
  EXPECT_EQ(refused_status(std::string(100, '\0') + "\r\n\r\n"), 400);
}

TEST(RequestParser, BoundsTheHeaderInBytesAndFields) {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(refused_status(start + "X: " + std::string(5000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(refused_status("GET /" + std::string(5000, 'x') + " HTTP/1.1\r\n\r\n"), 431);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "A: b\r\n";
  EXPECT_EQ(refused_status(start + many + "\r\n"), 431);
}

TEST(RequestParser, BoundsAHeaderThatDrips) {
  const auto l = limits();
  RequestParser parser(l);
  std::string head = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 200; ++i) head += "Xxxxxxxx: yyyyyyyy\r\n";
  feed_in_pieces(parser, head, 20);
  ASSERT_EQ(parser.step(), Step::kFailed);
  EXPECT_EQ(parser.failure().status, 431);
}

TEST(RequestParser, BoundsTheBodyHoweverItIsSent) {
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(refused_status(start + "Content-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(refused_status(start + "Transfer-Encoding: chunked\r\n\r\nffffff\r\n"), 413);
  std::string chunks = start + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(refused_status(chunks), 413);
}

// Every byte of some valid requests is changed, removed, doubled or inserted at random, and the outcome fed
// in random pieces: whatever comes out must be a request within limits, a refusal, or a wish for more.
TEST(RequestParser, SurvivesMutations) {
  const std::vector<std::string> seeds{
      "GET /v1/recommendations?user=u%201&n=10 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
      "POST /v1/batch HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello world",
      "POST /v1/track HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "GET / HTTP/1.0\r\nX-Fold: a\r\n b\r\nConnection: keep-alive\r\n\r\n",
  };
  const std::string spice("\0\r\n :%;\xff\x1f\x8b/?&=+\t0f", 19);
  std::mt19937 random(42);
  const auto l = limits();
  int done = 0, failed = 0;
  for (int round = 0; round < 40'000; ++round) {
    auto text = seeds[random() % seeds.size()];
    for (auto changes = random() % 4; changes > 0; --changes) {
      const auto at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = spice[random() % spice.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        case 2:
          text.insert(at, text.substr(at, random() % 8));
          break;
        default:
          text.insert(at, 1, spice[random() % spice.size()]);
          break;
      }
      if (text.empty()) text = "x";
    }
    RequestParser parser(l);
    feed_in_pieces(parser, text, 1 + random() % 40);
    if (parser.step() == Step::kFailed) {
      ++failed;
      EXPECT_GE(parser.failure().status, 400);
    } else if (parser.step() == Step::kDone) {
      ++done;
      const auto request = parser.take();
      EXPECT_TRUE(!request || request->body().size() <= 1000u);
    }
  }
  EXPECT_GT(done, 1000);
  EXPECT_GT(failed, 1000);
}

}  // namespace
}  // namespace millrace
