#include <algorithm>
#include <random>

#include <gmock/gmock.h>

#include "log/format.h"
#include "log/segment_log_fault_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

}  // namespace
}  // namespace millrace
