#include "stream/subscription_engine.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>

#include "base/text.h"
#include "stream/subscription_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Kind = PushOutcome::Kind;

constexpr PushOutcome kTaken = {Kind::kAcknowledged, {}, {}};

std::string data_of(const PushBody& body) {
  const std::size_t begin = body.text.find(R"("data":")") + 8;
  return base64_decode(body.text.substr(begin, body.text.find('"', begin) - begin)).value_or("?");
}

class SubscriptionEngineTest : public SubscriptionLogTest {
 protected:
  ~SubscriptionEngineTest() override { engine_.reset(); }

  void open() {
    auto opened = SubscriptionEngine::open(*log_, Env::system(), targets_, dir_ / "subscriptions.sqlite",
                                           {.push_at_once_max = 8});
    ASSERT_TRUE(opened) << opened.error().text();
    engine_ = *std::move(opened);
  }
  void restart() {
    engine_.reset();
    reopen_log();
    open();
  }

  /// Call with a promise and wait for the answer.
  template <class T, class Call>
  static Result<T> wait(Call call) {
    auto answer = std::make_shared<std::promise<Result<T>>>();
    auto future = answer->get_future();
    call([answer](Result<T> result) { answer->set_value(std::move(result)); });
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
      return fail(Code::kDeadline, "no answer");
    return future.get();
  }

  Status put(const std::string& name, SubscriptionSettings settings) {
    if (settings.topic.empty()) settings.topic = "clicks";
    return wait<void>([&](auto done) { engine_->put(name, settings, done); });
  }
  std::vector<SubscriptionMessage> pull(const std::string& name, std::size_t count, DurationUs patience = 0) {
    auto pulled = wait<std::vector<SubscriptionMessage>>(
        [&](auto done) { engine_->pull(name, count, patience, done); });
    EXPECT_TRUE(pulled) << pulled.error().text();
    return pulled ? *std::move(pulled) : std::vector<SubscriptionMessage>();
  }
  Result<AckCounts> ack(const std::string& name, const std::vector<SubscriptionMessage>& messages) {
    std::vector<AckId> ids;
    for (const auto& message : messages) ids.push_back(message.ack_id);
    return wait<AckCounts>([&](auto done) { engine_->ack(name, ids, done); });
  }
  SubscriptionInfo info(const std::string& name) {
    auto one = wait<SubscriptionInfo>([&](auto done) { engine_->describe(name, done); });
    EXPECT_TRUE(one) << one.error().text();
    return one.value_or(SubscriptionInfo{});
  }
  static std::vector<std::string> texts(const std::vector<SubscriptionMessage>& messages) {
    std::vector<std::string> out;
    for (const SubscriptionMessage& message : messages) out.push_back(message.data);
    return out;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 4'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::mutex mutex_;
  std::vector<std::string> pushed_;  ///< guarded by mutex_; what was taken, with the URL before it
  std::function<std::optional<PushOutcome>(const std::string&, const std::string&)> script_;
  ScriptedTargets targets_{[this](const std::string& url, const PushBody& body) {
    const std::string data = data_of(body);
    const auto outcome = script_ ? script_(url, data) : std::optional(kTaken);
    const std::lock_guard lock(mutex_);
    if (outcome && outcome->kind == Kind::kAcknowledged) pushed_.push_back(data);
    return outcome;
  }};
  std::vector<std::string> pushed() {
    const std::lock_guard lock(mutex_);
    return pushed_;
  }
  std::unique_ptr<SubscriptionEngine> engine_;
};

TEST_F(SubscriptionEngineTest, StartsWithWhatComesOrWithAllThereIs) {
  open();
  publish({"before"});
  ASSERT_TRUE(put("new", {}));
  ASSERT_TRUE(put("all", {.start = StartAt::kStart}));
  publish({"after"});
  EXPECT_THAT(texts(pull("new", 10, 5 * kSecondUs)), ElementsAre("after"));
  EXPECT_THAT(texts(pull("all", 10, 5 * kSecondUs)), ElementsAre("before", "after"));
}

TEST_F(SubscriptionEngineTest, APullWaitsForAMessage) {
  open();
  ASSERT_TRUE(put("s", {}));
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    publish({"m"});
  });
  EXPECT_THAT(texts(pull("s", 10, 10 * kSecondUs)), ElementsAre("m"));
  later.join();
  EXPECT_THAT(pull("s", 10, 20 * kMillisecondUs), IsEmpty()) << "it is held by the first";
}

TEST_F(SubscriptionEngineTest, AcknowledgedStaysAcknowledgedAfterARestart) {
  open();
  ASSERT_TRUE(put("s", {.start = StartAt::kStart}));
  publish({"a", "b", "c"});
  auto pulled = pull("s", 10, 5 * kSecondUs);
  ASSERT_EQ(pulled.size(), 3u);
  pulled.erase(pulled.begin());
  EXPECT_EQ(ack("s", pulled)->done, 2u);
  restart();
  EXPECT_THAT(texts(pull("s", 10, 5 * kSecondUs)), ElementsAre("a"));
  EXPECT_EQ(info("s").counts.acked, 2u);
  EXPECT_EQ(info("s").backlog, 1u);
}

