#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FaultEnvTest : public ::testing::Test {
 protected:
  FaultEnvTest() {
    EXPECT_TRUE(env_.make_dirs("/d"));
    EXPECT_TRUE(env_.sync_dir("/"));
  }

  static std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

  std::unique_ptr<File> open(const char* path) { return env_.open(path, OpenMode::kCreate).value(); }

  /// Make a file that is durable with all its bytes.
  void make(const char* path, std::string_view content) {
    ASSERT_TRUE(write_file_atomically(env_, path, content));
  }

  std::string content(const char* path) { return read_file(env_, path).value_or("?"); }

  FaultEnv env_;
};

TEST_F(FaultEnvTest, WhatIsSyncedStays) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    make("/d/a", "first");
    auto file = open("/d/a");
    ASSERT_TRUE(file->write_at(5, bytes(" second")));
    ASSERT_TRUE(file->sync());
    env_.power_loss(seed);
    EXPECT_EQ(content("/d/a"), "first second");
    EXPECT_EQ(file->write_at(0, bytes("x")).error().code, Code::kIo) << "files do not survive";
  }
}

TEST_F(FaultEnvTest, WhatIsNotSyncedMayStayGoOrTear) {
  const std::string before(2'000, 'a');
  const std::string after(2'000, 'b');
  int kept = 0, gone = 0, torn = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    make("/d/a", before);
    ASSERT_TRUE(open("/d/a")->write_at(0, bytes(after)));
    env_.power_loss(seed);
    const std::string now = content("/d/a");
    ++(now == after ? kept : now == before ? gone : torn);
  }
  EXPECT_GT(kept, 20);
  EXPECT_GT(gone, 20);
  EXPECT_GT(torn, 20);
}

TEST_F(FaultEnvTest, TearingLeavesTheUnchangedBytesBeforeAlone) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    make("/d/a", "durable");
    ASSERT_TRUE(open("/d/a")->write_at(7, bytes(std::string(300, 'x'))));
    env_.power_loss(seed);
    EXPECT_EQ(content("/d/a").substr(0, 7), "durable");
  }
}

TEST_F(FaultEnvTest, SizesAreLostLikeBytes) {
  int kept = 0, gone = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    make("/d/a", "12345");
    ASSERT_TRUE(open("/d/a")->truncate(2));
    env_.power_loss(seed);
    ++(content("/d/a").size() == 2 ? kept : gone);
  }
  EXPECT_GT(kept, 10);
  EXPECT_GT(gone, 10);
}

TEST_F(FaultEnvTest, NamesAreLostUntilTheirDirectoryIsSynced) {
  int kept = 0, gone = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ASSERT_TRUE(open("/d/new")->sync());
    env_.power_loss(seed);
    ++(env_.exists("/d/new") ? kept : gone);
    std::ignore = env_.remove("/d/new");
    ASSERT_TRUE(env_.sync_dir("/d"));
  }
  EXPECT_GT(kept, 10);
  EXPECT_GT(gone, 10);
  ASSERT_TRUE(open("/d/new")->sync());
  ASSERT_TRUE(env_.sync_dir("/d"));
  for (std::uint64_t seed = 0; seed < 20; ++seed) env_.power_loss(seed);
  EXPECT_TRUE(env_.exists("/d/new"));
}

TEST_F(FaultEnvTest, RenameIsAllOrNothing) {
  int renamed = 0, not_renamed = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    make("/d/a", "old");
    make("/d/b", "new");
    ASSERT_TRUE(env_.rename("/d/b", "/d/a"));
    EXPECT_THAT(env_.list_dir("/d").value(), ElementsAre("a"));
    env_.power_loss(seed);
    ++(env_.exists("/d/b") ? not_renamed : renamed);
    EXPECT_EQ(content("/d/a"), env_.exists("/d/b") ? "old" : "new");
  }
  EXPECT_GT(renamed, 10);
  EXPECT_GT(not_renamed, 10);
}

TEST_F(FaultEnvTest, DirectoryMovesWithWhatIsInIt) {
  ASSERT_TRUE(env_.make_dirs("/d/x/y"));
  ASSERT_TRUE(open("/d/x/y/f")->write_at(0, bytes("f")));
  EXPECT_EQ(env_.remove("/d/x").error().code, Code::kExists);
  ASSERT_TRUE(env_.rename("/d/x", "/d/z"));
  EXPECT_EQ(content("/d/z/y/f"), "f");
  EXPECT_FALSE(env_.exists("/d/x/y/f"));
}

TEST_F(FaultEnvTest, FileInADirectoryMadeDurableLaterIsThere) {
  ASSERT_TRUE(env_.make_dirs("/d/sub"));
  make("/d/sub/f", "f");
  ASSERT_TRUE(env_.sync_dir("/d"));
  env_.power_loss(1);
  EXPECT_EQ(content("/d/sub/f"), "f");
}

