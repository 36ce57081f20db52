#include "server/recommendation_streams.h"

#include <mutex>

#include <gtest/gtest.h>

namespace millrace {
namespace {

using Of = RecommendationStreams::Of;

/// A client that remembers what it got, and may go.
class Client : public ResponseStream {
 public:
  bool write(std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    if (gone_) return false;
    text_ += bytes;
    return true;
  }
  void end() override { go(); }
  bool open() const override {
    const std::lock_guard lock(mutex_);
    return !gone_;
  }
  void on_close(std::function<void()>) override {}
  std::size_t buffered_bytes() const override { return 0; }

  void go() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }
  /// Return what came, without signs of life.
  std::string text() const {
    const std::lock_guard lock(mutex_);
    std::string text = text_;
    constexpr std::string_view kSign = ": still here\n\n";
    for (std::size_t at; (at = text.find(kSign)) != std::string::npos;) text.erase(at, kSign.size());
    return text;
  }

 private:
  mutable std::mutex mutex_;
  bool gone_ = false;
  std::string text_;
};

TEST(RecommendationStreams, SendsAnAnswerToWhomItConcernsAlone) {
  RecommendationStreams streams;
  const auto user = std::make_shared<Client>(), session = std::make_shared<Client>(),
             same_name = std::make_shared<Client>();
  ASSERT_TRUE(streams.add(Of::kUser, "u1", user));
  ASSERT_TRUE(streams.add(Of::kSession, "s1", session));
  ASSERT_TRUE(streams.add(Of::kSession, "u1", same_name));
  streams.send(std::vector<StreamedAnswer>{
      {"u1", "s1", "{1}"}, {"u1", "", "{2}"}, {"", "s1", "{3}"}, {"", "", "{4}"}});
  EXPECT_EQ(user->text(), "event: recommendation\ndata: {1}\n\nevent: recommendation\ndata: {2}\n\n");
  EXPECT_EQ(session->text(), "event: recommendation\ndata: {1}\n\nevent: recommendation\ndata: {3}\n\n");
  EXPECT_EQ(same_name->text(), "");
}

TEST(RecommendationStreams, MakesRoomFromThoseWhoHaveGone) {
  RecommendationStreams streams;
  std::vector<std::shared_ptr<Client>> clients;
  for (std::size_t i = 0; i < RecommendationStreams::kStreamsMax; ++i) {
    clients.push_back(std::make_shared<Client>());
    ASSERT_TRUE(streams.add(Of::kSession, "s" + std::to_string(i % 100), clients.back()));
  }
  const auto late = std::make_shared<Client>();
  const Status refused = streams.add(Of::kSession, "s1", late);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  clients[1]->go();
  const std::weak_ptr<Client> gone = clients[1];
  clients[1].reset();
  ASSERT_TRUE(streams.add(Of::kSession, "s1", late));
  EXPECT_TRUE(gone.expired()) << "nothing holds it any more";
  streams.send(std::vector<StreamedAnswer>{{"", "s1", "{}"}});
  EXPECT_EQ(late->text(), "event: recommendation\ndata: {}\n\n");
  EXPECT_EQ(clients[101]->text(), late->text());
  EXPECT_EQ(clients[2]->text(), "");
}

}  // namespace
}  // namespace millrace
