#include <gmock/gmock.h>

#include "log/segment_log_fault_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// ---- Retention, rolling, limits

class SegmentLogRetentionTest : public SegmentLogFaultTest {
 protected:
  TopicConfig log_config() const override {
    return {.partitions = 1,
            .retention = kDayUs,
            .bytes_soft = 60'000,
            .bytes_hard = 100'000,
            .segment_bytes = 10'000};
  }
  void SetUp() override { open(log_config()); }

  /// Append records of about 1,000 bytes with the present time.
  void fill(int count) {
    const std::string value(1'000, 'v');
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(append(value, env_.now()));
      log_->run_upkeep();
    }
  }
  std::uint64_t start() { return log_->stats(kEvents)->start.value(); }
};

TEST_F(SegmentLogRetentionTest, OldSegmentsGoWhenEveryGroupHasPassed) {
  fill(30);
  ASSERT_TRUE(log_->commit("fast", kEvents, Offset(30)));
  ASSERT_TRUE(log_->commit("slow", kEvents, Offset(12)));
  log_->run_retention();
  EXPECT_EQ(start(), 0u) << "not old yet";
  env_.advance(2 * kDayUs);
  log_->run_retention();
  EXPECT_GT(start(), 0u);
  EXPECT_LE(start(), 12u);
  EXPECT_EQ(log_->read(kEvents, Offset(0), {}).error().code, Code::kOutOfRange);
  const PartitionStats before = *log_->stats(kEvents);
  EXPECT_EQ(before.count_total, 30u);
  EXPECT_EQ(before.count_start, before.start.value());
  kill_and_reopen();
  const PartitionStats after = *log_->stats(kEvents);
  EXPECT_EQ(after.start, before.start);
  EXPECT_EQ(after.count_total, 30u);
  EXPECT_EQ(after.count_start, before.count_start);
  ASSERT_TRUE(log_->delete_group("slow", "events"));
  log_->run_retention();
  EXPECT_GT(start(), 20u) << "nothing but the active segment is left";
  EXPECT_LT(start(), 30u);
}

TEST_F(SegmentLogRetentionTest, SoftSizeKeepsTheNewest) {
  fill(80);
  log_->run_retention();
  EXPECT_LE(log_->stats(kEvents)->bytes, 60'000u);
  EXPECT_GT(log_->stats(kEvents)->bytes, 40'000u);
  EXPECT_EQ(values(Offset(start())).size(), 80 - start());
}

TEST_F(SegmentLogRetentionTest, HardSizeRefusesAndNamesTheSlowestGroup) {
  ASSERT_TRUE(log_->commit("fast", kEvents, Offset(0)));
  EXPECT_EQ(log_->commit("slow one", kEvents, Offset(0)).error().code, Code::kInvalid);
  ASSERT_TRUE(log_->commit("slow-one", kEvents, Offset(0)));
  const std::string value(1'000, 'v');
  Result<Offset> last = Offset();
  int written = 0;
  while ((last = append(value)) && written < 1'000) ++written;
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::kOverloaded);
  const Offset end = log_->stats(kEvents)->end;
  ASSERT_TRUE(log_->commit("fast", kEvents, end));
  EXPECT_THAT(append(value).error().message, HasSubstr("'slow-one'"));
  ASSERT_TRUE(log_->commit("slow-one", kEvents, end));
  log_->run_retention();
  EXPECT_TRUE(append(value));
}

TEST_F(SegmentLogRetentionTest, JumpingClocksDeleteNothingThatIsNeeded) {
  fill(15);
  env_.jump(-10 * 365 * kDayUs);
  fill(15);
  env_.jump(20 * 365 * kDayUs);
  ASSERT_TRUE(log_->commit("g", kEvents, Offset(0)));
  log_->run_retention();
  EXPECT_EQ(values().size(), 30u);
  ASSERT_TRUE(log_->commit("g", kEvents, Offset(30)));
  log_->run_retention();
  EXPECT_GE(values(Offset(start())).size(), 1u) << "the active segment stays";
  EXPECT_EQ(log_->stats(kEvents)->end, Offset(30));
}

TEST_F(SegmentLogRetentionTest, TimeIndexSpansSegments) {
  std::vector<TimeUs> times;
  for (int i = 0; i < 40; ++i) {
    times.push_back(env_.now());
    fill(1);
    env_.advance(kSecondUs);
  }
  for (const int i : {0, 1, 9, 10, 25, 39}) {
    EXPECT_EQ(*log_->offset_at_time(kEvents, times[static_cast<std::size_t>(i)]),
              Offset(static_cast<std::uint64_t>(i)));
  }
  EXPECT_EQ(*log_->offset_at_time(kEvents, env_.now()), Offset(40));
}

TEST_F(SegmentLogRetentionTest, LostSegmentInTheMiddleIsReportedAndSkipped) {
  fill(40);
  log_.reset();
  std::vector<std::string> segments;
  const std::vector<std::string> names = env_.list_dir(kPartitionDir).value();
  for (const std::string& name : names) {
    if (name.ends_with(".seg")) segments.push_back(name);
  }
  ASSERT_GE(segments.size(), 4u);
  ASSERT_TRUE(env_.remove(kPartitionDir / segments[1]));
  open(log_config());
  ASSERT_THAT(log_->problems(), SizeIs(1));
  EXPECT_THAT(log_->problems()[0].what, HasSubstr("missing"));
  EXPECT_EQ(values().size(), 40 - (log_->problems()[0].to.value() - log_->problems()[0].from.value()));
  EXPECT_EQ(log_->stats(kEvents)->count_total, 40u);
}

TEST_F(SegmentLogFaultTest, QueueIsBounded) {
  log_.reset();
  options_.queue_bytes_max = 10'000;
  open();
  const std::string value(4'000, 'v');
  std::vector<Code> refused;
  int done = 0;
  for (int i = 0; i < 5; ++i) {
    log_->append(kEvents, {{.value = value}}, [&](const Result<Offset>& result) {
      if (result) {
        ++done;
      } else {
        refused.push_back(result.error().code);
      }
    });
  }
  EXPECT_THAT(refused, ElementsAre(Code::kOverloaded, Code::kOverloaded, Code::kOverloaded));
  log_->run_queued();
  EXPECT_EQ(done, 2);
  EXPECT_TRUE(append(std::string(50'000, 'x'))) << "one batch always fits";
}

TEST_F(SegmentLogFaultTest, CloseCommitsWhatIsQueuedAndRefusesTheRest) {
  int done = 0;
  log_->append(kEvents, {{.value = "queued"}}, [&](const Result<Offset>& result) { done += result ? 1 : 0; });
  log_->close();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(append("late").error().code, Code::kCancelled);
  EXPECT_THAT(values(), ElementsAre("queued"));
  EXPECT_TRUE(log_->read(kEvents, Offset(1), {.wait = 60 * kSecondUs})->records.empty()) << "must not wait";
  reopen();
  EXPECT_THAT(values(), ElementsAre("queued"));
}

TEST_F(SegmentLogFaultTest, LargeFramesAreReadInPieces) {
  std::vector<std::string> texts;
  for (int i = 0; i < 3'000; ++i) texts.push_back(fmt::format("{:01000}", i));
  ASSERT_TRUE(append(std::vector<NewRecord>(texts.size(), NewRecord{.value = texts[0]})));
  std::vector<NewRecord> batch;
  for (const std::string& text : texts) batch.push_back({.value = text});
  ASSERT_TRUE(append(batch));
  const auto got = read_values(*log_, kEvents, Offset(3'000), {.bytes_max = 100'000});
  EXPECT_EQ(got, texts);
  EXPECT_EQ(log_->read(kEvents, Offset(4'567), {.records_max = 1})->records[0].value, texts[1'567]);
}

}  // namespace
}  // namespace millrace
