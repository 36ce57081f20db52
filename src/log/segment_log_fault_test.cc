#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "log/event_log_conformance_testing.h"
#include "log/format.h"
#include "log/segment_log.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Path kDir = "/data";
const TopicPartition kEvents{"events", PartitionId(0)};
const Path kPartitionDir = kDir / "topics" / "events" / "0";

/// A log in a FaultEnv, without threads, with one topic of one partition.
class SegmentLogFaultTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open(const TopicConfig& config = {.partitions = 1}) {
    auto opened = SegmentLog::open(env_, kDir, options_);
    ASSERT_TRUE(opened) << opened.error().text();
    log_ = *std::move(opened);
    ASSERT_TRUE(log_->create_topic("events", config));
  }

  /// Close in good order, or end as by SIGKILL, and open again.
  void reopen() {
    log_.reset();
    open(log_config());
  }
  void kill_and_reopen() {
    env_.die_after(0);
    log_.reset();
    env_.restart_process();
    open(log_config());
  }
  virtual TopicConfig log_config() const { return {.partitions = 1}; }

  Result<Offset> append(const std::vector<NewRecord>& batch) {
    Result<Offset> answer = fail(Code::kInternal, "not answered");
    log_->append(kEvents, batch, [&](Result<Offset> result) { answer = std::move(result); });
    log_->run_queued();
    return answer;
  }
  Result<Offset> append(std::string_view value, TimeUs time = 0) {
    return append({{.value = value, .time = time}});
  }

  std::vector<std::string> values(Offset from = Offset()) { return read_values(*log_, kEvents, from); }
  Path segment(std::uint64_t base) const { return kPartitionDir / fmt::format("{:020}.seg", base); }

  FaultEnv env_;
  SegmentLogOptions options_{.committers = 0, .reserve_bytes = 4'096};
  std::unique_ptr<SegmentLog> log_;
};

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

// ---- Damaged bytes

/// Ten frames of three records each, in a log that was closed in good order.
class SegmentLogDamageTest : public SegmentLogFaultTest {
 protected:
  void SetUp() override {
    SegmentLogFaultTest::SetUp();
    for (int frame = 0; frame < 10; ++frame) {
      std::vector<std::string> texts;
      for (int i = 0; i < 3; ++i) texts.push_back(fmt::format("value {}", frame * 3 + i));
      ASSERT_TRUE(
          append({{.key = "k", .value = texts[0]}, {.value = texts[1]}, {.value = texts[2], .count = 4}}));
      all_.insert(all_.end(), texts.begin(), texts.end());
    }
    used_bytes_ = log_->stats(kEvents)->bytes;
    log_.reset();
  }

  /// Return the values that are gone, after checking that nothing else changed.
  std::vector<std::string> missing() {
    std::vector<std::string> now = values();
    std::vector<std::string> gone;
    std::ranges::set_difference(sorted(all_), sorted(now), std::back_inserter(gone));
    EXPECT_EQ(now.size() + gone.size(), all_.size()) << "something came back that was never written";
    EXPECT_TRUE(std::ranges::includes(sorted(all_), sorted(now)));
    return gone;
  }

  static std::vector<std::string> sorted(std::vector<std::string> strings) {
    std::ranges::sort(strings);
    return strings;
  }

  std::vector<std::string> all_;
  std::uint64_t used_bytes_ = 0;
};

