#include <gmock/gmock.h>

#include "log/segment_log_fault_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- Opening

TEST_F(SegmentLogFaultTest, SecondOpenNamesTheDirectoryAndTheRemedy) {
  const auto second = SegmentLog::open(env_, kDir, options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kExists);
  EXPECT_THAT(second.error().message, HasSubstr("/data"));
  EXPECT_THAT(second.error().message, HasSubstr("Stop that one first"));
  log_.reset();
  EXPECT_TRUE(SegmentLog::open(env_, kDir, options_));
}

TEST_F(SegmentLogFaultTest, ReadOnlyDirectoryIsRefusedClearly) {
  log_.reset();
  env_.set_read_only(true);
  const auto opened = SegmentLog::open(env_, kDir, options_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kDenied);
}

TEST_F(SegmentLogFaultTest, DamagedSettingsOfATopicAreNamed) {
  log_.reset();
  env_.flip_bits(kDir / "topics" / "events" / "topic.json", 0, 0xff);
  const auto opened = SegmentLog::open(env_, kDir, options_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt);
  EXPECT_THAT(opened.error().where, HasSubstr("events/topic.json"));
}

TEST_F(SegmentLogFaultTest, StrayFilesAreLeftAlone) {
  ASSERT_TRUE(env_.make_dirs(kDir / "topics" / "half made"));
  ASSERT_TRUE(write_file_atomically(env_, kPartitionDir / "notes.txt", "mine"));
  ASSERT_TRUE(append("x"));
  reopen();
  EXPECT_THAT(values(), ElementsAre("x"));
  EXPECT_TRUE(env_.exists(kPartitionDir / "notes.txt"));
  EXPECT_THAT(log_->problems(), IsEmpty());
}

// ---- Failing disks

TEST_F(SegmentLogFaultTest, FailedSyncStopsTheLogUntilItIsOpenedAgain) {
  ASSERT_TRUE(append("first"));
  env_.fail_sync(0);
  const auto failed = append("second");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_THAT(failed.error().message, HasSubstr("restart"));
  EXPECT_EQ(append("third").error().code, Code::kIo);
  EXPECT_EQ(log_->commit("g", kEvents, Offset(1)).error().code, Code::kIo);
  EXPECT_EQ(log_->create_topic("more", {}).error().code, Code::kIo);
  EXPECT_FALSE(log_->health());
  EXPECT_THAT(values(), ElementsAre("first")) << "reading goes on";
  reopen();
  EXPECT_TRUE(log_->health());
  ASSERT_TRUE(append("fourth"));
  auto now = values();
  std::erase(now, "second");  // whole or not at all
  EXPECT_THAT(now, ElementsAre("first", "fourth"));
}

TEST_F(SegmentLogFaultTest, FailedWriteStopsTheLog) {
  env_.fail_write(0);
  EXPECT_EQ(append(std::string(2'000, 'x')).error().code, Code::kIo);
  EXPECT_EQ(append("y").error().code, Code::kIo);
  reopen();
  ASSERT_TRUE(append("z"));
  EXPECT_EQ(values().back(), "z");
  EXPECT_THAT(log_->problems(), IsEmpty());
}

TEST_F(SegmentLogFaultTest, FullDiskRefusesAndRecoversByItself) {
  ASSERT_TRUE(append("before"));
  env_.set_space(0);
  const std::string large(200'000, 'x');
  for (int i = 0; i < 3; ++i) EXPECT_EQ(append(large).error().code, Code::kNoSpace);
  EXPECT_TRUE(append("fits into what is prepared"));
  EXPECT_EQ(append(large).error().code, Code::kNoSpace);
  env_.set_space(std::nullopt);
  EXPECT_TRUE(append(large));
  EXPECT_THAT(values(), ElementsAre("before", "fits into what is prepared", large));
  kill_and_reopen();
  EXPECT_THAT(values(), ElementsAre("before", "fits into what is prepared", large));
  EXPECT_THAT(log_->problems(), IsEmpty());
}

TEST_F(SegmentLogFaultTest, GroupsCommitOnAFullDiskFromTheReserve) {
  const Offset next = *append("x") + 1;
  EXPECT_TRUE(env_.exists(kDir / "RESERVE"));
  env_.set_space(0);
  EXPECT_TRUE(log_->commit("g", kEvents, next));
  EXPECT_FALSE(env_.exists(kDir / "RESERVE"));
  env_.set_space(std::nullopt);
  log_->run_retention();
  EXPECT_TRUE(env_.exists(kDir / "RESERVE")) << "the reserve is filled again";
  reopen();
  EXPECT_EQ(*log_->committed("g", kEvents), next);
}

}  // namespace
}  // namespace millrace
