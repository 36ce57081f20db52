// Activity events in the log become answers in the log: for everybody, each once, also when the process dies.
#include "recommend/streaming_job.h"

#include <future>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/fault_env_testing.h"
#include "event/codec.h"
#include "log/segment_log.h"
#include "log/topics.h"
#include "recommend/recommend_testing.h"
#include "stream/topic_tail.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// The job `recommend` without a warehouse: takes in what it is told to.
class HandDrivenJob : public RecommendJob {
 public:
  HandDrivenJob(EventFeed& feed, Recommender& recommender) : feed_(feed), recommender_(recommender) {}

  bool is_ready = true;

  std::string_view name() const override { return "recommend"; }
  Status start() override { return {}; }
  Result<StepResult> step() override {
    const auto batch = feed_.read(partition_, next_);
    if (!batch) return fail(batch.error());
    recommender_.apply((*batch)->events_from(next_));
    next_ = (*batch)->next;
    recommender_.refresh();
    return StepResult{};
  }
  JobPosition done() const override { return {{partition_, next_}}; }
  bool restored() const override { return false; }
  bool ready() const override { return is_ready; }
  bool caught_up() const override { return true; }

 private:
  EventFeed& feed_;
  Recommender& recommender_;
  const TopicPartition partition_{std::string(kEventsTopic), PartitionId(0)};
  Offset next_;
};

