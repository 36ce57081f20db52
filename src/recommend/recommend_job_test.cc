// From the log, through the warehouse and a restart, to the recommender: nothing missed, nothing twice.
#include "recommend/recommend_job.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <set>

#include <gtest/gtest.h>

#include "event/codec.h"
#include "event/json_writer.h"
#include "log/segment_log.h"
#include "log/topics.h"
#include "recommend/memory_file.h"
#include "recommend/recommend_testing.h"
#include "stream/load_job.h"

namespace millrace {
namespace {

class RecommendJobTest : public testing::Test {
 protected:
  RecommendJobTest() {
    std::filesystem::remove_all(dir_);
    log_ = SegmentLog::open(env_, dir_ / "log").value();
    EXPECT_TRUE(log_->create_topic(kEventsTopic, {.partitions = 4}));
    for (const auto topic : {kQuarantineTopic, kRecommendationsTopic, kItemsTopic, kUsersTopic}) {
      EXPECT_TRUE(log_->create_topic(topic, {.partitions = 1}));
    }
    warehouse_ =
        Warehouse::open(env_, {.path = dir_ / "warehouse.duckdb", .lake_dir = dir_ / "lake"}).value();
    feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
  }
  ~RecommendJobTest() override {
    job_.reset();
    feed_.reset();
    warehouse_.reset();
    log_.reset();
    std::filesystem::remove_all(dir_);
  }

  void append(std::string_view topic, PartitionId partition, const NewRecord& record) {
    std::promise<Result<Offset>> done;
    log_->append({std::string(topic), partition}, {record},
                 [&](Result<Offset> r) { done.set_value(std::move(r)); });
    const auto appended = done.get_future().get();
    ASSERT_TRUE(appended) << appended.error().text();
  }

  void log_event(Deed deed) {
    deed.time = Scene::kStart + ++count_ * kSecondUs;
    deed.message_id = "m" + std::to_string(count_);
    as_event(deed, [&](const Event& event) {
      std::string value;
      append_native_event(event, value);
      std::string attributes;
      encode_envelope({.source = "web", .received_time = deed.time}, attributes);
      const auto key = event.visitor();
      append(kEventsTopic, EventLog::partition_for(key, 4, 0), {key, attributes, value, deed.time});
    });
  }

  void log_item(std::string_view json) {
    append(kItemsTopic, PartitionId(0), {.value = json, .time = Scene::kStart});
  }

  void everybody_views(const std::string& a, const std::string& b) {
    for (int i = 0; i < 5; ++i) {
      log_event({.user = "u" + std::to_string(i), .items = {a}, .session = a});
      log_event({.user = "u" + std::to_string(i), .items = {b}, .session = a});
    }
  }

  void load() {
    const auto load = LoadJob::make(*log_, *feed_, *warehouse_);
    run(*load);
  }

  void run(Job& job) {
    const Status started = job.start();
    ASSERT_TRUE(started) << started.error().text();
    catch_up(job);
  }

  void catch_up(Job& job) {
    for (bool more = true; more;) {
      const auto step = job.step();
      ASSERT_TRUE(step) << step.error().text();
      more = step->more;
    }
  }

  /// A new recommender, as after a restart.
  void restart(const RecommendJobOptions& options = {}) {
    job_.reset();
    recommender_ = std::make_unique<Recommender>(env_, recommender_options_);
    job_ = RecommendJob::make(*log_, *feed_, *warehouse_, *recommender_, options);
    run(*job_);
    recommender_->refresh();
  }
  void restart_with_snapshot() { restart({.snapshot = snapshot_, .snapshot_interval = kDayUs}); }

