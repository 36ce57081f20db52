#include "stream/job.h"

#include <array>
#include <atomic>

#include <gmock/gmock.h>
#include <pthread.h>

#include "stream/stream_testing.h"

namespace millrace {
namespace {

using testing::HasSubstr;

/// What a CountingJob did, which outlives it.
struct JobDiary {
  std::atomic<int> starts = 0;
  std::atomic<int> steps = 0;
  std::atomic<int> failures_left = 0;
  std::atomic<int> work_left = 0;
  std::atomic<bool> endless = false;
  std::atomic<bool> closed = false;  ///< what it begins from
  std::string thread_name;
};

class CountingJob : public Job {
 public:
  explicit CountingJob(JobDiary& record) : record_(record) {}
  std::string_view name() const override { return "counting"; }
  Status start() override {
    ++record_.starts;
    if (record_.closed) return fail(Code::kCancelled, "shutting down");
    return take_failure();
  }
  Result<StepResult> step() override {
    MILLRACE_TRY(take_failure());
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    record_.thread_name = name.data();
    ++record_.steps;
    if (record_.work_left > 0) --record_.work_left;
    return StepResult{.more = record_.endless || record_.work_left > 0};
  }

 private:
  Status take_failure() {
    if (record_.failures_left == 0) return {};
    --record_.failures_left;
    return fail(Code::kIo, "for now");
  }
  JobDiary& record_;
};

class JobRunnerTest : public StreamTest {
 protected:
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) env_.sleep_for(kMillisecondUs);
    return condition();
  }
  JobDiary record_;
};

TEST_F(JobRunnerTest, StepsWhenSomethingIsAppended) {
  JobRunner runner(*log_, env_, {.idle_wait = 5 * kSecondUs});
  runner.start(std::make_unique<CountingJob>(record_));
  ASSERT_TRUE(eventually([&] { return record_.steps > 0; }));
  const int before = record_.steps;
  append(make_event(EventType::kPageView, 1, 0));
  EXPECT_TRUE(eventually([&] { return record_.steps > before; }));
  runner.stop();
  EXPECT_EQ(record_.thread_name, "counting");
}

TEST_F(JobRunnerTest, TriesAgainAfterErrors) {
  record_.failures_left = 5;
  JobRunner runner(*log_, env_, {.back_off_min = kMillisecondUs, .back_off_max = 2 * kMillisecondUs});
  runner.start(std::make_unique<CountingJob>(record_));
  EXPECT_TRUE(eventually([&] { return record_.steps > 0; }));
  EXPECT_EQ(record_.starts, 6);
  record_.failures_left = 3;
  EXPECT_TRUE(eventually([&] { return record_.failures_left == 0; }));
}

TEST_F(JobRunnerTest, DrainsWhatIsLeft) {
  record_.work_left = 500;
  JobRunner runner(*log_, env_);
  runner.start(std::make_unique<CountingJob>(record_));
  EXPECT_TRUE(runner.drain(10 * kSecondUs));
  EXPECT_EQ(record_.work_left, 0);
}

TEST_F(JobRunnerTest, SaysWhatDidNotFinish) {
  record_.endless = true;
  JobRunner runner(*log_, env_);
  runner.start(std::make_unique<CountingJob>(record_));
  const auto drained = runner.drain(50 * kMillisecondUs);
  ASSERT_FALSE(drained);
  EXPECT_EQ(drained.error().code, Code::kDeadline);
  EXPECT_THAT(drained.error().message, HasSubstr("counting"));
}

TEST_F(JobRunnerTest, WhatCannotBeginAnyMoreKeepsNobodyWaiting) {
  record_.closed = true;
  JobRunner runner(*log_, env_);
  runner.start(std::make_unique<CountingJob>(record_));
  ASSERT_TRUE(eventually([&] { return record_.starts > 0; }));
  EXPECT_TRUE(runner.drain(60 * kSecondUs));
  EXPECT_EQ(record_.steps, 0);
}

TEST_F(JobRunnerTest, LoadsLiveTrafficAndDrainsAtTheEnd) {
  auto job = LoadJob::make(*log_, *feed_, *warehouse_, {.transaction_interval = 10 * kMillisecondUs});
  auto& load = *job;
  JobRunner runner(*log_, env_);
  runner.start(std::move(job));
  for (std::uint64_t i = 0; i < 50; ++i) append(make_event(EventType::kPageView, i, 0), i % 4);
  EXPECT_TRUE(eventually([&] { return books(load) == "50 50 0 0 0"; }));
  for (std::uint64_t i = 50; i < 90; ++i) append(make_event(EventType::kPageView, i, 0), i % 4);
  EXPECT_TRUE(runner.drain(10 * kSecondUs));
  EXPECT_EQ(cell("SELECT count(*) FROM events"), "90");
}

}  // namespace
}  // namespace millrace