/// One life of the process: the log is what it finds on the disk.
class Process {
 public:
  Process(FaultEnv& env, const StreamingJobOptions& options)
      : recommender_(env, Scene::plain_options()), env_(env) {
    log_ = SegmentLog::open(env, "/data/log", {.reserve_bytes = 4'096}).value();
    for (const auto topic : {kEventsTopic, kRecommendationsTopic})
      EXPECT_TRUE(log_->create_topic(topic, {.partitions = 1}));
    feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
    recommend_job = std::make_unique<HandDrivenJob>(*feed_, recommender_);
    job = StreamingJob::make({*log_, *feed_, env, recommender_, *recommend_job}, options);
  }

  void send(const std::string& event, const std::string& message_id = {}, DurationUs ago = 0) {
    std::string attributes;
    const TimeUs received = env_.now() - ago;
    encode_envelope(
        {.codec = CodecId::kActivity, .source = "web", .received_time = received, .message_id = message_id},
        attributes);
    append(event, attributes, received);
  }

  void append(std::string_view value, std::string_view attributes, TimeUs time) {
    std::promise<bool> done;
    log_->append({std::string(kEventsTopic), PartitionId(0)},
                 {{.attributes = attributes, .value = value, .time = time}},
                 [&](const Result<Offset>& result) { done.set_value(result.has_value()); });
    ASSERT_TRUE(done.get_future().get());
  }

  /// Answer until there is nothing more; false when a step failed.
  bool run() {
    if (!recommend_job->step()) return false;
    for (int steps = 0; steps < 1'000; ++steps) {
      const auto step = job->step();
      if (!step) return false;
      if (!step->more) return true;
    }
    return false;
  }

  std::vector<Json> answers() const {
    std::vector<Json> all;
    EXPECT_TRUE(each_record(*log_, {std::string(kRecommendationsTopic), PartitionId(0)}, Offset(),
                            [&](const Record& record) { all.push_back(Json::parse(record.value)); }));
    return all;
  }

  std::unique_ptr<HandDrivenJob> recommend_job;
  std::unique_ptr<StreamingJob> job;

 private:
  Recommender recommender_;
  FaultEnv& env_;
  std::unique_ptr<SegmentLog> log_;
  std::unique_ptr<EventFeed> feed_;
};

std::string activity(const std::string& session, const std::string& customer,
                     const std::vector<std::string>& products) {
  Json event = {{"session_id", session}, {"browse_history", Json::array()}};
  if (!customer.empty()) event["customer_number"] = std::stoi(customer);
  for (const std::string& each : products)
    event["browse_history"].push_back(
        {{"product_code", each}, {"quantity", "1"}, {"in_shopping_cart", false}});
  return event.dump();
}

std::vector<std::string> ids_in(const Json& items) {
  std::vector<std::string> ids;
  for (const Json& item : items) ids.push_back(item.at("id"));
  return ids;
}

class StreamingJobTest : public testing::Test {
 protected:
  StreamingJobTest() {
    std::ignore = env_.make_dirs("/data");
    std::ignore = env_.sync_dir("/");
    options_.position = "/data/streaming.json";
    options_.on_answers = [this](std::span<const StreamedAnswer> answers) {
      told_.insert(told_.end(), answers.begin(), answers.end());
    };
  }

  /// A process whose job has begun, and whose shop has seen some visits.
  std::unique_ptr<Process> begin() {
    auto process = std::make_unique<Process>(env_, options_);
    EXPECT_TRUE(process->job->start());
    return process;
  }

  static void visits(Process& shop) {
    for (int i = 0; i < 5; ++i) {
      const std::string n = std::to_string(i);
      shop.send(activity("a" + n, "10" + n, {"pot", "lid", "ladle"}));
      shop.send(activity("b" + n, "20" + n, {"bike", "bell", "helmet", "pump", "lock", "light"}));
    }
  }

  FaultEnv env_;
  StreamingJobOptions options_;
  std::vector<StreamedAnswer> told_;
};

TEST_F(StreamingJobTest, AnswersKnownUnknownAndAnonymousCustomers) {
  const auto shop = begin();
  visits(*shop);
  ASSERT_TRUE(shop->run());
  shop->send(activity("mine", "100", {}));      // known from another visit
  shop->send(activity("new", "999", {"pot"}));  // a stranger with a number
  shop->send(activity("anonymous", "", {"bike"}));
  shop->send(R"({"browse_history":[{"product_code":"pot"}]})");  // nobody
  shop->send(activity("empty", "", {}));
  ASSERT_TRUE(shop->run());
  const auto all = shop->answers();
  ASSERT_EQ(all.size(), 15u);
  const Json &known = all[10], &stranger = all[11], &anonymous = all[12], &nobody = all[13], &empty = all[14];
  EXPECT_EQ(known.at("fallback"), Json());
  EXPECT_EQ(known.at("customer_number"), 100);
  EXPECT_THAT(ids_in(stranger.at("recommended_items")), SizeIs(5));
  EXPECT_EQ(ids_in(stranger.at("recommended_items"))[0], "ladle") << "it rests on this very event";
  EXPECT_EQ(ids_in(anonymous.at("recommended_items"))[0], "bell");
  EXPECT_EQ(anonymous.at("customer_number"), Json());
  EXPECT_THAT(ids_in(nobody.at("recommended_items")), SizeIs(5));
  EXPECT_EQ(ids_in(nobody.at("recommended_items"))[0], "ladle");
  EXPECT_EQ(nobody.at("session_id"), Json());
  EXPECT_EQ(empty.at("fallback"), "cold");
  EXPECT_THAT(ids_in(empty.at("recommended_items")), SizeIs(5));
  EXPECT_EQ(empty.at("similar_items"), Json());
  EXPECT_THAT(empty.at("similar_by_product"), IsEmpty());
  EXPECT_THAT(told_, SizeIs(15));
  EXPECT_EQ(Json::parse(told_[14].json), empty);
}

TEST_F(StreamingJobTest, SaysWhatIsSimilarToWhatIsInTheCartFirst) {
  const auto shop = begin();
  visits(*shop);
  ASSERT_TRUE(shop->run());
  shop->send(R"({"session_id":"s","browse_history":[{"product_code":"bike","quantity":"2"},)"
             R"({"product_code":"pot","quantity":3,"in_shopping_cart":true},{"product_code":"unheard of"},)"
             R"({"product_code":"bike"}]})");
  ASSERT_TRUE(shop->run());
  const Json answer = shop->answers().back();
  EXPECT_EQ(
      answer.at("browse_history"),
      Json::parse(
          R"([{"product_code":"bike","quantity":"2","in_shopping_cart":false},)"
          R"({"product_code":"pot","quantity":"3","in_shopping_cart":true},)"
          R"({"product_code":"unheard of","in_shopping_cart":false},{"product_code":"bike","in_shopping_cart":false}])"));
  const Json& lists = answer.at("similar_by_product");
  ASSERT_EQ(lists.size(), 3u);
  EXPECT_EQ(answer.at("similar_items"), lists[0]);
  EXPECT_EQ(lists[0].at("product_code"), "pot");
  EXPECT_THAT(ids_in(lists[0].at("similar_items")), SizeIs(5));
  const auto nearest = ids_in(lists[0].at("similar_items"));
  EXPECT_EQ((std::set<std::string>(nearest.begin(), nearest.begin() + 2)),
            (std::set<std::string>{"ladle", "lid"}));
  double before = 0;
  for (const Json& item : lists[0].at("similar_items")) {
    EXPECT_GE(item.at("distance").get<double>(), before);
    EXPECT_LE(item.at("distance").get<double>(), 1);
    before = item.at("distance");
    EXPECT_NE(item.at("id"), "bike") << "what they look at anyway";
  }
  EXPECT_EQ(lists[1].at("product_code"), "bike");
  EXPECT_EQ(lists[2].at("product_code"), "unheard of");
  EXPECT_THAT(ids_in(lists[2].at("similar_items")), SizeIs(5)) << "popular ones";
}

TEST_F(StreamingJobTest, KeepsTheEventsOwnFieldsAndNoneThatLookLikeOurs) {
  const auto shop = begin();
  shop->send(
      "{\"session_id\":\"a\\n\\\"b\",\"city\":\"Z\\u00fcrich\",\"credit_limit\":59811,\"customer_number\":"
      "\"007\",\n"
      "\"note\":{\"x\":\n[1,\n2]},\"recommended_items\":[{\"id\":\"bad\"}],\"model\":\"bad\",\"kind\":"
      "\"bad\","
      "\"recommendation_id\":\"bad\",\"user\":\"bad\",\"served_us\":1,\"similar_by_product\":7,"
      "\"browse_history\":[]}");
  ASSERT_TRUE(shop->run());
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].json.find('\n'), std::string::npos);
  EXPECT_EQ(told_[0].session, "a\n\"b");
  const Json answer = shop->answers().at(0);
  EXPECT_EQ(answer.at("session_id"), "a\n\"b");
  EXPECT_EQ(answer.at("customer_number"), "007");
  EXPECT_EQ(answer.at("city"), "Zürich");
  EXPECT_EQ(answer.at("credit_limit"), 59811);
  EXPECT_EQ(answer.at("note"), Json::parse(R"({"x":[1,2]})"));
  EXPECT_EQ(answer.at("model"), "foundation@1");
  EXPECT_EQ(answer.at("kind"), "activity");
  EXPECT_EQ(answer.at("user"), "007");
  EXPECT_NE(answer.at("recommendation_id"), "bad");
  EXPECT_THAT(answer.at("recommended_items"), IsEmpty());
  EXPECT_EQ(answer.at("event").at("record"), "events:0:0");
}

