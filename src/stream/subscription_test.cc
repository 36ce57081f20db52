#include "stream/subscription.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>

#include "stream/stream_testing.h"
#include "stream/subscription_store.h"
#include "stream/subscription_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr DurationUs kHold = 10 * kSecondUs;
constexpr std::uint64_t kBytes = 1 << 20;

class SubscriptionTest : public SubscriptionLogTest {
 protected:
  std::unique_ptr<Subscription> make(SubscriptionSettings settings = {},
                                     const SubscriptionLimits& limits = {}) {
    settings.topic = "clicks";
    return std::make_unique<Subscription>("test", std::move(settings), *log_, ++seed_, limits);
  }

  std::vector<SubscriptionMessage> take(Subscription& from, std::size_t count, DurationUs now = 0) {
    EXPECT_TRUE(from.read_on());
    auto taken = from.take(count, kBytes, now, kHold);
    EXPECT_TRUE(taken);
    return taken ? *std::move(taken) : std::vector<SubscriptionMessage>();
  }

  std::uint64_t seed_ = 0;

  static std::vector<std::string> texts(const std::vector<SubscriptionMessage>& messages) {
    std::vector<std::string> out;
    for (const SubscriptionMessage& message : messages) out.push_back(message.data);
    return out;
  }

  /// What another process would find: a new subscription with the stored progress.
  std::unique_ptr<Subscription> restart(const Subscription& from) {
    auto next = make(from.settings());
    next->set_epoch(from.epoch());
    for (std::uint32_t i = 0; i < from.partitions(); ++i) {
      const SubscriptionProgress kept = from.progress(PartitionId(i));
      const auto read = SubscriptionProgress::parse(kept.next, kept.reach, kept.undone_text());
      EXPECT_TRUE(read);
      EXPECT_EQ(*read, kept);
      next->restore(PartitionId(i), *read);
    }
    return next;
  }
};

TEST_F(SubscriptionTest, HandsOutEachOnceWhileItIsHeld) {
  publish({"a", "b", "c"});
  const auto subscription = make();
  EXPECT_THAT(texts(take(*subscription, 2)), ElementsAre("a", "b"));
  EXPECT_THAT(texts(take(*subscription, 2)), ElementsAre("c"));
  EXPECT_THAT(take(*subscription, 2), IsEmpty());
  EXPECT_EQ(subscription->outstanding(), 3u);
}

TEST_F(SubscriptionTest, ComesAgainWhenTheLeaseRunsOutAndCountsDeliveries) {
  publish({"a"});
  const auto subscription = make();
  EXPECT_EQ(take(*subscription, 1).at(0).attempt, 1u);
  subscription->expire(kHold - 1);
  EXPECT_THAT(take(*subscription, 1), IsEmpty());
  subscription->expire(kHold);
  EXPECT_EQ(take(*subscription, 1, kHold).at(0).attempt, 2u);
  EXPECT_EQ(subscription->counts().expired, 1u);
}

TEST_F(SubscriptionTest, ExtendingHoldsItLonger) {
  publish({"a"});
  const auto subscription = make();
  const auto taken = take(*subscription, 1);
  EXPECT_TRUE(subscription->extend(taken[0].ack_id, 3 * kHold));
  subscription->expire(2 * kHold);
  EXPECT_THAT(take(*subscription, 1), IsEmpty());
  subscription->expire(3 * kHold);
  EXPECT_FALSE(subscription->extend(taken[0].ack_id, 9 * kHold));
  EXPECT_THAT(take(*subscription, 1), testing::SizeIs(1));
}

TEST_F(SubscriptionTest, AckedNeverComesAgainAlsoAfterARestart) {
  publish({"a", "b", "c", "d"});
  auto subscription = make();
  const auto taken = take(*subscription, 4);
  EXPECT_EQ(subscription->ack(taken[1].ack_id), Subscription::AckResult::kDone);
  EXPECT_EQ(subscription->ack(taken[2].ack_id), Subscription::AckResult::kDone);
  EXPECT_EQ(subscription->ack(taken[2].ack_id), Subscription::AckResult::kDone) << "repeated";
  subscription = restart(*subscription);
  const auto again = take(*subscription, 10);
  EXPECT_THAT(texts(again), ElementsAre("a", "d"));
  EXPECT_EQ(again[0].attempt, 2u) << "the delivery before the restart counts";
  EXPECT_EQ(again[1].attempt, 2u);
}

