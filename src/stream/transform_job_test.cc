#include "stream/transform_job.h"

#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/flow_sql.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Outcome = FlowOutcome::Kind;

/// A function as a test writes it.
class Scripted : public FlowFunction {
 public:
  using Script = std::function<FlowOutcome(const SubscriptionMessage&)>;
  Scripted(Script script, const bool& unreachable) : script_(std::move(script)), unreachable_(unreachable) {}

  Result<std::vector<FlowOutcome>> apply(std::span<const SubscriptionMessage* const> messages) override {
    if (unreachable_) return fail(Code::kNotFound, "nobody listens");
    std::vector<FlowOutcome> outcomes;
    for (const SubscriptionMessage* message : messages) outcomes.push_back(script_(*message));
    return outcomes;
  }

 private:
  Script script_;
  const bool& unreachable_;
};

/// Fails appends to a topic, or swallows the news that they are done.
class BreakingLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;

  std::string lost;     ///< appends to this topic are done, but reported as failed
  std::string refused;  ///< and to this one are not done

  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override {
    if (to.topic == refused) return done(fail(Code::kNoSpace, "full"));
    if (to.topic != lost) return StubbornLog::append(to, std::move(batch), std::move(done));
    StubbornLog::append(to, std::move(batch),
                        [done](const Result<Offset>&) { done(fail(Code::kIo, "lost")); });
  }
};

class TransformJobTest : public StreamTest {
 protected:
  TransformJobTest() : breaking_(*segment_log_) {
    EXPECT_TRUE(segment_log_->create_topic("orders", {.partitions = 2, .content_type = "application/json"}));
    options_ = {.name = "clean", .from = "orders", .to = "clean", .from_start = true, .batch_max = 4};
    options_.retry_pause = 0;
    options_.checkpoint_interval = kHourUs;
    options_.position = dir_ / "clean.json";
  }

  /// Give back what it got with an "!"; what begins with "drop", "fail" or "again" is treated so.
  static FlowOutcome usual(const SubscriptionMessage& message) {
    const Error error = {Code::kInvalid, "because of " + message.data, {}};
    if (message.data.starts_with("drop")) return {Outcome::kDrop, {}, {}};
    if (message.data.starts_with("fail")) return {Outcome::kFailed, {}, error};
    if (message.data.starts_with("again")) return {Outcome::kAgain, {}, error};
    return {Outcome::kPublish, message.data + "!", {}};
  }

  std::unique_ptr<TransformJob> job(Scripted::Script script = usual) {
    return std::make_unique<TransformJob>(breaking_, env_, options_,
                                          std::make_unique<Scripted>(std::move(script), unreachable_));
  }

  void publish(const std::vector<std::string>& texts, std::uint32_t partition = 0) {
    for (const std::string& text : texts) append("orders", partition, text, R"({"attributes":{"shop":"a"}})");
  }

  /// Return the records of a topic: their values.
  std::vector<std::string> values(const std::string& topic, std::uint32_t partition = 0) {
    std::vector<std::string> texts;
    auto batch = segment_log_->read({topic, PartitionId(partition)}, Offset(0), {});
    EXPECT_TRUE(batch);
    for (const Record& record : batch->records) texts.emplace_back(record.value);
    return texts;
  }

  std::string attributes_of_first(const std::string& topic) {
    auto batch = segment_log_->read({topic, PartitionId(0)}, Offset(0), {});
    return batch && !batch->records.empty() ? std::string(batch->records.front().attributes) : "";
  }

  BreakingLog breaking_;
  TransformJobOptions options_;
  bool unreachable_ = false;
};

TEST_F(TransformJobTest, PublishesDropsAndQuarantinesInOrder) {
  publish({"1", "drop 2", "3", "fail 4", "5", "6"});
  publish({"7"}, 1);
  auto running = job();
  ASSERT_TRUE(running->start());
  run(*running);
  EXPECT_THAT(values("clean"), ElementsAre("1!", "3!", "5!", "6!"));
  EXPECT_THAT(values("clean", 1), ElementsAre("7!")) << "in the partition it came from";
  EXPECT_THAT(values("quarantine"), ElementsAre("fail 4"));
  EXPECT_EQ(
      attributes_of_first("clean"),
      R"({"attributes":{"shop":"a"},"content_type":"application/json","flow":{"name":"clean","offset":0,"partition":0}})");
  const std::string header = attributes_of_first("quarantine");
  for (const char* part :
       {R"("stage":"transform")", R"("code":"invalid")", R"("message":"because of fail 4")",
        R"("where":"orders:0:3")", R"("attempts":1)", R"("offset":3)"})
    EXPECT_THAT(header, HasSubstr(part));
}

TEST_F(TransformJobTest, TriesThreeTimesAndKeepsTheOrderMeanwhile) {
  publish({"1", "again 2", "3"});
  std::map<std::string, int> tries;
  auto running = job([&](const SubscriptionMessage& message) {
    const int n = ++tries[message.data];
    return message.data == "1" && n < 2 ? FlowOutcome{Outcome::kAgain, {}, {Code::kIo, "not yet", {}}}
                                        : usual(message);
  });
  ASSERT_TRUE(running->start());
  ASSERT_TRUE(running->step());
  EXPECT_THAT(values("clean"), IsEmpty()) << "3 is behind 1";
  run(*running);
  EXPECT_THAT(values("clean"), ElementsAre("1!", "3!"));
  EXPECT_THAT(tries, ElementsAre(std::pair("1", 2), std::pair("3", 1), std::pair("again 2", 3)));
  EXPECT_THAT(attributes_of_first("quarantine"), HasSubstr(R"("attempts":3)"));
}