TEST_F(StreamingJobTest, TakesHostileEventsForWhatTheyAre) {
  const auto shop = begin();
  std::vector<std::string> many(5'000, std::string(200, 'x'));
  for (std::size_t i = 0; i < many.size(); ++i) many[i] += std::to_string(i);
  shop->send(activity(std::string(500, 's'), "", many));
  shop->append("no JSON at all", "no envelope", env_.now());
  shop->send(R"({"session_id":"s","browse_history":[{"product_code":"<script></script>"}]})");
  ASSERT_TRUE(shop->run());
  const auto all = shop->answers();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].at("browse_history").size(), 5'000u);
  EXPECT_EQ(all[0].at("similar_by_product").size(), options_.products_max);
}

TEST_F(StreamingJobTest, WaitsForTheRecommenderButNotForEver) {
  const auto shop = begin();
  shop->recommend_job->is_ready = false;
  shop->send(activity("s", "1", {"pot"}));
  EXPECT_FALSE(shop->job->step()->more);
  EXPECT_THAT(told_, IsEmpty());
  shop->recommend_job->is_ready = true;
  const auto step = shop->job->step();
  ASSERT_TRUE(step);
  EXPECT_TRUE(step->more);
  EXPECT_GT(step->rest, 0);
  EXPECT_THAT(told_, IsEmpty()) << "the recommender does not know the event yet";
  env_.advance(options_.wait_max);
  ASSERT_TRUE(shop->job->step());
  EXPECT_THAT(told_, SizeIs(1));
}

