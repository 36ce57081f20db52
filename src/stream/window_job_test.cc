#include "stream/window_job.h"

#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/stream_testing.h"
#include "stream/window_job_testing.h"
#include "warehouse/aggregations.h"
#include "warehouse/duck.h"
#include "warehouse/query_service.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr TimeUs kNoon = 1'800'014'400 * kSecondUs;  // 2027-01-15 12:00

const AggregationFile kViews = {"p/views.yaml", R"(
from: events
filter: type = 'page_view'
window: 1m
lateness: 10m
publish: minutes
keys: {page: page_path}
measures:
  views: count
  people: distinct(visitor)
  pages: top(page_path, 2)
  worth: sum(TRY_CAST(value AS DECIMAL(18,4)))
  newest: max(event_time)
  who: first(anonymous_id)
)"};

class WindowJobTest : public StreamTest {
 protected:
  WindowJobTest() { options_.dir = dir_ / "windows"; }
  ~WindowJobTest() override { job_.reset(); }  // before what it reads

  void declare(const std::vector<AggregationFile>& files) {
    load_.reset();
    const auto declared = declare_aggregations(*warehouse_, files);
    ASSERT_TRUE(declared) << declared.error().text();
    load_ = load_job();
  }

  /// Declare, and begin with nothing loaded at noon.
  void begin(const std::vector<AggregationFile>& files) {
    env_.now_is = kNoon;
    declare(files);
    run(*load_);
    open();
  }

  void open() {
    job_.reset();
    auto rows = PublishedRows::open(*warehouse_);
    ASSERT_TRUE(rows) << rows.error().text();
    job_ = std::make_unique<WindowJob>(
        *log_, env_, *std::move(rows),
        [this] {
          std::optional<JobPosition> loaded = load_->position().next;
          for (const auto& partition : unloaded_) (*loaded)[partition] = Offset();
          return loaded;
        },
        options_);
    const auto started = job_->start();
    ASSERT_TRUE(started) << started.error().text();
  }

  /// Make the clock say `now`, load everything and let the job go on as far as it can.
  void settle(TimeUs now) {
    env_.now_is = now;
    run(*load_);
    run(*job_);
  }

  void view(TimeUs time, std::string_view who, std::string_view path = "/a", std::uint32_t partition = 0,
            std::string_view source = "web", TimeUs received = 0) {
    Event event = make_event(EventType::kPageView, next_id_++, time);
    event.source = source;
    event.anonymous_id = who;
    event.session_id = "";
    event.page_path = path;
    event.value = 1.5;
    event.received_time = received == 0 ? time : received;
    append(event, partition);
  }

  std::vector<std::string> messages() { return messages_of(*log_, "minutes"); }

  /// Return what was published last of each window and keys, in the order of the table.
  std::vector<nlohmann::json> published() {
    std::map<std::string, nlohmann::json> last;
    for (const auto& text : messages()) {
      const auto json = nlohmann::json::parse(text);
      const auto& m = json["measures"];
      const nlohmann::json row = {json["window_start"], json["window_end"], json["keys"]["page"],
                                  m["views"],           m["people"],        m["pages"],
                                  m["worth"],           m["newest"],        m["who"]};
      last[json["window_start"].dump() + json["keys"].dump()] = row;
    }
    std::vector<nlohmann::json> all;
    for (const auto& [place, row] : last) all.push_back(row);
    return all;
  }

  /// Return the same of the table, as POST /v1/sql answers.
  std::vector<nlohmann::json> table(const std::string& where = "true") {
    auto queries = QueryService::open(*warehouse_, {}).value();
    const auto answer = queries->run(
        "SELECT window_start, window_end, page, views, people, pages, worth, newest, "
        "who FROM views WHERE " +
        where + " ORDER BY 1, 3");
    EXPECT_TRUE(answer) << answer.error().text();
    std::vector<nlohmann::json> all;
    auto answered = nlohmann::json::parse(*answer);
    for (auto& row : answered["rows"]) {
      row[5] = nlohmann::json::parse(row[5].get<std::string>());
      all.push_back(row);
    }
    return all;
  }

