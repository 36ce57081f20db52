#include "warehouse/message_ids.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

const TopicPartition kEvents{"events", PartitionId(0)};

Hash128 id_of(std::uint64_t number) {
  return hash128(std::to_string(number));
}

/// A run of `count` ids, the i-th received i seconds after noon.
std::vector<KnownId> known_ids(std::uint64_t count) {
  std::vector<KnownId> ids;
  for (std::uint64_t i = 0; i < count; ++i)
    ids.push_back({id_of(i), kTestDay + static_cast<TimeUs>(i) * kSecondUs});
  std::ranges::sort(ids);
  return ids;
}

class IdRunTest : public testing::Test {
 protected:
  IdRunTest() { EXPECT_TRUE(env_.make_dirs("/ids") && env_.sync_dir("/") && env_.sync_dir("/ids")); }
  FaultEnv env_;
  const Path path_ = "/ids/1.ids";
  const IdRunFacts facts_{
      .sequence = 7, .complete_since = kTestDay - 5, .positions = {{kEvents, Offset(42)}}};
};

TEST_F(IdRunTest, HoldsWhatItWasGivenAndNothingElse) {
  for (const std::uint64_t count : {1, 169, 170, 171, 340, 5'000}) {
    ASSERT_TRUE(IdRun::write(env_, path_, facts_, known_ids(count)));
    const auto run = IdRun::open(env_, path_);
    ASSERT_TRUE(run) << run.error().text();
    IdRunFacts facts = facts_;
    facts.ids = count;
    facts.oldest = kTestDay;
    facts.newest = kTestDay + static_cast<TimeUs>(count - 1) * kSecondUs;
    EXPECT_EQ(run->facts(), facts);
    std::uint64_t maybe = 0;
    for (std::uint64_t i = 0; i < count + 20'000; ++i) {
      const TimeUs time = kTestDay + static_cast<TimeUs>(i) * kSecondUs;
      ASSERT_EQ(*run->holds(id_of(i), time - 1, time), i < count) << i;
      ASSERT_FALSE(*run->holds(id_of(i), time + 1, kTimeMax)) << i;
      ASSERT_TRUE(i >= count || run->may_hold(IdProbe(id_of(i)))) << i;
      maybe += i >= count && run->may_hold(IdProbe(id_of(i)));
    }
    EXPECT_LE(maybe, 100u);  // of 20,000
  }
}

TEST_F(IdRunTest, OneIdAtManyTimesIsFoundAtEach) {
  std::vector<KnownId> ids = known_ids(50);
  for (int hour = 0; hour < 1'000; ++hour) ids.push_back({id_of(7), kTestDay + kDayUs + hour * kHourUs});
  std::ranges::sort(ids);
  ASSERT_TRUE(IdRun::write(env_, path_, facts_, ids));
  const auto run = IdRun::open(env_, path_);
  for (int hour = 0; hour < 1'000; ++hour) {
    const TimeUs time = kTestDay + kDayUs + hour * kHourUs;
    ASSERT_TRUE(*run->holds(id_of(7), time, time)) << hour;
    ASSERT_FALSE(*run->holds(id_of(7), time + 1, time + kHourUs - 1)) << hour;
  }
}

TEST_F(IdRunTest, EveryFlippedByteIsSeenAndNothingWrongIsAnswered) {
  const auto ids = known_ids(400);
  ASSERT_TRUE(IdRun::write(env_, path_, facts_, ids));
  const auto bytes = *(*env_.open(path_, OpenMode::kRead))->size();
  for (std::uint64_t at = 0; at < bytes; at += at < bytes - 200 ? 37 : 1) {
    env_.flip_bits(path_, at, 0x10);
    const auto run = IdRun::open(env_, path_);
    bool seen = !run && run.error().code == Code::kCorrupt;
    for (std::uint64_t i = 0; run && i < 400; ++i) {
      const auto held = run->holds(id_of(i), kTimeMin, kTimeMax);
      seen |= !held && held.error().code == Code::kCorrupt;
      ASSERT_TRUE(!held || *held) << at;
    }
    ASSERT_TRUE(seen) << at;
    env_.flip_bits(path_, at, 0x10);
  }
  EXPECT_TRUE(IdRun::open(env_, path_));
}

TEST_F(IdRunTest, ACutFileIsSeen) {
  ASSERT_TRUE(IdRun::write(env_, path_, facts_, known_ids(400)));
  for (auto bytes = *(*env_.open(path_, OpenMode::kRead))->size(); bytes > 0;
       bytes -= std::min(bytes, 61ul)) {
    env_.cut_file(path_, bytes - 1);
    const auto run = IdRun::open(env_, path_);
    ASSERT_FALSE(run);
    ASSERT_EQ(run.error().code, Code::kCorrupt);
  }
}

TEST_F(IdRunTest, IsThereWholeOrNotAtAllAfterALossOfPower) {
  const auto ids = known_ids(3'000);
  int whole = 0, absent = 0;
  for (std::uint64_t after = 0; after < 14; ++after) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      FaultEnv env(seed);
      ASSERT_TRUE(env.make_dirs("/ids") && env.sync_dir("/") && env.sync_dir("/ids"));
      env.die_after(after);
      const auto written = IdRun::write(env, path_, facts_, ids);
      env.power_loss(seed);
      const auto run = IdRun::open(env, path_);
      ASSERT_TRUE(run || run.error().code == Code::kNotFound) << after << run.error().text();
      ASSERT_TRUE(run || !written);
      for (std::uint64_t i = 0; run && i < 3'000; i += 7)
        ASSERT_TRUE(*run->holds(id_of(i), kTimeMin, kTimeMax));
      ++(run ? whole : absent);
    }
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(absent, 0);
}

/// Ids of which 100 are young, in a directory that survives.
class MessageIdsTest : public testing::Test {
 protected:
  void open(std::size_t ids_max, std::uint64_t committed) {
    ids_ = std::make_unique<MessageIds>(
        env_, "/data/ids",
        MessageIdsOptions{.window = kDayUs, .ids_max = ids_max, .young_max = 100, .spare_bytes = 0});
    const auto positions = ids_->open(at(committed));
    ASSERT_TRUE(positions) << positions.error().text();
    const auto found = positions->find(kEvents);
    from_ = found == positions->end() ? 0 : found->second.value();
  }
  /// Open and restore as the warehouse would: the events with the numbers `oldest` up to `committed`.
  void start(std::size_t ids_max, std::uint64_t committed, std::uint64_t oldest = 0) {
    open(ids_max, committed);
    for (auto i = std::max(from_, oldest); i < committed; ++i) ids_->restore(id_of(i), time_of(i));
    ids_->restored(at(committed));
  }
  /// Take in events `from` up to `to`, all of which must be new, ten in a transaction.
  void take(std::uint64_t from, std::uint64_t to, TimeUs horizon = kTimeMin) {
    for (auto i = from; i < to; ++i) {
      ASSERT_FALSE(*ids_->is_repeat(id_of(i), time_of(i))) << i;
      if (i % 10 == 9 || i + 1 == to) ids_->commit(horizon, at(i + 1));
    }
  }
  bool knows(std::uint64_t number) {
    const bool repeat = *ids_->is_repeat(id_of(number), time_of(number));
    ids_->rollback();
    return repeat;
  }
  void expect_known(std::uint64_t from, std::uint64_t to, bool known = true) {
    for (auto i = from; i < to; ++i) ASSERT_EQ(knows(i), known) << i;
  }
  std::vector<std::string> files() {
    auto names = env_.list_dir("/data/ids");
    return names ? *std::move(names) : std::vector<std::string>{};
  }
  static MessageIds::Positions at(std::uint64_t next) { return {{kEvents, Offset(next)}}; }
  static TimeUs time_of(std::uint64_t number) { return kTestDay + static_cast<TimeUs>(number) * kSecondUs; }

  FaultEnv env_;
  std::uint64_t from_ = 0;  ///< where the warehouse was to be read from
  std::unique_ptr<MessageIds> ids_;
};

TEST_F(MessageIdsTest, KnowsTheOnesOnDiskToo) {
  start(6'000, 0);
  take(0, 3'456);
  EXPECT_EQ(ids_->runs(), 34u);
  EXPECT_EQ(ids_->size(), 3'456u);
  expect_known(0, 3'456);
  expect_known(3'456, 5'000, false);
  EXPECT_EQ(ids_->complete_since(), kTimeMin);
}

TEST_F(MessageIdsTest, ARestartReadsOnlyWhatIsInNoRun) {
  start(6'000, 0);
  take(0, 1'234);
  start(6'000, 1'234);
  EXPECT_EQ(from_, 1'200u);
  expect_known(0, 1'234);
  take(1'234, 2'000);
  start(6'000, 2'000);
  EXPECT_EQ(from_, 2'000u);
  expect_known(0, 2'000);
}

TEST_F(MessageIdsTest, AtItsLimitTheOldestGoAndItSaysSo) {
  start(1'000, 0);
  take(0, 2'500);
  EXPECT_LE(ids_->size(), 1'000u);
  const auto lost = ids_->forgotten_early();
  EXPECT_EQ(lost, 2'500 - ids_->size());
  EXPECT_GE(ids_->size(), 900u);
  EXPECT_EQ(ids_->complete_since(), time_of(lost - 1));
  expect_known(lost, 2'500);
  expect_known(0, lost, false);
  start(1'000, 2'500);
  EXPECT_EQ(ids_->complete_since(), time_of(lost - 1));  // still
}

TEST_F(MessageIdsTest, WhatTheHorizonPassedGoesWithItsFile) {
  start(6'000, 0);
  take(0, 1'000);
  ids_->commit(time_of(650), at(1'000));
  EXPECT_EQ(ids_->runs(), 4u);
  EXPECT_EQ(files().size(), 4u);
  expect_known(600, 1'000);
  EXPECT_EQ(ids_->forgotten_early(), 0u);
  EXPECT_EQ(ids_->complete_since(), kTimeMin);
}

TEST_F(MessageIdsTest, AnIdIsNewAgainAfterTheWindowAlsoFromDisk) {
  start(6'000, 0);
  take(0, 1'000);
  EXPECT_TRUE(*ids_->is_repeat(id_of(7), time_of(7) + kDayUs));
  EXPECT_FALSE(*ids_->is_repeat(id_of(7), time_of(7) + kDayUs + 1));
  EXPECT_TRUE(*ids_->is_repeat(id_of(7), time_of(7) + kDayUs + 2));
  EXPECT_FALSE(*ids_->is_repeat(id_of(7), time_of(7) - kDayUs - 1));
}

TEST_F(MessageIdsTest, RunsOfAWarehouseThatIsBehindAreNotUsed) {
  start(6'000, 0);
  take(0, 1'000);
  start(6'000, 500);  // an older copy of the warehouse was put back
  EXPECT_EQ(from_, 0u);
  expect_known(0, 500);
  expect_known(500, 1'000, false);
  take(500, 1'500);
  start(6'000, 1'500);
  EXPECT_GT(from_, 0u);
  expect_known(0, 1'500);
}

TEST_F(MessageIdsTest, AMissingOrDamagedRunIsReplacedFromTheWarehouse) {
  for (const bool remove : {true, false}) {
    env_.restart_process();
    start(6'000, 0);
    take(0, 1'000);
    const Path victim = Path("/data/ids") / files()[3];
    if (remove) {
      ASSERT_TRUE(env_.remove(victim));
    } else {
      env_.flip_bits(victim, 4'200, 1);  // of its index
    }
    start(6'000, 1'000);
    EXPECT_EQ(from_, 0u);
    expect_known(0, 1'000);
    expect_known(1'000, 1'100, false);
    start(6'000, 1'000);
    EXPECT_EQ(from_, 1'000u);  // what was gathered anew is whole
    ids_.reset();
    for (const auto& name : files()) ASSERT_TRUE(env_.remove(Path("/data/ids") / name));
  }
}

TEST_F(MessageIdsTest, DamageFoundWhenReadingFailsAndIsMended) {
  start(6'000, 0);
  take(0, 1'000);
  for (const auto& name : files()) env_.flip_bits(Path("/data/ids") / name, 100, 1);
  const auto failed = ids_->is_repeat(id_of(7), time_of(7));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kIo);
  EXPECT_TRUE(ids_->damaged());
  const auto positions = ids_->open(at(1'000));
  ASSERT_TRUE(positions);
  EXPECT_TRUE(positions->empty());
  for (std::uint64_t i = 0; i < 1'000; ++i) ids_->restore(id_of(i), time_of(i));
  ids_->restored(at(1'000));
  EXPECT_FALSE(ids_->damaged());
  expect_known(0, 1'000);
}

TEST_F(MessageIdsTest, AGatheringThatWasCutOffBeginsAgain) {
  start(6'000, 0);
  open(6'000, 3'000);  // without its runs: all come from the warehouse
  for (std::uint64_t i = 0; i < 2'500; ++i) ids_->restore(id_of(i), time_of(i));
  EXPECT_GT(ids_->runs(), 0u);
  start(6'000, 3'000);  // killed in between
  EXPECT_EQ(from_, 0u);
  expect_known(0, 3'000);
  start(6'000, 3'000);
  EXPECT_EQ(from_, 3'000u);
  expect_known(0, 3'000);
}

TEST_F(MessageIdsTest, AFullDiskShortensTheWindowAndNothingElse) {
  start(6'000, 0);
  take(0, 500);
  env_.set_space(0);
  take(500, 1'500);  // none is taken for another, none stops the others
  EXPECT_LE(ids_->size(), 700u);
  EXPECT_GT(ids_->forgotten_early(), 0u);
  expect_known(1'450, 1'500);
  const auto lost_until = ids_->complete_since();
  EXPECT_GE(lost_until, kTestDay);
  env_.set_space({});
  take(1'500, 2'000);
  EXPECT_EQ(ids_->complete_since(), lost_until);  // it grows again from there
  start(6'000, 2'000);
  expect_known(1'800, 2'000);
  expect_known(2'000, 2'100, false);
}

// Killed, or without power, after every number of file operations: what the warehouse has is known, what it
// has not is new.
TEST_F(MessageIdsTest, AnyCrashLeavesNeitherFalseNorMissingIds) {
  for (std::uint64_t after = 0; after < 60; after += 1) {
    for (const bool power : {false, true}) {
      FaultEnv env(after);
      const auto make = [&] {
        return MessageIds(env, "/data/ids", {.ids_max = 6'000, .young_max = 100, .spare_bytes = 0});
      };
      std::uint64_t committed = 0;
      {
        auto ids = make();
        ASSERT_TRUE(ids.open({}));
        ids.restored({});
        env.die_after(after);
        for (; committed < 450; ++committed) {
          ASSERT_FALSE(*ids.is_repeat(id_of(committed), time_of(committed)));
          ids.commit(kTimeMin, at(committed + 1));
        }
      }
      power ? env.power_loss(after) : env.restart_process();
      auto ids = make();
      const auto positions = ids.open(at(committed));
      ASSERT_TRUE(positions) << positions.error().text();
      const auto from = positions->empty() ? 0 : positions->at(kEvents).value();
      for (auto i = from; i < committed; ++i) ids.restore(id_of(i), time_of(i));
      ids.restored(at(committed));
      for (std::uint64_t i = 0; i < committed; ++i)
        ASSERT_TRUE(*ids.is_repeat(id_of(i), time_of(i))) << after;
      for (std::uint64_t i = 0; i < 100; ++i)
        ASSERT_FALSE(*ids.is_repeat(id_of(committed + i), kTestDay)) << after;
    }
  }
}

}  // namespace
}  // namespace millrace