TEST_F(StreamingJobTest, LeavesOutWhatIsTooOldOrSentAgain) {
  const auto shop = begin();
  shop->send(activity("s", "1", {"pot"}), "m1", options_.settings.age_max + kSecondUs);
  shop->send(R"({"session_id":"history","timestamp":"2001-02-03T04:05:06Z"})");
  shop->send(activity("s", "1", {"pot"}), "m2");
  shop->send(activity("s", "1", {"pot"}), "m2");  // in the same step
  ASSERT_TRUE(shop->run());
  shop->send(activity("s", "1", {"pot"}), "m2");  // in a later one
  shop->send(activity("s", "1", {"pot"}));
  shop->send(activity("s", "1", {"pot"}));  // without an id it is another event
  ASSERT_TRUE(shop->run());
  const auto all = shop->answers();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].at("event").at("message_id"), "m2");
  EXPECT_NE(all[1].at("recommendation_id"), all[2].at("recommendation_id"));
  EXPECT_EQ(shop->job->done().begin()->second, Offset(7));
}

TEST_F(StreamingJobTest, ANewOneBeginsWithWhatComes) {
  {
    Process before(env_, options_);
    before.send(activity("s", "1", {"pot"}));
  }
  const auto shop = begin();
  ASSERT_TRUE(shop->run());
  EXPECT_THAT(shop->answers(), IsEmpty());
}

TEST_F(StreamingJobTest, GoesOnAfterARestartWithoutARepeat) {
  options_.checkpoint_interval = kHourUs;
  {
    const auto shop = begin();
    visits(*shop);
    ASSERT_TRUE(shop->run());
    shop->send(activity("late", "", {"pot"}), "m1");
  }
  const auto shop = begin();
  shop->send(activity("late", "", {"pot"}), "m1");  // and the producer tries again
  ASSERT_TRUE(shop->run());
  const auto all = shop->answers();
  ASSERT_EQ(all.size(), 11u);
  EXPECT_EQ(all.back().at("session_id"), "late");
}

TEST_F(StreamingJobTest, AnswersEachEventOnceWhereverTheProcessIsKilled) {
  options_.batch_max = 2;
  options_.checkpoint_interval = 0;
  options_.recent_max = 0;  // an answer that is made twice shall be seen
  bool undisturbed = false;
  for (std::uint64_t operations = 0; !undisturbed; ++operations) {
    for (const bool power : {false, true}) {
      const std::string session = std::to_string(operations) + (power ? "p" : "k");
      {
        const auto shop = begin();
        for (int i = 0; i < 5; ++i) shop->send(activity(session + std::to_string(i), "", {"pot"}));
        env_.die_after(operations);
        undisturbed = shop->run();
      }
      power ? env_.power_loss(operations) : env_.restart_process();
      const auto shop = begin();
      ASSERT_TRUE(shop->run());
      std::vector<std::string> sessions;
      std::set<std::string> ids;
      for (const Json& answer : shop->answers()) {
        const std::string of = answer.at("session_id");
        EXPECT_TRUE(ids.insert(answer.at("recommendation_id")).second);
        if (of.starts_with(session) && of.size() == session.size() + 1) sessions.push_back(of);
      }
      ASSERT_THAT(sessions,
                  ElementsAre(session + "0", session + "1", session + "2", session + "3", session + "4"))
          << "killed after " << operations << " operations";
    }
  }
}

TEST_F(StreamingJobTest, ADamagedCheckpointIsNamed) {
  {
    ASSERT_TRUE(begin()->run());
  }
  ASSERT_TRUE(write_file_atomically(env_, options_.position, "{}"));
  const Process shop(env_, options_);
  const Status started = shop.job->start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("streaming.json"));
  ASSERT_TRUE(StreamingJob::forget(env_, options_.position));
  EXPECT_TRUE(shop.job->start());
}

}  // namespace
}  // namespace millrace
