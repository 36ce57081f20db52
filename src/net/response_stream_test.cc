#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/http_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

/// A server whose only answer is a stream, which the test then writes to.
class ResponseStreamTest : public testing::Test {
 protected:
  void open(HttpServerOptions options = {}) {
    server_ = open_test_server(
        [this](HttpRequest&&, const Responder& responder) {
          const std::lock_guard lock(mutex_);
          stream_ = responder.start_stream("text/event-stream", {{"X-Extra", "1"}});
        },
        std::move(options));
  }

  std::shared_ptr<ResponseStream> stream() {
    std::shared_ptr<ResponseStream> found;
    eventually([&] {
      const std::lock_guard lock(mutex_);
      found = std::exchange(stream_, nullptr);
      return found != nullptr;
    });
    return found;
  }

  static constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

  std::mutex mutex_;
  std::shared_ptr<ResponseStream> stream_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ResponseStreamTest, SendsChunksAsTheyAreWrittenAndKeepsTheConnection) {
  open();
  RawConnection connection(server_->port());
  for (int round = 0; round < 2; ++round) {
    connection.send(kGet);
    const auto s = stream();
    ASSERT_TRUE(s);
    EXPECT_TRUE(s->write("data: one\n\n"));
    const auto head = connection.read_until("data: one");
    EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
    EXPECT_THAT(head, HasSubstr("X-Extra: 1\r\n"));
    EXPECT_THAT(head, HasSubstr("b\r\ndata: one"));
    EXPECT_TRUE(s->write("data: two\n\n"));
    EXPECT_THAT(connection.read_until("data: two"), HasSubstr("data: two"));
    s->end();
    EXPECT_FALSE(s->write("too late"));
    EXPECT_THAT(connection.read_until("0\r\n\r\n"), testing::EndsWith("0\r\n\r\n"));
  }
}

TEST_F(ResponseStreamTest, DroppingTheStreamEndsIt) {
  open();
  RawConnection connection(server_->port());
  connection.send(kGet);
  stream()->write("last words");
  EXPECT_THAT(connection.read_until("0\r\n\r\n"), HasSubstr("last words"));
}

TEST_F(ResponseStreamTest, RunsUntilTheEndOfTheConnectionInHttp10) {
  open();
  RawConnection connection(server_->port());
  connection.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  stream()->write("plain");
  const auto answer = connection.read_to_end();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nplain"));
  EXPECT_TRUE(connection.ended());
}

TEST_F(ResponseStreamTest, CutsOffAClientThatReadsTooSlowly) {
  HttpServerOptions options;
  options.stream_buffer_bytes_max = 64 * 1024;
  open(std::move(options));
  RawConnection connection(server_->port());
  connection.shrink_receive_buffer();
  connection.send(kGet);
  const auto s = stream();
  std::atomic<bool> closed = false;
  s->on_close([&] { closed = true; });
  const std::string event(1000, 'e');
  int written = 0;
  while (written < 1'000'000 && s->write(event)) {
    ++written;
    EXPECT_LE(s->buffered_bytes(), 64u * 1024);
  }
  EXPECT_LT(written, 1'000'000);
  EXPECT_TRUE(eventually([&] { return closed.load(); }));
  EXPECT_FALSE(s->open());
  EXPECT_EQ(server_->stats().slow_streams_total, 1u);
  EXPECT_TRUE(eventually([&] { return server_->stats().connections_open == 0; }));
}

TEST_F(ResponseStreamTest, TellsWhenTheClientHasGone) {
  open();
  std::atomic<int> closed = 0;
  auto connection = std::make_unique<RawConnection>(server_->port());
  connection->send(kGet);
  const auto s = stream();
  s->on_close([&] { ++closed; });
  EXPECT_TRUE(s->write("hello"));
  connection->read_until("hello");
  connection.reset();
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_FALSE(s->write("anybody?"));
  s->on_close([&] { ++closed; });
  EXPECT_EQ(closed, 2) << "a callback set after the end runs at once";
}

TEST_F(ResponseStreamTest, EndsWhenTheServerStops) {
  open();
  RawConnection connection(server_->port());
  connection.send(kGet);
  const auto s = stream();
  s->write("before the stop");
  server_->stop(5 * kSecondUs);
  EXPECT_FALSE(s->open());
  const auto answer = connection.read_to_end();
  EXPECT_THAT(answer, HasSubstr("before the stop"));
  EXPECT_THAT(answer, testing::EndsWith("0\r\n\r\n"));
}

TEST_F(ResponseStreamTest, TakesWritesFromManyThreads) {
  open();
  HttpClientOptions options;
  options.address = server_->addresses().front();
  auto client = *HttpClient::connect(options);
  std::thread writers([&] {
    const auto s = stream();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) s->write("a line\n");
      });
    for (auto& thread : threads) thread.join();
  });
  int lines = 0;
  const auto answer = client->request_lines("GET", "/", "", {}, [&](std::string_view line) {
    lines += line == "a line";
    return true;
  });
  writers.join();
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->content_type, "text/event-stream");
  EXPECT_EQ(lines, 2000);
}

}  // namespace
}  // namespace millrace