  static void flip_a_bit(const Path& path, int i) {
    auto bytes = read_file(Env::system(), path).value_or("");
    if (bytes.empty()) return;
    bytes[(40 + static_cast<std::size_t>(i) * 7) % bytes.size()] ^= 4;
    ASSERT_TRUE(write_file_atomically(Env::system(), path, bytes));
  }

  WindowJobOptions options_;
  std::vector<TopicPartition> unloaded_;  ///< of which the job is told that nothing is loaded
  std::unique_ptr<LoadJob> load_;
  std::unique_ptr<WindowJob> job_;
  std::uint64_t next_id_ = 0;
};

TEST_F(WindowJobTest, PublishesAMinuteWhenItEndsAndWhatComesLateAfterIt) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  view(kNoon + 2 * kSecondUs, "bert");
  settle(kNoon + 30 * kSecondUs);
  settle(kNoon + 69 * kSecondUs);
  EXPECT_THAT(messages(), IsEmpty()) << "the disorder allowed has not passed";
  settle(kNoon + 71 * kSecondUs);
  ASSERT_THAT(messages(), SizeIs(1));
  EXPECT_THAT(messages()[0],
              HasSubstr(R"({"aggregation":"views","source":"web","window_start":"2027-01-15T12:00:00Z",)"
                        R"("window_end":"2027-01-15T12:01:00Z","keys":{"page":"/a"},"measures":{"views":2,)"
                        R"("people":2,"pages":[{"value":"/a","count":2,"error":0}],"worth":"3.0000",)"
                        R"("newest":"2027-01-15T12:00:02Z","who":"anna"},"timing":"on_time","revision":)"));
  view(kNoon + 3 * kSecondUs, "carl", "/a", 0, "web", kNoon + 80 * kSecondUs);
  settle(kNoon + 80 * kSecondUs);
  ASSERT_THAT(messages(), SizeIs(2));
  EXPECT_THAT(messages()[1], HasSubstr(R"("views":3,)"));
  EXPECT_THAT(messages()[1], HasSubstr(R"("timing":"late")"));
  EXPECT_EQ(published(), table());
}

TEST_F(WindowJobTest, WhatIsTooLateIsInTheTableAlone) {
  const auto too_late = [] {
    const auto found = metrics::samples("millrace_window_too_late_total");
    const auto mine =
        std::ranges::find_if(found, [](const auto& one) { return one.labels.at("job") == "windows"; });
    return mine == found.end() ? 0 : mine->value;
  };
  begin({kViews});
  const double before = too_late();
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kMinuteUs);
  view(kNoon + 12 * kMinuteUs, "bert");
  settle(kNoon + 12 * kMinuteUs);
  view(kNoon + 2 * kSecondUs, "carl", "/a", 0, "web", kNoon + 12 * kMinuteUs);
  settle(kNoon + 14 * kMinuteUs);
  EXPECT_EQ(published()[0][3], 1);
  EXPECT_EQ(table()[0][3], 2);
  EXPECT_EQ(published()[1], table()[1]);
  EXPECT_EQ(too_late() - before, 1);
}

TEST_F(WindowJobTest, ARepeatCountsOnceAndOtherExpressionsAreTheTables) {
  begin({kViews});
  for (int i = 0; i < 5; ++i)
    view(kNoon + i * kSecondUs, fmt::format("v{}", i % 3), i % 2 == 0 ? "/a" : "/b");
  next_id_ -= 2;
  view(kNoon + 3 * kSecondUs, "v0", "/b");
  view(kNoon + 4 * kSecondUs, "v1", "/a");
  settle(kNoon + 30 * kSecondUs);
  next_id_ -= 1;
  view(kNoon + 4 * kSecondUs, "v1", "/a");
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_EQ(messages().size(), 2u);
  EXPECT_EQ(published(), table());
}