TEST_F(SubscriptionTest, AnAckOfAnEarlierProcessCounts) {
  publish({"a", "b"});
  auto subscription = make();
  const auto taken = take(*subscription, 2);
  subscription = restart(*subscription);
  EXPECT_EQ(subscription->ack(taken[1].ack_id), Subscription::AckResult::kDone);
  EXPECT_THAT(texts(take(*subscription, 2)), ElementsAre("a"));
  EXPECT_FALSE(subscription->nack(taken[0].ack_id, 0)) << "the delivery is another one now";
}

TEST_F(SubscriptionTest, AnAckOfNothingIsUnknown) {
  publish({"a"});
  const auto subscription = make();
  EXPECT_EQ(subscription->ack({{PartitionId(0), Offset(5)}, 0, 1}), Subscription::AckResult::kUnknown);
  EXPECT_EQ(subscription->ack({{PartitionId(3), Offset(0)}, 0, 1}), Subscription::AckResult::kUnknown);
  EXPECT_EQ(subscription->ack({{PartitionId(0), Offset(0)}, 1, 1}), Subscription::AckResult::kUnknown);
  EXPECT_THAT(texts(take(*subscription, 1)), ElementsAre("a"));
}

TEST_F(SubscriptionTest, NackedWaitsLongerEachTime) {
  publish({"a"});
  const auto subscription = make({.retry_min = 100, .retry_max = 1'000});
  DurationUs now = 0;
  for (const DurationUs longest : {100, 200, 400, 800, 1'000, 1'000}) {
    const auto taken = take(*subscription, 1, now);
    ASSERT_EQ(taken.size(), 1u);
    ASSERT_TRUE(subscription->nack(taken[0].ack_id, now));
    const DurationUs wait = *subscription->next_due() - now;
    EXPECT_GE(wait, longest / 2);
    EXPECT_LE(wait, longest);
    now += wait;
    subscription->expire(now);
  }
}

TEST_F(SubscriptionTest, GivenBackDoesNotCount) {
  publish({"a"});
  const auto subscription = make({.max_attempts = 1, .dead_letter_topic = "dead"});
  for (int i = 0; i < 5; ++i) {
    const auto taken = take(*subscription, 1);
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_EQ(taken[0].attempt, 1u);
    EXPECT_TRUE(subscription->give_back(taken[0].ack_id));
  }
}

TEST_F(SubscriptionTest, OrderedKeysWaitForTheOneBefore) {
  publish({"x=1", "x=2", "y=3", "x=4", "5"});
  auto subscription = make({.ordered = true});
  auto taken = take(*subscription, 10);
  EXPECT_THAT(texts(taken), ElementsAre("1", "3", "5"));
  ASSERT_TRUE(subscription->nack(taken[0].ack_id, 0, 50));
  EXPECT_THAT(take(*subscription, 10), IsEmpty()) << "the key waits with its first";
  subscription->expire(50);
  taken = take(*subscription, 10, 50);
  EXPECT_THAT(texts(taken), ElementsAre("1"));
  subscription->ack(taken[0].ack_id);
  subscription = restart(*subscription);
  taken = take(*subscription, 10);
  EXPECT_THAT(texts(taken), ElementsAre("2", "3", "5"));
  subscription->ack(taken[0].ack_id);
  EXPECT_THAT(texts(take(*subscription, 10)), ElementsAre("4"));
}

TEST_F(SubscriptionTest, OutstandingIsBoundedByMessagesAndBytes) {
  publish({"aaaa", "bbbb", "cccc"});
  const auto few = make({.max_outstanding = 2});
  const auto taken = take(*few, 10);
  EXPECT_EQ(taken.size(), 2u);
  few->ack(taken[0].ack_id);
  EXPECT_THAT(texts(take(*few, 10)), ElementsAre("cccc"));
  const auto small = make({.max_outstanding_bytes = 10});
  EXPECT_EQ(take(*small, 10).size(), 1u) << "one always fits";
}

TEST_F(SubscriptionTest, TracksABoundedNumberBehindOneThatIsNotAcknowledged) {
  for (int i = 0; i < 30; ++i) publish({"m"});
  const auto subscription = make({}, {.tracked_max = 10, .ready_low = 5, .read_records_max = 4});
  std::size_t seen = 0;
  std::vector<SubscriptionMessage> kept;
  for (int round = 0; round < 50; ++round)
    for (SubscriptionMessage& message : take(*subscription, 1)) {
      ++seen;
      if (seen % 2 == 0) subscription->ack(message.ack_id);
    }
  EXPECT_EQ(subscription->outstanding(), 10u);
  EXPECT_LT(seen, 30u);
  EXPECT_EQ(subscription->progress(PartitionId(0)).undone.size(), 10u);
}

TEST_F(SubscriptionTest, ABusyPartitionDoesNotHideTheOthers) {
  make_topic("two", 2);
  publish(std::vector<std::string>(100, "busy"), 0, "two");
  publish({"quiet"}, 1, "two");
  Subscription subscription("test", {.topic = "two"}, *log_, 7, {.ready_low = 5, .read_records_max = 5});
  for (int taken = 0; taken < 40; ++taken)
    for (const SubscriptionMessage& message : take(subscription, 1)) {
      if (message.data == "quiet") return;
      subscription.ack(message.ack_id);
    }
  FAIL() << "the quiet one's message never came";
}

TEST_F(SubscriptionTest, DoomedAfterSoManyDeliveriesAndRevived) {
  publish({"bad", "good"});
  const auto subscription =
      make({.retry_min = 1, .retry_max = 1, .max_attempts = 2, .dead_letter_topic = "dead"});
  for (DurationUs now = 0; now < 20; ++now) {
    for (const auto& message : take(*subscription, 10, now))
      message.data == "bad" ? static_cast<void>(subscription->nack(message.ack_id, now))
                            : static_cast<void>(subscription->ack(message.ack_id));
    subscription->expire(now);
  }
  auto doomed = subscription->take_doomed();
  ASSERT_TRUE(doomed);
  ASSERT_THAT(texts(*doomed), ElementsAre("bad"));
  EXPECT_EQ(doomed->at(0).attempt, 2u);
  EXPECT_THAT(*subscription->take_doomed(), IsEmpty());
  const std::string header = dead_letter_attributes(doomed->at(0), "test", "it said no");
  EXPECT_EQ(dead_letter_place(header, "test", "clicks"), doomed->at(0).ack_id.place);
  EXPECT_FALSE(dead_letter_place(header, "other", "clicks"));
  EXPECT_TRUE(subscription->bury(doomed->at(0).ack_id));
  EXPECT_EQ(subscription->backlog(), 0u);

  EXPECT_EQ(subscription->revive(doomed->at(0).ack_id.place), Result<bool>(true));
  EXPECT_EQ(subscription->revive(doomed->at(0).ack_id.place), Result<bool>(false))
      << "it is not done any more";
  const auto again = take(*subscription, 10);
  ASSERT_THAT(texts(again), ElementsAre("bad"));
  EXPECT_EQ(again[0].attempt, 1u);
}

TEST_F(SubscriptionTest, SeekingVoidsWhatWasHandedOut) {
  publish({"a", "b", "c"});
  auto subscription = make();
  const auto taken = take(*subscription, 3);
  for (const auto& message : taken) subscription->ack(message.ack_id);
  subscription->seek({Offset(1)});
  EXPECT_EQ(subscription->ack(taken[1].ack_id), Subscription::AckResult::kUnknown);
  subscription = restart(*subscription);
  EXPECT_THAT(texts(take(*subscription, 9)), ElementsAre("b", "c"));
}

/// A log whose retention has removed everything below `start`.
class CutLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;
  Offset start;

  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override {
    if (from < start) return fail(Code::kOutOfRange, "removed");
    return StubbornLog::read(partition, from, limits);
  }
  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    auto stats = StubbornLog::stats(partition);
    if (stats) stats->start = start;
    return stats;
  }
};