TEST_F(SubscriptionEngineTest, TwoPullersShareABacklog) {
  open();
  ASSERT_TRUE(put("s", {.start = StartAt::kStart}));
  std::vector<std::string> all;
  for (int i = 0; i < 200; ++i) all.push_back("m" + std::to_string(i));
  publish(all);
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto work = [&] {
    for (;;) {
      const auto pulled = pull("s", 7, 200 * kMillisecondUs);
      if (pulled.empty()) return;
      EXPECT_TRUE(ack("s", pulled));
      const std::lock_guard lock(mutex);
      for (const auto& message : pulled) seen.push_back(message.data);
    }
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  EXPECT_THAT(seen, testing::UnorderedElementsAreArray(all));
}

TEST_F(SubscriptionEngineTest, PushesUntilTaken) {
  std::atomic<int> refusals = 3;
  script_ = [&](const std::string&, const std::string& data) {
    if (data == "b" && refusals-- > 0) return PushOutcome{Kind::kRefused, "the endpoint answered 500", {}};
    return kTaken;
  };
  open();
  ASSERT_TRUE(
      put("hook",
          {.retry_min = kMillisecondUs, .retry_max = 5 * kMillisecondUs, .push = PushSettings{"http://x"}}));
  publish({"a", "b", "c"});
  EXPECT_TRUE(eventually([&] { return info("hook").counts.acked == 3; }));
  EXPECT_THAT(pushed(), UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(info("hook").counts.nacked, 3u);
  EXPECT_EQ(info("hook").counts.delivered, 6u);
  restart();
  publish({"d"});
  EXPECT_TRUE(eventually([&] { return info("hook").counts.acked == 4; }));
  EXPECT_THAT(pushed(), UnorderedElementsAre("a", "b", "c", "d")) << "nothing that was taken came again";
}

TEST_F(SubscriptionEngineTest, ADeadEndpointSlowsNobodyAndLosesNothing) {
  std::atomic<bool> dead = true;
  script_ = [&](const std::string& url, const std::string&) -> std::optional<PushOutcome> {
    if (url == "http://hangs") return {};
    if (url == "http://dead" && dead) return PushOutcome{Kind::kUnreachable, "nobody listens", {}};
    return kTaken;
  };
  open();
  SubscriptionSettings settings{.retry_min = kMillisecondUs,
                                .retry_max = 20 * kMillisecondUs,
                                .max_attempts = 2,
                                .dead_letter_topic = "gone"};
  for (const char* name : {"hangs", "dead", "lives"}) {
    settings.push = PushSettings{"http://" + std::string(name)};
    ASSERT_TRUE(put(name, settings));
  }
  for (int i = 0; i < 50; ++i) publish({"m" + std::to_string(i)});
  EXPECT_TRUE(eventually([&] { return info("lives").counts.acked == 50; }));
  EXPECT_EQ(info("dead").counts.dead, 0u) << "what never left is no delivery";
  EXPECT_EQ(info("dead").push->error, "nobody listens");
  EXPECT_EQ(info("hangs").counts.acked, 0u);
  dead = false;
  EXPECT_TRUE(eventually([&] { return info("dead").counts.acked == 50; }));
}

TEST_F(SubscriptionEngineTest, DeadLettersGoAsideAndCanBeReplayed) {
  std::atomic<bool> mended = false;
  script_ = [&](const std::string&, const std::string& data) {
    if (data == "poison" && !mended) return PushOutcome{Kind::kRefused, "the endpoint answered 422", {}};
    return kTaken;
  };
  open();
  ASSERT_TRUE(put("hook", {.retry_min = kMillisecondUs,
                           .retry_max = 2 * kMillisecondUs,
                           .max_attempts = 3,
                           .dead_letter_topic = "clicks-dead",
                           .push = PushSettings{"http://x"}}));
  publish({"a", "poison", "b"});
  EXPECT_TRUE(eventually([&] { return info("hook").counts.dead == 1; }));
  EXPECT_THAT(pushed(), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(values("clicks-dead"), ElementsAre("poison"));

  ASSERT_TRUE(put("aside", {.topic = "clicks-dead", .start = StartAt::kStart}));
  const auto letters = pull("aside", 10, 5 * kSecondUs);
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].attributes.at("dead_letter_reason"), "the endpoint answered 422");
  EXPECT_EQ(letters[0].attributes.at("dead_letter_attempts"), "3");
  EXPECT_EQ(letters[0].content_type, "text/plain");

  mended = true;
  restart();
  const auto replayed = wait<ReplayCounts>([&](auto done) { engine_->replay_dead_letters("hook", done); });
  ASSERT_TRUE(replayed) << replayed.error().text();
  EXPECT_EQ(replayed->replayed, 1u);
  EXPECT_TRUE(eventually([&] { return pushed().size() == 3; }));
  EXPECT_THAT(pushed(), UnorderedElementsAre("a", "b", "poison"));
  const auto again = wait<ReplayCounts>([&](auto done) { engine_->replay_dead_letters("hook", done); });
  EXPECT_EQ(again->replayed, 0u) << "each once";
}

TEST_F(SubscriptionEngineTest, SeekDeliversAgainOrSkips) {
  open();
  ASSERT_TRUE(put("s", {}));
  publish({"a", "b", "c"});
  EXPECT_TRUE(ack("s", pull("s", 10, 5 * kSecondUs)));
  ASSERT_TRUE(wait<void>([&](auto done) { engine_->seek("s", {.offset = Offset(1)}, done); }));
  EXPECT_THAT(texts(pull("s", 10)), ElementsAre("b", "c"));
  ASSERT_TRUE(wait<void>([&](auto done) { engine_->seek("s", {.time = 0}, done); }));
  EXPECT_THAT(texts(pull("s", 10)), ElementsAre("a", "b", "c"));
  ASSERT_TRUE(wait<void>([&](auto done) { engine_->seek("s", {.offset = Offset(1'000'000)}, done); }));
  EXPECT_THAT(pull("s", 10), IsEmpty());
  restart();
  EXPECT_THAT(pull("s", 10), IsEmpty());
}

TEST_F(SubscriptionEngineTest, RefusesWithTheRemedy) {
  open();
  EXPECT_THAT(put("s", {.topic = "nowhere"}).error().message, testing::HasSubstr("topic create nowhere"));
  EXPECT_EQ(put("bad name", {}).error().code, Code::kInvalid);
  EXPECT_EQ(put("s", {.push = PushSettings{"ftp://x"}}).error().code, Code::kDenied);
  ASSERT_TRUE(put("s", {}));
  make_topic("other");
  EXPECT_EQ(put("s", {.topic = "other"}).error().code, Code::kExists);
  const auto pulled =
      wait<std::vector<SubscriptionMessage>>([&](auto done) { engine_->pull("t", 1, 0, done); });
  EXPECT_EQ(pulled.error().code, Code::kNotFound);
}

TEST_F(SubscriptionEngineTest, RemovedIsForgotten) {
  open();
  ASSERT_TRUE(put("s", {.start = StartAt::kStart}));
  publish({"a"});
  const auto held = pull("s", 1, 5 * kSecondUs);
  ASSERT_TRUE(wait<void>([&](auto done) { engine_->remove("s", done); }));
  restart();
  EXPECT_EQ(wait<SubscriptionInfo>([&](auto done) { engine_->describe("s", done); }).error().code,
            Code::kNotFound);
  ASSERT_TRUE(put("s", {.start = StartAt::kStart}));
  EXPECT_EQ(ack("s", held)->unknown.size(), 1u) << "of the one that was removed";
  EXPECT_THAT(texts(pull("s", 1, 5 * kSecondUs)), ElementsAre("a"));
}

TEST_F(SubscriptionEngineTest, StoppingAnswersWhoWaits) {
  open();
  ASSERT_TRUE(put("s", {}));
  std::promise<Result<std::vector<SubscriptionMessage>>> waiting;
  engine_->pull("s", 1, kHourUs, [&](auto pulled) { waiting.set_value(std::move(pulled)); });
  engine_->stop();
  const auto pulled = waiting.get_future().get();
  EXPECT_TRUE(!pulled || pulled->empty());
  EXPECT_EQ(put("t", {}).error().code, Code::kCancelled);
}

TEST_F(SubscriptionEngineTest, HoldsBackRetentionByWhatIsNotAcknowledged) {
  open();
  ASSERT_TRUE(put("s", {.start = StartAt::kStart}));
  publish({"a", "b", "c"});
  const auto pulled = pull("s", 2, 5 * kSecondUs);
  const auto held = [&]() -> Result<std::optional<Offset>> {
    return log_->committed("subscription.s", {"clicks", PartitionId(0)});
  };
  EXPECT_TRUE(eventually([&] { return held() == Result<std::optional<Offset>>(Offset(0)); }));
  EXPECT_TRUE(ack("s", pulled));
  EXPECT_TRUE(eventually([&] { return held() == Result<std::optional<Offset>>(Offset(2)); }));
  ASSERT_TRUE(wait<void>([&](auto done) { engine_->remove("s", done); }));
  EXPECT_EQ(held(), Result<std::optional<Offset>>(std::nullopt));
}

}  // namespace
}  // namespace millrace