TEST_F(SegmentLogDamageTest, AnyFlippedBitLosesAtMostItsFrame) {
  int losses = 0;
  int records_lost_max = 0;
  for (const bool with_index : {true, false}) {
    for (std::uint64_t position = 0; position < used_bytes_; position += 3) {
      const auto mask = static_cast<std::uint8_t>(1u << (position % 8));
      env_.flip_bits(segment(0), position, mask);
      if (!with_index) std::ignore = env_.remove(kPartitionDir / "00000000000000000000.idx");
      open();
      const std::vector<std::string> gone = missing();
      EXPECT_LE(gone.size(), 3u) << "at " << position;
      EXPECT_TRUE(gone.empty() || !log_->problems().empty()) << "not reported: at " << position;
      EXPECT_EQ(log_->stats(kEvents)->count_total, 60u) << "at " << position;
      EXPECT_EQ(log_->stats(kEvents)->end, Offset(30)) << "at " << position;
      losses += gone.empty() ? 0 : 1;
      records_lost_max = std::max(records_lost_max, static_cast<int>(gone.size()));
      env_.die_after(0);
      log_.reset();
      env_.restart_process();
      env_.flip_bits(segment(0), position, mask);
    }
  }
  EXPECT_GT(losses, 100);
  EXPECT_EQ(records_lost_max, 3);
}

TEST_F(SegmentLogDamageTest, FlippedBitInAValueLosesThatRecordOnly) {
  const std::string bytes = read_file(env_, segment(0)).value();
  env_.flip_bits(segment(0), bytes.find("value 13") + 6, 1);
  open();
  EXPECT_THAT(missing(), ElementsAre("value 13"));
  ASSERT_THAT(log_->problems(), SizeIs(1));
  EXPECT_EQ(log_->problems()[0].from, Offset(13));
  EXPECT_EQ(log_->problems()[0].to, Offset(14));
  EXPECT_TRUE(append("new"));
  EXPECT_EQ(values().back(), "new");
}

TEST_F(SegmentLogDamageTest, FlipInTheLastFrameIsDamageWhenTheLogWasClosed) {
  const std::string bytes = read_file(env_, segment(0)).value();
  env_.flip_bits(segment(0), bytes.find("value 29") + 6, 1);
  open();
  EXPECT_THAT(missing(), ElementsAre("value 29"));
  EXPECT_THAT(log_->problems(), SizeIs(1));
}

TEST_F(SegmentLogDamageTest, FlipWhileOpenIsFoundByTheRead) {
  open();
  EXPECT_THAT(missing(), IsEmpty());
  const std::string bytes = read_file(env_, segment(0)).value();
  env_.flip_bits(segment(0), bytes.find("value 7") + 6, 1);
  EXPECT_THAT(missing(), ElementsAre("value 7"));
  EXPECT_THAT(missing(), ElementsAre("value 7"));
  EXPECT_THAT(log_->problems(), SizeIs(1)) << "reported once";
}

TEST_F(SegmentLogDamageTest, CutFileIsReportedAndItsOffsetsStayTaken) {
  const Path index = kPartitionDir / "00000000000000000000.idx";
  const std::string good_segment = read_file(env_, segment(0)).value();
  const std::string good_index = read_file(env_, index).value();
  for (std::uint64_t bytes = 0; bytes < used_bytes_; bytes += 29) {
    ASSERT_TRUE(write_file_atomically(env_, segment(0), good_segment));
    ASSERT_TRUE(write_file_atomically(env_, index, good_index));
    env_.cut_file(segment(0), bytes);
    open();
    missing();
    EXPECT_FALSE(log_->problems().empty()) << "cut to " << bytes;
    const auto appended = append("new");
    ASSERT_TRUE(appended);
    EXPECT_GE(*appended, Offset(30)) << "cut to " << bytes;
    EXPECT_EQ(log_->read(kEvents, *appended, {})->records.at(0).value, "new");
    kill_and_reopen();
    EXPECT_EQ(log_->read(kEvents, *appended, {})->records.at(0).value, "new");
    log_.reset();
  }
}