TEST_F(WindowJobTest, OnePartitionOrSourceDoesNotSpeakForAnother) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna", "/a", 0);
  view(kNoon + 1 * kSecondUs, "bert", "/a", 1);
  view(kNoon - 5 * kHourUs, "carl", "/a", 2, "import", kNoon + 1 * kSecondUs);
  settle(kNoon + 30 * kSecondUs);
  view(kNoon + 2 * kMinuteUs, "anna", "/a", 0);
  env_.now_is = kNoon + 2 * kMinuteUs;
  run(*load_);
  // Partition 3 has something that is not loaded yet, which is received long before.
  unloaded_ = {{"events", PartitionId(3)}};
  append(make_event(EventType::kSearch, 900, kNoon + 2 * kSecondUs), 3);
  view(kNoon + 2 * kMinuteUs, "anna", "/a", 1);
  view(kNoon + 2 * kMinuteUs, "anna", "/a", 2);
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_THAT(messages(), IsEmpty());
  unloaded_.clear();
  settle(kNoon + 2 * kMinuteUs);
  ASSERT_THAT(messages(), SizeIs(2)) << "one message for all partitions";
  EXPECT_THAT(messages()[0], HasSubstr(R"("source":"import")"));
  EXPECT_THAT(messages()[1], HasSubstr(R"("source":"web")"));
  EXPECT_THAT(messages()[1], HasSubstr(R"("views":2,)"));
  settle(kNoon + 10 * kMinuteUs);
  EXPECT_EQ(published(), table());
}

/// As in docs/how-to/aggregations.md, whatever partitions the visitors are in.
TEST_F(WindowJobTest, OldEventsAloneInTheirPartitionsHoldAWindowBackForSeconds) {
  begin({kViews});
  view(kNoon - 3 * kMinuteUs, "anna", "/a", 0, "web", kNoon);
  view(kNoon - 3 * kMinuteUs, "bert", "/a", 1, "web", kNoon);
  view(kNoon - 30 * kDayUs, "carl", "/a", 2, "web", kNoon);
  view(kNoon, "anna", "/a", 0);
  settle(kNoon + 5 * kSecondUs);
  EXPECT_THAT(messages(), IsEmpty());
  settle(kNoon + 11 * kSecondUs);
  ASSERT_THAT(messages(), SizeIs(2));
  EXPECT_EQ(published()[1][3], 2);
}

TEST_F(WindowJobTest, BeginsWithTheWindowsThatAreOpen) {
  env_.now_is = kNoon;
  load_ = load_job();
  view(kNoon - 2 * kMinuteUs, "long ago");
  view(kNoon + 1 * kSecondUs, "anna");
  run(*load_);
  begin({kViews});
  view(kNoon + 2 * kSecondUs, "bert");
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_EQ(messages().size(), 1u);
  EXPECT_EQ(published(), table("window_start >= make_timestamp(" + std::to_string(kNoon) + ")"));
}

TEST_F(WindowJobTest, OneThatIsAddedOrChangedJoinsTheOthers) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kSecondUs);
  job_.reset();
  declare({kViews,
           {"p/more.yaml",
            "from: events\nwindow: 1m\npublish: more\nmeasures: {n: count, least: min(value)}\n"}});
  open();
  view(kNoon + 2 * kSecondUs, "bert");
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_EQ(published(), table());
  ASSERT_THAT(messages_of(*log_, "more"), SizeIs(1));
  EXPECT_THAT(messages_of(*log_, "more")[0], HasSubstr(R"("measures":{"n":2,"least":1.5})"));
}

const AggregationFile kMore = {
    "p/more.yaml", "from: events\nwindow: 1m\npublish: more\nmeasures: {n: count, least: min(value)}\n"};

