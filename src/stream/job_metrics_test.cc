#include "stream/job_metrics.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "stream/job.h"
#include "stream/stream_testing.h"

namespace millrace {
namespace {

/// A job that takes in `per_step` records of partition 0 a step while `allowed`, and hangs otherwise.
class SlowJob : public Job {
 public:
  SlowJob(EventLog& log, std::atomic<bool>& allowed) : log_(log), allowed_(allowed) {}
  std::string_view name() const override { return "slow"; }
  Status start() override {
    next_ = 1;
    return {};
  }
  Result<StepResult> step() override {
    if (!allowed_) return StepResult{};
    MILLRACE_ASSIGN(const auto stats, log_.stats(kPartition));
    const Offset done = Offset(next_.load() - 1);
    if (done >= stats.end) return StepResult{};
    const std::uint64_t records = stats.end.value() - done.value();
    next_ = stats.end.value() + 1;
    return StepResult{.records = records, .events = 2 * records};
  }
  JobPosition done() const override {
    const std::uint64_t next = next_;
    return next == 0 ? JobPosition{} : JobPosition{{kPartition, Offset(next - 1)}};
  }

 private:
  static inline const TopicPartition kPartition{std::string(kEventsTopic), PartitionId(0)};
  EventLog& log_;
  std::atomic<bool>& allowed_;
  std::atomic<std::uint64_t> next_ = 0;  ///< one more than the offset; 0 before the start
};

class JobMetricsTest : public StreamTest {
 protected:
  double gauge(const std::string& name) {
    return metrics::gauge("millrace_job_" + name, "", {{"job", "slow"}}).Value();
  }
  double total(const std::string& name) {
    return metrics::counter("millrace_job_" + name + "_total", "", {{"job", "slow"}}).Value();
  }
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) env_.sleep_for(kMillisecondUs);
    return condition();
  }
};

TEST_F(JobMetricsTest, LagIsWhatIsNotDone) {
  const TopicPartition partition{std::string(kEventsTopic), PartitionId(0)};
  const TopicPartition other{std::string(kEventsTopic), PartitionId(1)};
  EXPECT_EQ(*measure_lag(*log_, {{partition, Offset(0)}}, 100 * kSecondUs), JobLag{});
  append(kEventsTopic, 0, "a", "");
  append(kEventsTopic, 0, "b", "");
  append(kEventsTopic, 1, "c", "");
  const auto first = log_->read(partition, Offset(0), {});
  ASSERT_TRUE(first);
  const TimeUs received = first->records.front().time;
  const auto lag = [&](std::uint64_t a, std::uint64_t b) {
    return *measure_lag(*log_, {{partition, Offset(a)}, {other, Offset(b)}}, received + 7 * kSecondUs);
  };
  EXPECT_EQ(lag(0, 0).records, 3u);
  EXPECT_EQ(lag(0, 0).oldest, 7 * kSecondUs);
  EXPECT_EQ(lag(1, 1).records, 1u);
  EXPECT_EQ(lag(2, 1), JobLag{});
  EXPECT_FALSE(measure_lag(*log_, {{{"nothing", PartitionId(0)}, Offset(0)}}, 0));
}

TEST_F(JobMetricsTest, AJobThatHangsIsSeenToFallBehindAndToCatchUp) {
  std::atomic<bool> allowed = false;
  const double records_before = total("records");
  JobRunner runner(*log_, env_, {.idle_wait = kMillisecondUs, .watch_interval = kMillisecondUs});
  runner.start(std::make_unique<SlowJob>(*log_, allowed));
  for (int i = 0; i < 3; ++i) append(make_event(EventType::kPageView, i, 0));
  EXPECT_TRUE(
      eventually([&] { return gauge("lag_records") == 3 && gauge("checkpoint_age_seconds") > 0.02; }));
  EXPECT_GT(gauge("lag_seconds"), 0);
  EXPECT_EQ(total("records"), records_before);
  allowed = true;
  EXPECT_TRUE(eventually([&] { return gauge("lag_records") == 0 && gauge("checkpoint_age_seconds") == 0; }));
  EXPECT_EQ(gauge("lag_seconds"), 0);
  EXPECT_EQ(total("records"), records_before + 3);
  EXPECT_EQ(total("events"), 2 * total("records"));
  runner.stop();
}

TEST_F(JobMetricsTest, AJobThatHasNotStartedIsWhereItsGroupWas) {
  append(make_event(EventType::kPageView, 1, 0));
  append(make_event(EventType::kPageView, 2, 0));
  ASSERT_TRUE(log_->commit("slow", {std::string(kEventsTopic), PartitionId(0)}, Offset(1)));
  class Unable : public Job {
   public:
    std::string_view name() const override { return "slow"; }
    Status start() override { return fail(Code::kIo, "the disk is gone"); }
    Result<StepResult> step() override { return StepResult{}; }
  };
  JobRunner runner(*log_, env_, {.watch_interval = kMillisecondUs});
  runner.start(std::make_unique<Unable>());
  EXPECT_TRUE(eventually([&] { return gauge("lag_records") == 1; }));
}

TEST_F(JobMetricsTest, TheLoadJobCountsWhatItDropsAndPutsAside) {
  JobMetrics metrics("load");
  const auto total = [](const std::string& name) {
    return metrics::counter("millrace_job_" + name + "_total", "", {{"job", "load"}}).Value();
  };
  const double duplicates = total("duplicates");
  const double quarantined = total("quarantined");
  const auto job = load_job();
  job->show_in(metrics);
  append(make_event(EventType::kPageView, 1, 0));
  append(make_event(EventType::kPageView, 1, 0));
  append(kEventsTopic, 0, "not an event", "and no envelope");
  append(make_event(EventType::kPageView, 2, 0));
  run(*job);
  EXPECT_EQ(total("duplicates") - duplicates, 1);
  EXPECT_EQ(total("quarantined") - quarantined, 1);
  EXPECT_EQ(job->done().at({std::string(kEventsTopic), PartitionId(0)}), Offset(4));
}

}  // namespace
}  // namespace millrace