TEST_F(TransformJobTest, WaitsForAFunctionThatIsNotThere) {
  publish({"1", "2"});
  unreachable_ = true;
  auto running = job();
  ASSERT_TRUE(running->start());
  for (int i = 0; i < 10; ++i) {
    const auto step = running->step();
    ASSERT_TRUE(step);
    EXPECT_GT(step->rest, 0);
  }
  EXPECT_THAT(values("quarantine"), IsEmpty());
  unreachable_ = false;
  run(*running);
  EXPECT_THAT(values("clean"), ElementsAre("1!", "2!"));
}

TEST_F(TransformJobTest, PublishesOnceWhereverItIsKilled) {
  // Killed before, between and after each of the two appends of each batch: as the log sees it, an append is
  // there or it is not, and nobody heard of it.
  std::vector<std::string> expected, expected_failed;
  for (int i = 0; i < 12; ++i) {
    const bool fails = i % 3 == 1;
    publish({(fails ? "fail " : "") + std::to_string(i)});
    if (fails) {
      expected_failed.push_back("fail " + std::to_string(i));
    } else {
      expected.push_back(std::to_string(i) + "!");
    }
  }
  for (const char* kill : {"refused quarantine", "lost quarantine", "refused clean", "lost clean"}) {
    auto running = job();
    ASSERT_TRUE(running->start());
    const std::string topic = std::string(kill).substr(std::string(kill).find(' ') + 1);
    (std::string(kill).starts_with("lost") ? breaking_.lost : breaking_.refused) = topic;
    EXPECT_FALSE(running->step()) << kill;
    breaking_.lost = breaking_.refused = "";
  }
  auto last = job();
  ASSERT_TRUE(last->start());
  run(*last);
  EXPECT_EQ(values("clean"), expected);
  EXPECT_EQ(values("quarantine"), expected_failed);
}

TEST_F(TransformJobTest, GoesOnBehindItsCheckpointAndWhatCameAfterIt) {
  options_.checkpoint_interval = 0;  // after each batch
  publish({"1", "fail 2"});
  {
    auto running = job();
    ASSERT_TRUE(running->start());
    run(*running);
  }
  options_.checkpoint_interval = kHourUs;
  publish({"3", "fail 4", "5"});
  {
    auto running = job();
    ASSERT_TRUE(running->start());
    ASSERT_TRUE(running->step());  // published, and killed before a checkpoint
  }
  publish({"6"});
  auto running = job();
  ASSERT_TRUE(running->start());
  run(*running);
  EXPECT_THAT(values("clean"), ElementsAre("1!", "3!", "5!", "6!"));
  EXPECT_THAT(values("quarantine"), ElementsAre("fail 2", "fail 4"));
  EXPECT_EQ(running->done().at({"orders", PartitionId(0)}), Offset(6));
}

TEST_F(TransformJobTest, ANewOneBeginsWithWhatComesUnlessItIsToldOtherwise) {
  options_.from_start = false;
  publish({"1"});
  auto running = job();
  ASSERT_TRUE(running->start());
  publish({"2"});
  run(*running);
  EXPECT_THAT(values("clean"), ElementsAre("2!"));
}

TEST_F(TransformJobTest, RefusesTopicsThatDoNotFit) {
  options_.to = "events";  // of one partition
  EXPECT_THAT(job()->start().error().message, HasSubstr("both need as many"));
  options_.from = "nowhere";
  EXPECT_THAT(job()->start().error().message, HasSubstr("topic create nowhere"));
}

TEST_F(TransformJobTest, AnExpressionSeesMessagesAsSubscriptionsDo) {
  publish({R"({"total":"12"})", R"({"total":"none"})", "no json", R"({"total":"7"})"});
  auto function = make_sql_function(
      "json_object('shop', attributes->>'shop', 'total', (data->>'total')::INT)", kSecondUs);
  ASSERT_TRUE(function) << function.error().text();
  TransformJob running(breaking_, env_, options_, *std::move(function));
  ASSERT_TRUE(running.start());
  run(running);
  EXPECT_THAT(values("clean"), ElementsAre(R"({"shop":"a","total":12})", R"({"shop":"a","total":null})",
                                           R"({"shop":"a","total":7})"));
  EXPECT_THAT(values("quarantine"), ElementsAre(R"({"total":"none"})"));
}

TEST_F(TransformJobTest, TheBooksTakeNoNoticeOfItsQuarantine) {
  publish({"fail 1"});
  auto load = load_job();
  auto running = job();
  ASSERT_TRUE(running->start());
  run(*running);
  run(*load);
  EXPECT_EQ(books(*load), "0 0 0 0 0");
}

}  // namespace
}  // namespace millrace