TEST_F(SubscriptionTest, GoesOnWhereRetentionHasCutAndCountsWhatIsLost) {
  publish({"a", "b", "c", "d", "e"});
  CutLog log(*log_);
  Subscription subscription("test", {.topic = "clicks"}, log, 7);
  const auto taken = take(subscription, 2);
  ASSERT_EQ(taken.size(), 2u);
  subscription.ack(taken[0].ack_id);
  log.start = Offset(4);
  subscription.expire(kHold);  // "b" is ready again, and with "c" and "d" no longer there
  publish({"f"});
  // What was read just now may still be handed out from memory; another process has nothing but the log.
  Subscription next("test", {.topic = "clicks"}, log, 8);
  next.restore(PartitionId(0), subscription.progress(PartitionId(0)));
  while (next.ready() < 2) ASSERT_TRUE(next.read_on());
  EXPECT_THAT(texts(take(next, 10)), ElementsAre("e", "f"));
  EXPECT_EQ(next.counts().lost, 3u);
  EXPECT_EQ(next.backlog(), 2u);
}

TEST(SubscriptionProgressTest, RefusesWhatItCannotRead) {
  for (const char* text : {"x", "1*", "1 x", "-1", "1,2", "99"})
    EXPECT_FALSE(SubscriptionProgress::parse(Offset(5), Offset(20), text)) << text;
  EXPECT_TRUE(SubscriptionProgress::parse(Offset(5), Offset(20), "0*3 2 12"));
}

