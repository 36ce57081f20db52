#include "stream/worker_scaler.h"

#include <algorithm>
#include <random>
#include <utility>

#include <gtest/gtest.h>

namespace millrace {
namespace {

class WorkerScalerTest : public ::testing::Test {
 protected:
  /// Tell it the same for `seconds`, once a second, and return what it wants at the end.
  int after(int seconds, const WorkerLoad& load) {
    for (int i = 0; i < seconds; ++i) scaler_.want(load, now_ += kSecondUs);
    return scaler_.wanted();
  }

  const WorkerScalerOptions options_ = {.workers_min = 1, .workers_max = 8, .backlog_per_worker = 100};
  WorkerScaler scaler_{options_};
  DurationUs now_ = 1'000 * kSecondUs;
};

TEST_F(WorkerScalerTest, StepsOutWithTheBacklogDoublingAtMost) {
  const WorkerLoad flood = {.backlog = 10'000, .waiting = 10'000, .busy = 1};
  EXPECT_EQ(after(1, flood), 2) << "at once";
  EXPECT_EQ(after(1, flood), 2) << "not before the last step can tell";
  EXPECT_EQ(after(1, flood), 4);
  EXPECT_EQ(after(2, flood), 8);
  EXPECT_EQ(after(60, flood), 8) << "and no further";
}

TEST_F(WorkerScalerTest, StartsAsManyAsTheBacklogNeeds) {
  EXPECT_EQ(after(60, {.backlog = 100, .waiting = 99, .busy = 1}), 1) << "what one is for";
  EXPECT_EQ(after(60, {.backlog = 290, .waiting = 288, .busy = 1}), 3);
}

TEST_F(WorkerScalerTest, StepsOutWhenMessagesWaitTooLong) {
  const WorkerLoad slow = {.backlog = 12, .waiting = 11, .oldest_age = 11 * kSecondUs, .busy = 1};
  EXPECT_EQ(after(60, slow), 8);
}

TEST_F(WorkerScalerTest, DoesNotCallForOthersBecauseOneMessageFailsAgainAndAgain) {
  EXPECT_EQ(after(600, {.backlog = 1, .waiting = 1, .oldest_age = kHourUs, .busy = 0}), 1);
}

TEST_F(WorkerScalerTest, StepsInOneByOneAfterACalm) {
  ASSERT_EQ(after(10, {.backlog = 10'000, .waiting = 10'000, .busy = 1}), 8);
  const WorkerLoad idle = {};
  int steps = 0, before = 8;
  for (int second = 1; second <= 300; ++second) {
    const int now = after(1, idle);
    EXPECT_GE(now, before - 1);
    if (now < before) ++steps;
    if (second < 30) {
      EXPECT_EQ(now, 8) << "a lull is no reason";
    }
    before = now;
  }
  EXPECT_EQ(before, 1);
  EXPECT_EQ(steps, 7);
}

TEST_F(WorkerScalerTest, KeepsThoseThatAreBusy) {
  ASSERT_EQ(after(10, {.backlog = 10'000, .waiting = 10'000, .busy = 8}), 8);
  EXPECT_EQ(after(600, {.backlog = 10, .waiting = 2, .oldest_age = kSecondUs, .busy = 7}), 8)
      << "seven busy ones are too many for seven";
  EXPECT_EQ(after(600, {.backlog = 10, .waiting = 2, .oldest_age = kSecondUs, .busy = 3}), 4);
}

TEST_F(WorkerScalerTest, IsSteadyBetweenOutAndIn) {
  ASSERT_EQ(after(60, {.backlog = 350, .waiting = 340, .busy = 1}), 4);
  // Below what starts others (400), above half of what three are for (150): neither.
  EXPECT_EQ(after(600, {.backlog = 160, .waiting = 150, .busy = 1}), 4);
}

TEST_F(WorkerScalerTest, DoesNotSwingUnderAnUnsteadyLoad) {
  std::mt19937 random(7);
  int changes = 0, naive_changes = 0, before = scaler_.wanted();
  std::uint64_t naive_before = 1;
  ASSERT_GE(after(3, {.backlog = 190, .waiting = 180, .busy = 2}), 2);
  before = scaler_.wanted();
  for (int second = 0; second < 3'600; ++second) {
    // About two workers' worth, with bursts.
    const std::uint64_t backlog = random() % 10 == 0 ? random() % 380 : random() % 60;
    const int now =
        after(1, {.backlog = backlog, .waiting = backlog, .busy = static_cast<int>(random() % 5)});
    changes += now != before;
    before = now;
    const std::uint64_t naive = std::max<std::uint64_t>(1, (backlog + 99) / 100);
    naive_changes += naive != std::exchange(naive_before, naive);
    EXPECT_GE(now, 2) << "at second " << second;
    EXPECT_LE(now, 4);
  }
  EXPECT_LE(changes * 5, naive_changes) << "as against one worker for each hundred messages, at once";
}

}  // namespace
}  // namespace millrace