  Env& env_ = Env::system();
  const Path dir_ = std::filesystem::temp_directory_path() / "millrace_recommend_job_test";
  std::unique_ptr<SegmentLog> log_;
  std::unique_ptr<Warehouse> warehouse_;
  std::unique_ptr<EventFeed> feed_;
  std::unique_ptr<Recommender> recommender_;
  std::unique_ptr<RecommendJob> job_;
  RecommenderOptions recommender_options_ = Scene::plain_options();
  const Path snapshot_ = dir_ / "recommender.snapshot";
  int count_ = 0;
};

TEST_F(RecommendJobTest, AnEventInTheLogChangesTheNextAnswer) {
  everybody_views("pot", "lid");
  restart();
  EXPECT_EQ(recommender_->stats().events_applied, 10u);
  EXPECT_EQ(recommender_->recommend({.user = "me"}).fallback, "cold");
  log_event({.user = "me", .items = {"pot"}});
  catch_up(*job_);
  const Recommendations answer = recommender_->recommend({.user = "me"});
  EXPECT_EQ(ids_of(answer), std::vector<std::string>{"lid"});
  EXPECT_EQ(answer.items[0].reason.text, "Because you looked at pot");
}

TEST_F(RecommendJobTest, AfterARestartKnowsAllOfItOnce) {
  everybody_views("pot", "lid");
  log_event({.type = EventType::kPurchase, .user = "me", .items = {"pot"}, .order = "o1", .quantity = 2});
  load();
  everybody_views("bike", "bell");  // in the log only
  restart();
  EXPECT_EQ(recommender_->stats().events_applied, 21u);
  const Recommendations first = recommender_->recommend({.user = "me", .items = {"bike"}});
  load();
  restart();
  EXPECT_EQ(recommender_->stats().events_applied, 21u);
  const Recommendations again = recommender_->recommend({.user = "me", .items = {"bike"}});
  EXPECT_EQ(ids_of(first), (std::vector<std::string>{"bell", "lid"})) << "and never the pot: it was bought";
  ASSERT_EQ(ids_of(again), ids_of(first));
  for (std::size_t i = 0; i < first.items.size(); ++i) {
    EXPECT_NEAR(again.items[i].score, first.items[i].score, 1e-6);
  }
}

TEST_F(RecommendJobTest, FollowsTheCatalogueAndWhatIsDeletedStaysSo) {
  everybody_views("pot", "lid");
  log_item(R"({"op":"put","id":"lid","attributes":{"name":"Glass Lid","category":"Kitchen","price":"9.5"}})");
  log_item(R"({"op":"put","id":"pot","attributes":{"name":"Pot"}})");
  log_item(R"({"op":"delete","id":"pot"})");
  for (const bool loaded : {false, true}) {
    if (loaded) load();
    restart();
    const Recommendations answer = recommender_->recommend({.filter = ItemFilter::parse("price<10").value()});
    EXPECT_EQ(ids_of(answer), std::vector<std::string>{"lid"});
    EXPECT_EQ(ids_of(recommender_->recommend({})), std::vector<std::string>{"lid"}) << "loaded: " << loaded;
    EXPECT_EQ(recommender_->recommend({.placement = Placement::kItem, .items = {"lid"}}).items.size(), 0u);
  }
  log_item(R"({"op":"put","id":"pot","attributes":{"name":"Pot"}})");
  log_item("not a change");
  catch_up(*job_);
  EXPECT_EQ(recommender_->recommend({.items = {"lid"}}).items.at(0).reason.text,
            "Because you looked at Glass Lid");
}

TEST_F(RecommendJobTest, KnowsAllAttributesAlsoAfterTheTablesHaveThem) {
  log_item(R"({"op":"put","id":"few","attributes":{"stock":3,"tags":["summer"]}})");
  log_item(R"({"op":"put","id":"none","attributes":{"stock":0,"tags":["summer"]}})");
  log_item(R"({"op":"put","id":"order","attributes":{"stock":0,"available":true,"tags":["winter"]}})");
  log_item(R"({"op":"put","id":"no","attributes":{"stock":5,"available":false}})");
  for (const bool loaded : {false, true}) {
    if (loaded) load();
    restart();
    const auto ids = [&](std::string_view filter) {
      auto found = ids_of(recommender_->recommend({.filter = ItemFilter::parse(filter).value()}));
      std::ranges::sort(found);
      return found;
    };
    EXPECT_EQ(ids(""), (std::vector<std::string>{"few", "order"})) << "loaded: " << loaded;
    EXPECT_EQ(ids("tags:summer"), std::vector<std::string>{"few"}) << "loaded: " << loaded;
    EXPECT_EQ(ids("!available"), (std::vector<std::string>{"no", "none"})) << "loaded: " << loaded;
    EXPECT_EQ(ids("stock<1"), std::vector<std::string>{"order"}) << "loaded: " << loaded;
  }
}

TEST_F(RecommendJobTest, FollowsWhatIsKnownOfPeople) {
  log_event({.user = "a", .items = {"fondue"}, .country = "CH"});
  log_event({.user = "b", .items = {"tea"}, .country = "GB"});
  append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"me","attributes":{"country":"CH"}})"});
  restart();
  EXPECT_EQ(recommender_->recommend({.user = "me"}).items.at(0).reason.text, "Popular in CH");
}