TEST_F(FaultEnvTest, FailedSyncLosesPagesForGood) {
  int lost = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    make("/d/a", "before");
    auto file = open("/d/a");
    ASSERT_TRUE(file->write_at(0, bytes("after!")));
    env_.fail_sync(0);
    EXPECT_EQ(file->sync().error().code, Code::kIo);
    EXPECT_EQ(content("/d/a"), "after!") << "programs still see the page";
    ASSERT_TRUE(file->sync()) << "and a second sync claims success";
    env_.power_loss(seed);
    lost += content("/d/a") == "before" ? 1 : 0;
  }
  EXPECT_GT(lost, 5);
}

TEST_F(FaultEnvTest, IgnoredSyncMakesNothingDurable) {
  for (const bool dirs : {false, true}) {
    int lost = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      env_.set_ignore_sync(false, false);
      make("/d/a", "before");
      env_.set_ignore_sync(!dirs, dirs);
      ASSERT_TRUE(write_file_atomically(env_, "/d/a", "after"));
      env_.power_loss(seed);
      lost += content("/d/a") == "after" ? 0 : 1;
    }
    EXPECT_GT(lost, 5);
  }
}

TEST_F(FaultEnvTest, SpaceRunsOutAndComesBack) {
  env_.set_space(1'024);
  auto file = open("/d/a");
  EXPECT_TRUE(file->write_at(0, bytes(std::string(600, 'x'))));
  EXPECT_EQ(file->write_at(600, bytes(std::string(600, 'y'))).error().code, Code::kNoSpace);
  EXPECT_EQ(file->size().value(), 1'024u) << "a part was written";
  EXPECT_TRUE(file->write_at(0, bytes(std::string(1'024, 'z')))) << "overwriting takes none";
  EXPECT_EQ(file->preallocate(2'000).error().code, Code::kNoSpace);
  EXPECT_EQ(env_.free_bytes("/d").value(), 0u);
  ASSERT_TRUE(env_.remove("/d/a"));
  EXPECT_EQ(env_.free_bytes("/d").value(), 1'024u);
}

TEST_F(FaultEnvTest, InjectedFailuresHappenOnceAndWhereTold) {
  auto file = open("/d/a");
  env_.fail_write(1);
  EXPECT_TRUE(file->write_at(0, bytes("1")));
  EXPECT_EQ(file->write_at(0, bytes("2")).error().code, Code::kIo);
  EXPECT_TRUE(file->write_at(0, bytes("3")));
  env_.set_read_only(true);
  EXPECT_EQ(file->write_at(0, bytes("4")).error().code, Code::kDenied);
  EXPECT_EQ(env_.open("/d/b", OpenMode::kCreate).error().code, Code::kDenied);
  EXPECT_EQ(content("/d/a"), "3");
}

TEST_F(FaultEnvTest, DeadProcessChangesNothingMore) {
  auto file = open("/d/a");
  env_.die_after(1);
  EXPECT_TRUE(file->write_at(0, bytes("1")));
  EXPECT_EQ(file->write_at(0, bytes("2")).error().code, Code::kIo);
  EXPECT_EQ(env_.remove("/d/a").error().code, Code::kIo);
  env_.restart_process();
  EXPECT_EQ(content("/d/a"), "1");
  EXPECT_TRUE(env_.remove("/d/a"));
  EXPECT_THAT(env_.list_dir("/d").value(), IsEmpty());
}

TEST_F(FaultEnvTest, LockIsHeldUntilReleasedOrTheEnd) {
  auto held = env_.lock("/d/LOCK");
  ASSERT_TRUE(held);
  EXPECT_EQ(env_.lock("/d/LOCK").error().code, Code::kExists);
  held->reset();
  EXPECT_TRUE(env_.lock("/d/LOCK"));
  auto again = env_.lock("/d/LOCK");
  ASSERT_TRUE(again);
  env_.restart_process();
  EXPECT_TRUE(env_.lock("/d/LOCK"));
}

TEST_F(FaultEnvTest, ClocksMoveAsTold) {
  const TimeUs began_us = env_.now();
  env_.sleep_for(kSecondUs);
  env_.jump(-kHourUs);
  EXPECT_EQ(env_.now(), began_us + kSecondUs - kHourUs);
  EXPECT_EQ(env_.steady_now(), kSecondUs);
}

TEST_F(FaultEnvTest, FlippedBitsAndCutFilesAreDurable) {
  make("/d/a", "abc");
  env_.flip_bits("/d/a", 1, 1);
  EXPECT_EQ(content("/d/a"), "acc");
  env_.cut_file("/d/a", 2);
  env_.power_loss(3);
  EXPECT_EQ(content("/d/a"), "ac");
}

}  // namespace
}  // namespace millrace
