#include "server/collector.h"

#include <atomic>
#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <stdlib.h>

#include "log/segment_log.h"
#include "log/topics.h"
#include "stream/job.h"

namespace millrace {
namespace {

using testing::HasSubstr;

const TopicPartition kEvents{std::string(kEventsTopic), PartitionId(0)};

/// A job that is done with everything whenever it may go on.
class Stoppable : public Job {
 public:
  Stoppable(EventLog& log, std::atomic<bool>& stopped) : log_(log), stopped_(stopped) {}
  std::string_view name() const override { return "stoppable"; }
  Status start() override { return {}; }
  Result<StepResult> step() override {
    if (stopped_) return StepResult{};
    MILLRACE_ASSIGN(const auto stats, log_.stats(kEvents));
    end_ = stats.end.value();
    return StepResult{};
  }
  JobPosition done() const override { return {{kEvents, Offset(end_.load())}}; }

 private:
  EventLog& log_;
  std::atomic<bool>& stopped_;
  std::atomic<std::uint64_t> end_ = 0;
};

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() {
    auto pattern = (std::filesystem::temp_directory_path() / "collector.XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    log_ = *SegmentLog::open(env_, dir_ / "log");
    EXPECT_TRUE(log_->create_topic(kEventsTopic, {}) && log_->create_topic(kQuarantineTopic, {}));
  }
  ~CollectorTest() override {
    log_.reset();
    std::filesystem::remove_all(dir_);
  }

  /// Collect one event and wait for the answer.
  Result<CollectCounts> post(Collector& collector) {
    const auto body =
        R"({"type":"page_view","message_id":"m)" + std::to_string(++posted_) + R"(","user_id":"u"})";
    std::promise<Result<CollectCounts>> answer;
    collector.collect(CodecId::kNative, body, {.source = "web", .received_time = env_.now()},
                      [&](Result<CollectCounts> counts) { answer.set_value(std::move(counts)); });
    return answer.get_future().get();
  }
  std::uint64_t logged() { return log_->stats(kEvents)->count_total; }

  Env& env_ = Env::system();
  Path dir_;
  std::unique_ptr<EventLog> log_;
  int posted_ = 0;
};

TEST_F(CollectorTest, TurnsEventsAwayWhileAJobIsTooFarBehind) {
  std::atomic<bool> stopped = true;
  BackPressure pressure(20);
  Collector collector(*log_, env_, {}, &pressure);
  JobRunner runner(*log_, env_,
                   {.idle_wait = kMillisecondUs, .watch_interval = kMillisecondUs, .pressure = &pressure});
  runner.start(std::make_unique<Stoppable>(*log_, stopped));
  const auto& gauge = metrics::gauge("millrace_backpressure", "", {{"job", "stoppable"}});
  const auto& overloaded = metrics::counter("millrace_collect_overloaded_total", "");
  const auto before = overloaded.Value();

  for (int i = 0; i < 20; ++i) ASSERT_TRUE(post(collector));
  env_.sleep_for(20 * kMillisecondUs);
  ASSERT_TRUE(post(collector));  // at the limit is not beyond it
  for (int i = 0; i < 2000 && gauge.Value() == 0; ++i) env_.sleep_for(kMillisecondUs);
  const auto refused = post(collector);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);  // answered 429 with Retry-After: net/http_test.cc
  EXPECT_THAT(refused.error().message, HasSubstr("'stoppable' is 21 records behind"));
  EXPECT_EQ(overloaded.Value() - before, 1);
  EXPECT_EQ(logged(), 21u);

  stopped = false;
  for (int i = 0; i < 2000 && gauge.Value() == 1; ++i) env_.sleep_for(kMillisecondUs);
  EXPECT_TRUE(post(collector));
  EXPECT_EQ(logged(), 22u);
}

TEST(BackPressure, EndsSomewhatBelowWhereItBegan) {
  BackPressure pressure(800);
  pressure.note("a", 800);
  EXPECT_TRUE(pressure.check());
  pressure.note("a", 801);
  EXPECT_FALSE(pressure.check());
  pressure.note("b", 0);
  pressure.note("a", 701);
  EXPECT_FALSE(pressure.check());
  pressure.note("a", 700);
  EXPECT_TRUE(pressure.check());
}

TEST(BackPressure, NeverBeginsWithoutALimit) {
  BackPressure pressure(0);
  pressure.note("a", 1'000'000'000);
  EXPECT_TRUE(pressure.check());
}

}  // namespace
}  // namespace millrace