TEST_F(WindowJobTest, OneThatIsAddedCountsNothingTwiceOfStepsAfterASnapshot) {
  options_.steps_max = 1;
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kSecondUs);
  options_.steps_max = 1'000;
  open();
  view(kNoon + 3 * kSecondUs, "bert");
  settle(kNoon + 2 * kMinuteUs);  // the second step, which publishes, is in the journal alone
  view(kNoon + 2 * kMinuteUs, "carl");
  settle(kNoon + 2 * kMinuteUs + 5 * kSecondUs);
  ASSERT_THAT(messages(), SizeIs(1));
  job_.reset();
  declare({kViews, kMore});
  open();
  EXPECT_THAT(messages_of(*log_, "more"), IsEmpty()) << "it begins with what is open";
  settle(kNoon + 4 * kMinuteUs);
  EXPECT_THAT(messages(), SizeIs(2));
  EXPECT_EQ(published(), table());
  ASSERT_THAT(messages_of(*log_, "more"), SizeIs(1));
  EXPECT_THAT(messages_of(*log_, "more")[0], HasSubstr(R"("measures":{"n":1,)"));
}

/// What there was no room for, filled or joined, is published early and never lost.
TEST_F(WindowJobTest, WhatIsFilledBeyondTheLimitsGoesOutEarly) {
  AggregationFile hours = kMore;
  hours.text.replace(hours.text.find("1m"), 2, "1h");
  hours.text += "keys: {page: page_path}\n";
  const auto total = [&] {
    int events = 0;
    for (const auto& message : messages_of(*log_, "more"))
      events += nlohmann::json::parse(message)["measures"]["n"].get<int>();
    return events;
  };
  begin({kViews});
  for (int i = 0; i < 6; ++i) view(kNoon + i * kSecondUs, "anna", fmt::format("/{}", i));
  settle(kNoon + 2 * kMinuteUs);
  view(kNoon + 15 * kMinuteUs, "anna", "/0");
  settle(kNoon + 15 * kMinuteUs);
  options_.state.limits.entries_max = 4;
  job_.reset();
  declare({kViews, hours});
  open();
  settle(kNoon + 2 * kHourUs);
  EXPECT_EQ(total(), 7);
  // Far beyond the room one that is new is given up, as the log says, and the others go on.
  for (int i = 0; i < 6; ++i) view(kNoon + 2 * kHourUs + i * kSecondUs, "anna", fmt::format("/{}", i));
  settle(kNoon + 2 * kHourUs + 10 * kSecondUs);
  options_.state.limits.entries_max = 2;
  hours.path = "p/again.yaml";
  hours.text.replace(hours.text.find("publish: more"), 13, "publish: again");
  job_.reset();
  declare({kViews, hours});
  open();
  settle(kNoon + 4 * kHourUs);
  EXPECT_THAT(messages_of(*log_, "again"), IsEmpty());
  EXPECT_THAT(messages().back(), HasSubstr("T14:0"));
}

TEST_F(WindowJobTest, ASourceWithoutOpenWindowsIsNotBehind) {
  const auto delay = [] {
    for (const auto& one : metrics::samples("millrace_window_watermark_delay_seconds"))
      if (one.labels.at("source") == "old file") return one.value;
    return -1.0;
  };
  begin({kViews});
  view(kNoon - kDayUs, "anna", "/a", 0, "old file", kNoon);
  settle(kNoon + 20 * kSecondUs);
  EXPECT_GE(delay(), 86'400) << "its window is open";
  settle(kNoon + 2 * kMinuteUs);
  settle(kNoon + 3 * kMinuteUs);
  EXPECT_EQ(delay(), 0);
}

TEST_F(WindowJobTest, WhatATopicHoldsOfAnEarlierLifeSuppressesNothing) {
  begin({kViews});
  ASSERT_TRUE(log_->create_topic("more", {}));
  const std::string header = R"({"windows":{"step":9000000000000000,"id":"0"}})";
  append("more", 0, "{}", header);
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kSecondUs);
  job_.reset();
  declare({kViews, kMore});
  open();
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_THAT(messages_of(*log_, "more"), SizeIs(2));
  const auto revision = [](const std::string& message) {
    return nlohmann::json::parse(message)["revision"].get<std::uint64_t>();
  };
  const auto before = revision(messages().back());
  job_.reset();
  ASSERT_TRUE(WindowJob::forget(env_, options_.dir));
  declare({kMore});
  open();
  view(kNoon + 3 * kMinuteUs, "anna");
  settle(kNoon + 5 * kMinuteUs);
  EXPECT_GT(revision(messages_of(*log_, "more").back()), before);
}