TEST(AckIdTest, ReadsBackWhatItWrites) {
  const AckId id{{PartitionId(3), Offset(12345678901)}, 42, 0xabcdef0123};
  EXPECT_EQ(AckId::parse(id.text()), Result<AckId>(id));
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "a.b.c.d", "1.2.3.zz", "-1.2.3.4", "99999999999.1.1.1"})
    EXPECT_FALSE(AckId::parse(text)) << text;
}

/// Random deliveries, acknowledgements, refusals, time-outs and restarts, against the plain rule: what was
/// acknowledged never comes again, everything else comes until it is.
TEST_F(SubscriptionTest, NothingIsLostAndNothingComesTwiceAfterItsAck) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::string topic = "random-" + std::to_string(seed);
    make_topic(topic, 2);
    std::mt19937 random(seed);
    SubscriptionSettings settings{
        .topic = topic, .ordered = seed % 2 == 1, .retry_min = 1'000, .retry_max = 4'000};
    auto subscription = std::make_unique<Subscription>("s", settings, *log_, seed);
    std::set<std::string> published, acked;
    std::vector<SubscriptionMessage> held;
    DurationUs now = 0;
    for (int step = 0; step < 400 || acked.size() < published.size(); ++step) {
      ASSERT_LT(step, 20'000) << "seed " << seed;
      now += static_cast<DurationUs>(random() % 2'000);
      subscription->expire(now);
      const auto dice = random() % 100;
      if (dice < 15 && step < 400) {
        const std::string text = "m" + std::to_string(published.size());
        publish({"k" + std::to_string(random() % 3) + "=" + text}, random() % 2, topic);
        published.insert(text);
      } else if (dice < 55) {
        ASSERT_TRUE(subscription->read_on());
        auto taken = subscription->take(1 + random() % 4, kBytes, now, 20'000);
        ASSERT_TRUE(taken);
        for (SubscriptionMessage& message : *taken) {
          ASSERT_FALSE(acked.contains(message.data)) << "seed " << seed << ", " << message.data;
          held.push_back(std::move(message));
        }
      } else if (dice < 85 && !held.empty()) {
        const std::size_t which = random() % held.size();
        ASSERT_EQ(subscription->ack(held[which].ack_id), Subscription::AckResult::kDone);
        acked.insert(held[which].data);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
      } else if (dice < 95 && !held.empty()) {
        const std::size_t which = random() % held.size();
        subscription->nack(held[which].ack_id, now);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
      } else if (dice >= 97) {
        auto next = std::make_unique<Subscription>("s", settings, *log_, random());
        for (std::uint32_t i = 0; i < 2; ++i)
          next->restore(PartitionId(i), subscription->progress(PartitionId(i)));
        subscription = std::move(next);
      }
    }
    EXPECT_EQ(acked, published);
    EXPECT_EQ(subscription->backlog(), 0u);
  }
}

TEST_F(SubscriptionLogTest, StoreKeepsWhatWasWritten) {
  const Path file = dir_ / "subscriptions.sqlite";
  StoredSubscription one{"one", {.topic = "clicks", .ordered = true}, 7, Offset(3), {.acked = 5, .dead = 1}};
  one.settings.push = {.url = "http://127.0.0.1:1/x", .format = PushFormat::kCloudEvents};
  const SubscriptionProgress progress{Offset(5), Offset(20), {{Offset(5), 2}, {Offset(9), 0}}};
  {
    auto store = SubscriptionStore::open(file);
    ASSERT_TRUE(store) << store.error().text();
    StoredSubscription two = one;
    two.name = "two";
    ASSERT_TRUE(store->write(
        {{one, two}, {{"one", PartitionId(1), progress}, {"two", PartitionId(0), progress}}, {}}));
    ASSERT_TRUE(store->write({{}, {}, {"two"}}));
  }
  auto store = SubscriptionStore::open(file);
  ASSERT_TRUE(store);
  const auto loaded = store->load();
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->subscriptions.size(), 1u);
  EXPECT_EQ(loaded->subscriptions[0].settings, one.settings);
  EXPECT_EQ(loaded->subscriptions[0].counts, one.counts);
  EXPECT_EQ(loaded->subscriptions[0].epoch, 7u);
  EXPECT_EQ(loaded->subscriptions[0].dead_letters_replayed, Offset(3));
  ASSERT_EQ(loaded->progress.size(), 1u);
  EXPECT_EQ(loaded->progress[0].partition, PartitionId(1));
  EXPECT_EQ(loaded->progress[0].progress, progress);
}

