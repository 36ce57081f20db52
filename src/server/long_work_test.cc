#include "server/long_work.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "net/http_testing.h"

namespace millrace {
namespace {

/// A server whose every request is the same long work, done under one turn.
class LongWorkTest : public testing::Test {
 protected:
  ~LongWorkTest() override {
    if (held_) held_.unlock();
  }

  std::string ask(RawConnection& client, std::string_view until) {
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    return client.read_until(until);
  }

  std::mutex turn_;
  std::unique_lock<std::mutex> held_{turn_};
  std::atomic<int> done_ = 0, ended_ = 0;
  std::vector<std::jthread> threads_;  ///< of the server's one thread, until it is gone
  std::unique_ptr<HttpServer> server_ = open_test_server([this](HttpRequest&&, const Responder& responder) {
    threads_.emplace_back([this, stream = responder.start_stream("application/x-ndjson")] {
      do_long_work(Env::system(), turn_, "another cake", stream, [this](const auto*, const auto& say) {
        say("baking");
        ++done_;
        return Result<nlohmann::json>(nlohmann::json{{"layers", 3}});
      });
      ++ended_;
    });
  });
};

TEST_F(LongWorkTest, WaitsForItsTurnAndSaysSo) {
  RawConnection client(server_->port());
  EXPECT_NE(ask(client, "cake").find(R"({"progress":{"step":"waiting for another cake)"), std::string::npos);
  EXPECT_EQ(done_, 0);
  held_.unlock();
  const std::string rest = client.read_until("layers");
  EXPECT_NE(rest.find(R"({"progress":{"step":"baking"}})"), std::string::npos) << rest;
  EXPECT_EQ(done_, 1);
}

TEST_F(LongWorkTest, IsGivenUpWhereTheClientGoesWhileItWaits) {
  RawConnection client(server_->port());
  ask(client, "cake");
  client.abort();
  EXPECT_TRUE(eventually([&] { return ended_ == 1; }));
  EXPECT_EQ(done_, 0);
}

TEST_F(LongWorkTest, DoesNotSpeakOfWaitingWhereNobodyIsBefore) {
  held_.unlock();
  RawConnection client(server_->port());
  EXPECT_EQ(ask(client, "layers").find("waiting"), std::string::npos);
}

}  // namespace
}  // namespace millrace