TEST_F(RecommendJobTest, KnowsPeopleAndDeletionsThatTheLogNoLongerHas) {
  everybody_views("pot", "lid");
  log_event({.user = "a", .items = {"fondue"}, .country = "CH"});
  log_item(R"({"op":"put","id":"pot","attributes":{}})");
  log_item(R"({"op":"delete","id":"pot"})");
  log_item(R"({"op":"delete","id":"fondue"})");
  log_item(R"({"op":"put","id":"fondue","attributes":{}})");
  append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"me","attributes":{"country":"CH"}})"});
  load();
  for (const auto topic : {kItemsTopic, kUsersTopic}) {
    ASSERT_TRUE(log_->delete_topic(topic));
    ASSERT_TRUE(log_->create_topic(topic, {.partitions = 1}));
  }
  feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});  // the old one still holds the records
  restart();
  EXPECT_EQ(recommender_->recommend({.user = "me"}).items.at(0).reason.text, "Popular in CH");
  const auto ids = ids_of(recommender_->recommend({}));
  EXPECT_EQ(std::set(ids.begin(), ids.end()), (std::set<std::string>{"lid", "fondue"}));
}

TEST_F(RecommendJobTest, AfterARestartADeletedPersonHasOnlyWhatCameSince) {
  const auto delete_me = [&] {
    append(kUsersTopic, PartitionId(0),
           {.value = R"({"op":"delete","id":"me"})", .time = Scene::kStart + ++count_ * kSecondUs});
  };
  everybody_views("pot", "lid");
  everybody_views("bike", "bell");
  log_event({.user = "me", .items = {"pot"}});
  append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"me","attributes":{"country":"CH"}})"});
  delete_me();
  load();
  restart();
  EXPECT_EQ(recommender_->recommend({.user = "me"}).fallback, "cold");
  log_event({.user = "me", .items = {"bike"}});
  append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"me","attributes":{"country":"CH"}})"});
  for (const bool loaded : {false, true}) {
    if (loaded) load();
    restart();
    const auto answer = recommender_->recommend({.user = "me"});
    EXPECT_EQ(answer.items.at(0).id, "bell") << "loaded: " << loaded;
    EXPECT_EQ(answer.items.at(0).reason.text, "Because you looked at bike");
    for (const auto& item : answer.items) EXPECT_NE(item.reason.text, "Because you looked at pot");
  }
  delete_me();
  load();
  restart();
  EXPECT_EQ(recommender_->recommend({.user = "me"}).fallback, "cold");
}

class RecommendSnapshotTest : public RecommendJobTest {
 protected:
  RecommendSnapshotTest() {
    everybody_views("pot", "lid");
    log_event({.type = EventType::kPurchase, .user = "me", .items = {"pot"}, .order = "o1"});
    log_item(R"({"op":"put","id":"lid","attributes":{"name":"Glass Lid"}})");
    append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"me","attributes":{"country":"CH"}})"});
    restart_with_snapshot();
    EXPECT_FALSE(job_->restored()) << "there was none";
    job_.reset();
  }

  void expect_rebuilt() {
    restart_with_snapshot();
    EXPECT_FALSE(job_->restored());
    EXPECT_EQ(recommender_->stats().events_applied, events_applied_);
  }

  /// Close the log, change its directory, and open it again.
  template <class Change>
  void change_log(Change change) {
    feed_.reset();
    log_.reset();
    change();
    log_ = SegmentLog::open(env_, dir_ / "log").value();
    feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
  }

  std::uint64_t events_applied_ = 11;
};