TEST(SubscriptionSettingsTest, SaysWhatIsWrong) {
  const auto message = [](std::string_view text) {
    const auto parsed = parse_subscription_settings(text);
    return parsed ? "good" : parsed.error().text();
  };
  EXPECT_EQ(message(R"({"topic":"clicks"})"), "good");
  EXPECT_THAT(message("[]"), testing::HasSubstr("JSON object"));
  EXPECT_THAT(message("{}"), testing::HasSubstr("topic"));
  EXPECT_THAT(message(R"({"topic":"t","ack_deadline_s":9})"), testing::HasSubstr("10 to 600"));
  EXPECT_THAT(message(R"({"topic":"t","ack_deadlin_s":9})"),
              testing::HasSubstr("did you mean 'ack_deadline_s'"));
  EXPECT_THAT(message(R"({"topic":"t","max_attempts":3})"), testing::HasSubstr("dead_letter_topic"));
  EXPECT_THAT(message(R"({"topic":"t","dead_letter_topic":"t"})"), testing::HasSubstr("another topic"));
  EXPECT_THAT(message(R"({"topic":"t","dead_letter_topic":"events"})"), testing::HasSubstr("alone writes"));
  EXPECT_THAT(message(R"({"topic":"t","push":{"url":"http://x","format":"xml"}})"),
              testing::HasSubstr("cloudevents"));
  EXPECT_THAT(message(R"({"topic":"t","max_outstanding":1e30})"), testing::HasSubstr("10000"));
  const auto dead = parse_subscription_settings(R"({"topic":"t","dead_letter_topic":"d"})");
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->max_attempts, 5u);
  EXPECT_EQ(parse_subscription_settings(subscription_settings_json(*dead)), dead);
}

TEST(SubscriptionMessageTest, IsWrappedAsPubSubAndAsCloudEvent) {
  SubscriptionMessage message;
  message.ack_id.place = {PartitionId(1), Offset(41)};
  message.attempt = 2;
  message.topic = "clicks";
  message.publish_time = 1'700'000'000'000'000;
  message.key = "k";
  message.content_type = "application/json";
  message.attributes = {{"codec", "segment"}, {"type", "shop.click"}};
  message.data = R"({"a":1})";
  EXPECT_EQ(
      push_body(message, PushFormat::kPubSub, "hook").text,
      R"({"message":{"data":"eyJhIjoxfQ==","attributes":{"codec":"segment","type":"shop.click",)"
      R"("content_type":"application/json"},"messageId":"clicks:1:41","message_id":"clicks:1:41",)"
      R"("publishTime":"2023-11-14T22:13:20Z","publish_time":"2023-11-14T22:13:20Z","orderingKey":"k"},)"
      R"("subscription":"hook","deliveryAttempt":2})");
  EXPECT_EQ(
      push_body(message, PushFormat::kCloudEvents, "hook").text,
      R"({"specversion":"1.0","id":"clicks:1:41","source":"/v1/topics/clicks","type":"shop.click",)"
      R"("time":"2023-11-14T22:13:20Z","datacontenttype":"application/json","partitionkey":"k","data":{"a":1}})");
  message.data = "\xff";
  EXPECT_THAT(push_body(message, PushFormat::kCloudEvents, "hook").text,
              testing::HasSubstr(R"("data_base64":"/w==")"));
}

TEST(PushWindowTest, GrowsWithSuccessAndRestsAfterFailures) {
  PushWindow window({.first = 4, .most = 16, .pause_min = 100, .pause_max = 1'000});
  EXPECT_EQ(window.size(), 4u);
  for (int i = 0; i < 4; ++i) window.succeeded();
  EXPECT_EQ(window.size(), 8u) << "twice as many after each round";
  for (int i = 0; i < 50; ++i) window.succeeded();
  EXPECT_EQ(window.size(), 16u);

  window.failed(0, 0.5);
  EXPECT_EQ(window.size(), 8u);
  EXPECT_EQ(window.paused_until(), 0) << "one may be the message's fault";
  for (int i = 0; i < 6; ++i) window.succeeded();
  EXPECT_LE(window.size(), 9u) << "carefully now";

  DurationUs now = 0, last_pause = 0;
  for (int i = 0; i < 40; ++i) {
    now = std::max(now, window.paused_until());
    window.failed(now, 1.0);
    EXPECT_LE(window.paused_until() - now, 1'000);
    last_pause = window.paused_until() - now;
  }
  EXPECT_EQ(window.size(), 1u);
  EXPECT_EQ(last_pause, 1'000);
  window.succeeded();
  window.failed(now + 5'000, 0.0, 400);
  EXPECT_EQ(window.paused_until(), now + 5'400) << "as the endpoint asked";
}

}  // namespace
}  // namespace millrace
