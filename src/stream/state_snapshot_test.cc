#include "stream/state_snapshot.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

const TopicPartition kFirst{"events", PartitionId(0)};
const TopicPartition kSecond{"events", PartitionId(1)};

StateSnapshot example() {
  return {.job = "minutes",
          .state_version = 3,
          .offsets = {{kFirst, Offset(42)}, {kSecond, Offset(7)}},
          .payload = "abc"};
}

TEST(StateSnapshot, ComesBackAsItWas) {
  EXPECT_EQ(decode_snapshot(encode_snapshot(example())).value(), example());
  EXPECT_EQ(decode_snapshot(encode_snapshot({})).value(), StateSnapshot());
  StateSnapshot large = example();
  large.payload.assign(300'000, '\0');
  EXPECT_EQ(decode_snapshot(encode_snapshot(large)).value(), large);
}

/// The example of docs/formats/state-snapshot.md.
TEST(StateSnapshot, HasTheDocumentedBytes) {
  const StateSnapshot snapshot{
      .job = "minutes", .state_version = 3, .offsets = {{kFirst, Offset(42)}}, .payload = "abc"};
  const auto bytes = encode_snapshot(snapshot);
  EXPECT_EQ(bytes.substr(0, 8), "MRSTATE1");
  EXPECT_EQ(
      bytes.substr(12),
      "\x01\0\0\0\x03\0\0\0\x07\0\0\0minutes\x01\0\0\0\0\0\0\0\x06\0\0\0events\0\0\0\0\x2a\0\0\0\0\0\0\0"
      "\x03\0\0\0\0\0\0\0"s
      "abc"s);
}

TEST(StateSnapshot, NoticesEveryFlippedBit) {
  const auto bytes = encode_snapshot(example());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_EQ(decode_snapshot(damaged).error().code, Code::kCorrupt) << at << "." << bit;
    }
  }
}

TEST(StateSnapshot, NoticesEveryCutAndAnythingBehind) {
  const auto bytes = encode_snapshot(example());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_snapshot(bytes.substr(0, size)));
  EXPECT_FALSE(decode_snapshot(bytes + "x"));
}

TEST(StateSnapshot, NoticesRandomDamage) {
  std::mt19937_64 random(1);
  StateSnapshot snapshot = example();
  for (int i = 0; i < 500; ++i) snapshot.payload += static_cast<char>(random());
  const auto bytes = encode_snapshot(snapshot);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = bytes;
    const auto at = random() % damaged.size();
    const auto length = std::min<std::size_t>(1 + random() % 64, damaged.size() - at);
    switch (random() % 4) {
      case 0:
        damaged.erase(at, length);
        break;
      case 1:
        damaged.insert(at, length, static_cast<char>(random()));
        break;
      case 2:
        damaged.replace(at, length, length, '\0');
        break;
      default:
        for (std::size_t b = at; b < at + length; ++b) damaged[b] = static_cast<char>(random());
    }
    if (damaged == bytes) continue;
    ASSERT_FALSE(decode_snapshot(damaged)) << i;
  }
}

/// Lengths that a checksum vouches for may still be nonsense, when another program wrote them.
TEST(StateSnapshot, NeverReadsBeyondItsBytes) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 80, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : 0);
    StateReader in(bytes);
    while (in.ok() && in.left() > 0) {
      const auto count = in.count(8);
      EXPECT_LE(count, bytes.size() / 8);
      EXPECT_LE(in.text().size(), bytes.size());
      EXPECT_LE(in.raw(in.u32()).size(), bytes.size());
    }
    if (in.ok()) continue;
    EXPECT_EQ(in.u64(), 0u);
    EXPECT_EQ(in.text(), "");
  }
}

class UsableSnapshotTest : public testing::Test {
 protected:
  UsableSnapshotTest() { EXPECT_TRUE(env_.make_dirs("/s")); }

  bool usable(std::string_view job = "minutes", std::uint32_t version = 3,
              const std::map<TopicPartition, Offset>& committed = {{kFirst, Offset(42)},
                                                                   {kSecond, Offset(8)}}) {
    testing::internal::CaptureStderr();
    const auto snapshot = usable_snapshot(env_, kPath, job, version, committed);
    said_ = testing::internal::GetCapturedStderr();
    return snapshot && *snapshot == example();
  }

  const Path kPath = "/s/minutes.state";
  FaultEnv env_;
  std::string said_;
};

TEST_F(UsableSnapshotTest, SaysNothingWhenThereIsNone) {
  EXPECT_FALSE(usable());
  EXPECT_EQ(said_, "");
}

TEST_F(UsableSnapshotTest, GivesWhatWasWritten) {
  ASSERT_TRUE(write_snapshot(env_, kPath, example()));
  EXPECT_TRUE(usable());
  EXPECT_EQ(said_, "");
  env_.power_loss(1);
  EXPECT_TRUE(usable());
}

TEST_F(UsableSnapshotTest, TellsWhyItGivesNone) {
  ASSERT_TRUE(write_snapshot(env_, kPath, example()));
  EXPECT_FALSE(usable("hours"));
  EXPECT_THAT(said_, HasSubstr("of the job 'minutes'"));
  EXPECT_FALSE(usable("minutes", 4));
  EXPECT_THAT(said_, HasSubstr("version 3"));
  EXPECT_FALSE(usable("minutes", 3, {{kFirst, Offset(41)}, {kSecond, Offset(8)}}));
  EXPECT_THAT(said_, HasSubstr("ahead of the output in partition 0 of events"));
  EXPECT_FALSE(usable("minutes", 3, {{kFirst, Offset(42)}}));
  env_.flip_bits(kPath, 50, 4);
  EXPECT_FALSE(usable());
  EXPECT_THAT(said_, HasSubstr("rebuilding it from the log"));
  EXPECT_THAT(said_, HasSubstr("checksum"));
}

TEST_F(UsableSnapshotTest, RefusesAnotherFormat) {
  auto bytes = encode_snapshot(example());
  bytes[7] = '2';
  ASSERT_TRUE(write_file_atomically(env_, kPath, bytes));
  EXPECT_FALSE(usable());
  EXPECT_THAT(said_, HasSubstr("not a state snapshot"));
}

}  // namespace
}  // namespace millrace