TEST_F(RecommendSnapshotTest, IsTakenAtTheNextStartAndFollowedByTheLog) {
  log_event({.user = "you", .items = {"lid"}});
  log_item(R"({"op":"delete","id":"pot"})");
  log_item(R"({"op":"put","id":"lid","attributes":{"name":"Steel Lid"}})");
  append(kUsersTopic, PartitionId(0), {.value = R"({"op":"delete","id":"u1"})"});
  restart_with_snapshot();
  EXPECT_TRUE(job_->restored());
  EXPECT_EQ(recommender_->stats().events_applied, 12u);
  EXPECT_EQ(recommender_->recommend({.user = "me"}).items.at(0).reason.text, "Because you bought pot");
  const auto restored = recommender_->recommend({.user = "you", .n = 20});
  restart();
  EXPECT_EQ(recommender_->stats().events_applied, 12u);
  EXPECT_EQ(ids_of(recommender_->recommend({.user = "you", .n = 20})), ids_of(restored));
  EXPECT_TRUE(recommender_->recommend({.user = "u1"}).fallback);
}

TEST_F(RecommendSnapshotTest, IsNotWrittenAgainWhenNothingChanged) {
  const auto written = std::filesystem::last_write_time(snapshot_);
  restart_with_snapshot();
  EXPECT_TRUE(job_->restored());
  job_.reset();
  EXPECT_EQ(std::filesystem::last_write_time(snapshot_), written);
}

TEST_F(RecommendSnapshotTest, IsWrittenWhileItFollowsToo) {
  restart({.snapshot = snapshot_, .snapshot_interval = 1});
  const auto read = [&] { return MemoryFile::read(env_, snapshot_).value().marks; };
  const auto before = read();
  log_event({.user = "you", .items = {"lid"}});
  for (int i = 0; i < 10'000 && read() == before; ++i) {
    catch_up(*job_);
    env_.sleep_for(kMillisecondUs);
  }
  EXPECT_NE(read(), before);
}

TEST_F(RecommendSnapshotTest, OfOtherSettingsIsRefused) {
  recommender_options_.model.weights.purchase = 7;
  expect_rebuilt();
}

TEST_F(RecommendSnapshotTest, ThatIsDamagedIsRefused) {
  std::string bytes = read_file(env_, snapshot_).value();
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(write_file_atomically(env_, snapshot_, bytes));
  expect_rebuilt();
}

TEST_F(RecommendSnapshotTest, AheadOfTheLogIsRefused) {
  ASSERT_TRUE(log_->delete_topic(kItemsTopic));
  ASSERT_TRUE(log_->create_topic(kItemsTopic, {.partitions = 1}));
  feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
  expect_rebuilt();
}

TEST_F(RecommendSnapshotTest, OlderThanWhatTheLogStillHasIsRefused) {
  ASSERT_TRUE(log_->delete_topic(kUsersTopic));
  ASSERT_TRUE(log_->create_topic(kUsersTopic, {.partitions = 1, .bytes_soft = 1, .segment_bytes = 1 << 16}));
  feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
  expect_rebuilt();
  job_.reset();
  const std::string person =
      R"({"op":"put","id":"x","attributes":{"about":")" + std::string(1'000, 'a') + R"("}})";
  for (int i = 0; i < 200; ++i) append(kUsersTopic, PartitionId(0), {.value = person});
  log_->run_retention();
  ASSERT_GT(log_->stats({std::string(kUsersTopic), PartitionId(0)})->start, Offset(0));
  expect_rebuilt();
}

TEST_F(RecommendSnapshotTest, OfAnotherNumberOfPartitionsIsRefused) {
  ASSERT_TRUE(log_->delete_topic(kUsersTopic));
  expect_rebuilt();
}

TEST_F(RecommendSnapshotTest, OfAnotherLogIsRefused) {
  change_log([&] { std::filesystem::remove_all(dir_ / "log"); });
  ASSERT_TRUE(log_->create_topic(kEventsTopic, {.partitions = 4}));
  for (const auto topic : {kItemsTopic, kUsersTopic})
    ASSERT_TRUE(log_->create_topic(topic, {.partitions = 1}));
  // As many records and more, so that every offset exists.
  for (int i = 0; i < 100; ++i) log_event({.user = "other" + std::to_string(i), .items = {"bike"}});
  for (int i = 0; i < 3; ++i) {
    log_item(R"({"op":"put","id":"bike","attributes":{}})");
    append(kUsersTopic, PartitionId(0), {.value = R"({"op":"put","id":"x","attributes":{}})"});
  }
  events_applied_ = 100;
  expect_rebuilt();
}

}  // namespace
}  // namespace millrace