TEST_F(WindowJobTest, ATopicThatIsRenamedGetsWhatIsOpen) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kMinuteUs);
  view(kNoon + 2 * kMinuteUs, "anna");
  settle(kNoon + 2 * kMinuteUs);
  job_.reset();
  AggregationFile renamed = kViews;
  renamed.text.replace(renamed.text.find("publish: minutes"), 16, "publish: renamed");
  declare({renamed});
  open();
  EXPECT_THAT(messages_of(*log_, "renamed"), IsEmpty());
  settle(kNoon + 4 * kMinuteUs);
  EXPECT_THAT(messages_of(*log_, "renamed"), SizeIs(1));
}

/// Steps that are done again after rows were replaced may say other things, but not the same twice.
TEST_F(WindowJobTest, RowsThatAreReplacedPublishNothingTwice) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna", "/a");
  view(kNoon + 2 * kSecondUs, "bert", "/a");
  view(kNoon + 3 * kSecondUs, "carl", "/b");
  settle(kNoon + 2 * kMinuteUs);
  ASSERT_THAT(messages(), SizeIs(2));
  job_.reset();
  auto connection = warehouse_->connect().value();
  ASSERT_TRUE(connection.query("UPDATE events SET page_path = '/0' WHERE anonymous_id = 'anna'"));
  open();
  settle(kNoon + 3 * kMinuteUs);
  std::vector<std::string> pages;
  for (const auto& message : messages())
    pages.push_back(nlohmann::json::parse(message)["keys"]["page"].get<std::string>());
  EXPECT_THAT(pages, ::testing::ElementsAre("/a", "/b", "/0"));
}

TEST_F(WindowJobTest, OfManyLateChangesEachWindowHasOneAStep) {
  begin({kViews});
  const std::vector<PublishedAggregation> declared = PublishedRows::open(*warehouse_).value()->aggregations();
  WindowPublisher publisher(*log_, declared);
  ASSERT_TRUE(publisher.make_topics());
  constexpr int kKeys = 10'001;
  const PublishedValue nothing;
  publisher.begin(1, kNoon);
  for (int i = 0; i < 2 * kKeys; ++i) {
    const std::string keys = fmt::format("{{\"k\":{}}}", i % kKeys);
    publisher.on_pane(0, "web", {keys, {kNoon, kNoon + kMinuteUs}, PaneTiming::kLate, nothing, Offset()});
  }
  ASSERT_TRUE(publisher.finish());
  EXPECT_EQ(messages().size(), static_cast<std::size_t>(kKeys));
}

TEST_F(WindowJobTest, OneThatFailsOnAFactStopsAloneAndBeginsAnew) {
  begin({kViews,
         {"p/bad.yaml",
          "from: events\nwindow: 1m\npublish: bad\nmeasures: {n: sum(CASE WHEN page_path = "
          "'/bad' THEN 9223372036854775807 ELSE 1 END + 1)}\n"}});
  view(kNoon + 1 * kSecondUs, "anna");
  view(kNoon + 2 * kSecondUs, "bert", "/bad");
  EXPECT_FALSE(load_->step()) << "the table is given up too";
  settle(kNoon + 30 * kSecondUs);
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_EQ(published(), table());
  EXPECT_THAT(messages_of(*log_, "bad"), IsEmpty());
  open();
  view(kNoon + 5 * kMinuteUs, "anna");
  settle(kNoon + 7 * kMinuteUs);
  EXPECT_EQ(published(), table());
}

TEST_F(WindowJobTest, GoesOnAfterARestartAndWithADamagedState) {
  options_.steps_max = 2;  // a snapshot every other step
  begin({kViews});
  for (const bool damage : {false, true}) {
    SCOPED_TRACE(damage);
    const TimeUs begin_at = kNoon + (damage ? kHourUs : 0);
    const auto before = messages().size();
    for (int i = 0; i < 12; ++i) {
      view(begin_at + i * 17 * kSecondUs, fmt::format("v{}", i % 4), "/a", static_cast<std::uint32_t>(i % 3));
      settle(begin_at + i * 17 * kSecondUs);
      if (damage) flip_a_bit(options_.dir / "state", i);
      open();
    }
    settle(begin_at + kHourUs / 2);
    EXPECT_EQ(messages().size(), before + 4);
  }
  EXPECT_EQ(published(), table());
}