TEST_F(SegmentLogDamageTest, DamagedIndexIsMadeAgain) {
  const Path index = kPartitionDir / "00000000000000000000.idx";
  const std::uint64_t size = read_file(env_, index).value().size();
  for (std::uint64_t position = 0; position < size; ++position) {
    env_.flip_bits(index, position, 0x10);
    open();
    EXPECT_THAT(missing(), IsEmpty());
    EXPECT_THAT(log_->problems(), IsEmpty());
    log_.reset();  // writes a good one
  }
  for (const std::uint64_t bytes : {size - 1, size / 2, std::uint64_t{0}}) {
    env_.cut_file(index, bytes);
    open();
    EXPECT_THAT(missing(), IsEmpty());
    log_.reset();
  }
}

TEST_F(SegmentLogDamageTest, MissingFilesAreReported) {
  ASSERT_TRUE(env_.remove(segment(0)));
  ASSERT_TRUE(env_.remove(kPartitionDir / "00000000000000000000.idx"));
  open();
  EXPECT_THAT(values(), IsEmpty());
  ASSERT_THAT(log_->problems(), SizeIs(1));
  EXPECT_THAT(log_->problems()[0].what, HasSubstr("no files"));
  EXPECT_TRUE(append("new"));
}

TEST_F(SegmentLogDamageTest, DamagedGroupsHoldBackRetention) {
  open();
  ASSERT_TRUE(log_->commit("g", kEvents, Offset(30)));
  log_.reset();
  env_.flip_bits(kDir / "topics" / "events" / "groups.json", 0, 0xff);
  open();
  ASSERT_THAT(log_->problems(), SizeIs(1));
  EXPECT_THAT(log_->problems()[0].what, HasSubstr("nothing of this topic is deleted"));
  EXPECT_EQ(*log_->committed("g", kEvents), std::nullopt);
  ASSERT_TRUE(env_.remove(kDir / "topics" / "events" / "groups.json.bad"));
  reopen();
  EXPECT_THAT(log_->problems(), IsEmpty());
}

TEST_F(SegmentLogFaultTest, RecordThatLooksLikeAFrameIsNotTakenForOne) {
  ASSERT_TRUE(append("inner"));
  const std::string file = read_file(env_, segment(0)).value();
  const std::string frame = file.substr(log::kSegmentHeaderBytes, 120);
  // The frame of another segment as a value, aligned as a frame would be in any of 8 ways.
  ASSERT_TRUE(log_->create_topic("other", {.partitions = 1}));
  const TopicPartition other{"other", PartitionId(0)};
  for (std::size_t pad = 0; pad < 8; ++pad) {
    const std::string value = std::string(pad, '-') + frame;
    log_->append(other, {{.value = value}, {.value = "after"}}, [](const auto& done) { EXPECT_TRUE(done); });
    log_->run_queued();
  }
  log_.reset();
  env_.flip_bits(kDir / "topics/other/0/00000000000000000000.seg", log::kSegmentHeaderBytes + 20, 1);
  std::ignore = env_.remove(kDir / "topics/other/0/00000000000000000000.idx");
  open();
  EXPECT_THAT(read_values(*log_, other), SizeIs(14))
      << "one frame of two is lost, and nothing came in its place";
}

// Whatever the bytes, opening and reading must end, and what is returned must have been written.
TEST_F(SegmentLogDamageTest, ArbitraryDamageNeverCrashesOrInvents) {
  const std::string good = read_file(env_, segment(0)).value();
  std::mt19937_64 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good.substr(0, used_bytes_ + 64);
    for (std::uint64_t changes = random() % 8 + 1; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      const std::size_t size = std::min<std::size_t>(random() % 200, bytes.size() - at);
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.replace(at, size, std::string(size, '\0'));
          break;
        case 2:
          bytes.erase(at, size);
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), size));
          break;
      }
    }
    ASSERT_TRUE(write_file_atomically(env_, segment(0), bytes));
    std::ignore = env_.remove(kPartitionDir / "00000000000000000000.idx");
    open();
    missing();
    ASSERT_TRUE(append("new"));
    EXPECT_THAT(values(Offset(log_->stats(kEvents)->end.value() - 1)), ElementsAre("new"));
    log_.reset();
  }
}

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