TEST_F(WindowJobTest, ALostJournalBeginsAnew) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kMinuteUs);
  view(kNoon + 130 * kSecondUs, "bert");
  settle(kNoon + 130 * kSecondUs);
  job_.reset();
  flip_a_bit(options_.dir / "journal", 20);
  open();
  view(kNoon + 131 * kSecondUs, "carl");
  settle(kNoon + 5 * kMinuteUs);
  EXPECT_EQ(messages().size(), 2u);
  EXPECT_EQ(published(), table());
}

TEST_F(WindowJobTest, AnAppendOfWhichNobodyKnowsIsNotDoneTwice) {
  begin({kViews});
  view(kNoon + 1 * kSecondUs, "anna");
  settle(kNoon + 2 * kSecondUs);
  log_->lose_news_of = "minutes";
  env_.now_is = kNoon + 2 * kMinuteUs;
  EXPECT_FALSE(job_->step());
  log_->lose_news_of.clear();
  settle(kNoon + 2 * kMinuteUs);
  EXPECT_THAT(messages(), SizeIs(1));
}

TEST_F(WindowJobTest, SlidingWindowsAndSeveralPartitionsOfTheTopic) {
  ASSERT_TRUE(log_->create_topic("minutes", {.partitions = 3}));
  AggregationFile sliding = kViews;
  sliding.text.replace(sliding.text.find("window: 1m"), 10, "window: {sliding: 2m, every: 30s, offset: 5s}");
  begin({sliding});
  std::mt19937_64 random(4);
  for (int i = 0; i < 200; ++i) {
    const TimeUs time = kNoon + i * 3 * kSecondUs;
    view(time - static_cast<TimeUs>(random() % 40) * kSecondUs, fmt::format("v{}", random() % 9),
         random() % 2 == 0 ? "/a" : "/b", static_cast<std::uint32_t>(random() % 4), "web", time);
    if (random() % 5 == 0) settle(time);
    if (random() % 20 == 0) open();
  }
  settle(kNoon + kHourUs);
  EXPECT_GT(messages().size(), 40u);
  EXPECT_EQ(published(),
            table("window_start >= make_timestamp(" + std::to_string(kNoon - 3 * kMinuteUs) + ")"));
}

TEST_F(WindowJobTest, WhatCannotBePublishedIsRefusedWithItsLine) {
  const auto refusal = [&](std::string_view text) {
    const auto declared = declare_aggregations(*warehouse_, {{{"p/x.yaml", std::string(text)}}});
    return declared ? std::string() : declared.error().text();
  };
  const std::string count = "from: events\nmeasures: {n: count}\n";
  EXPECT_THAT(refusal(count + "window: 1m\npublish: a b\n"),
              HasSubstr("x.yaml:4: takes the name of a topic"));
  EXPECT_THAT(refusal(count + "window: 1m\npublish: events\n"),
              HasSubstr("x.yaml:4: events is Millrace's own"));
  EXPECT_THAT(refusal(count + "window: visit\npublish: x\n"),
              HasSubstr("x.yaml:4: visits cannot be published"));
  EXPECT_THAT(refusal("from: sales_by_hour\nmeasures: {n: count}\nwindow: 1d\npublish: x\n"),
              HasSubstr("x.yaml:4: is for what is computed from the facts"));
  EXPECT_THAT(
      refusal("from: events\nwindow: 1m\npublish: x\nmeasures:\n  n: max(event_time - received_time)\n"),
      HasSubstr("x.yaml:5: cannot be published: cast it"));
  EXPECT_EQ(refusal(count + "window: 1m\npublish: x\n"), "");
}

}  // namespace
}  // namespace millrace
