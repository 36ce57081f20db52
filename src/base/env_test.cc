#include "base/env.h"

#include <array>
#include <cstdlib>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EnvTest : public ::testing::Test {
 protected:
  EnvTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-env-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  ~EnvTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  static std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

  Env& env_ = Env::system();
  Path dir_;
};

TEST_F(EnvTest, FileIsWrittenReadResizedAndGrown) {
  auto file = env_.open(dir_ / "a", OpenMode::kCreate).value();
  ASSERT_TRUE(file->write_at(4, bytes("data")));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size().value(), 8u);
  std::array<std::byte, 16> into;
  EXPECT_EQ(file->read_at(6, into).value(), 2u);
  EXPECT_EQ(file->read_at(8, into).value(), 0u);
  EXPECT_EQ(file->read_at(0, into).value(), 8u);
  EXPECT_EQ(into[0], std::byte{0});
  ASSERT_TRUE(file->truncate(5));
  ASSERT_TRUE(file->preallocate(10'000));
  ASSERT_TRUE(file->preallocate(100));
  EXPECT_EQ(file->size().value(), 10'000u);
  EXPECT_EQ(file->read_at(4, std::span(into).first(2)).value(), 2u);
  EXPECT_EQ(into[0], std::byte{'d'});
  EXPECT_EQ(into[1], std::byte{0});
}

TEST_F(EnvTest, OpenKeepsWhatIsThereAndSaysWhatIsNot) {
  ASSERT_TRUE(env_.open(dir_ / "a", OpenMode::kCreate).value()->write_at(0, bytes("x")));
  EXPECT_EQ(env_.open(dir_ / "a", OpenMode::kCreate).value()->size().value(), 1u);
  const auto missing = env_.open(dir_ / "b", OpenMode::kReadWrite);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().where, (dir_ / "b").string());
}

TEST_F(EnvTest, DirectoriesAreMadeListedRenamedAndRemoved) {
  ASSERT_TRUE(env_.make_dirs(dir_ / "x" / "y"));
  ASSERT_TRUE(env_.make_dirs(dir_ / "x" / "y"));
  ASSERT_TRUE(env_.open(dir_ / "x" / "b", OpenMode::kCreate));
  ASSERT_TRUE(env_.open(dir_ / "x" / "a", OpenMode::kCreate));
  EXPECT_THAT(env_.list_dir(dir_ / "x").value(), ElementsAre("a", "b", "y"));
  ASSERT_TRUE(env_.rename(dir_ / "x" / "a", dir_ / "x" / "b"));
  ASSERT_TRUE(env_.sync_dir(dir_ / "x"));
  EXPECT_EQ(env_.remove(dir_ / "x").error().code, Code::kExists);
  ASSERT_TRUE(env_.remove(dir_ / "x" / "b"));
  ASSERT_TRUE(env_.remove(dir_ / "x" / "y"));
  ASSERT_TRUE(env_.remove(dir_ / "x"));
  EXPECT_FALSE(env_.exists(dir_ / "x"));
  EXPECT_EQ(env_.list_dir(dir_ / "x").error().code, Code::kNotFound);
  EXPECT_EQ(env_.remove(dir_ / "x").error().code, Code::kNotFound);
  EXPECT_EQ(env_.rename(dir_ / "p", dir_ / "q").error().code, Code::kNotFound);
  EXPECT_EQ(env_.sync_dir(dir_ / "x").error().code, Code::kNotFound);
}

/// Make a file as a user that may not write everywhere: root does it as nobody. The bare system call
/// changes the user of its thread alone.
Result<std::unique_ptr<File>> create_without_root(Env& env, const Path& path) {
  constexpr uid_t kNobody = 65534, kUnchanged = static_cast<uid_t>(-1);
  Result<std::unique_ptr<File>> made = fail(Code::kInternal, "cannot become another user");
  std::thread([&] {
    if (::geteuid() != 0 || ::syscall(SYS_setresuid, kUnchanged, kNobody, kUnchanged) == 0)
      made = env.open(path, OpenMode::kCreate);
  }).join();
  return made;
}

TEST_F(EnvTest, ReadOnlyDirectoryIsDenied) {
  ::chmod(dir_.c_str(), 0777);
  ASSERT_TRUE(create_without_root(env_, dir_ / "a"));
  ::chmod(dir_.c_str(), 0555);
  const auto made = create_without_root(env_, dir_ / "b");
  ::chmod(dir_.c_str(), 0755);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kDenied);
  EXPECT_THAT(made.error().message, HasSubstr("permissions"));
}

TEST_F(EnvTest, FullDeviceIsNoSpace) {
  auto full = env_.open("/dev/full", OpenMode::kReadWrite);
  if (!full) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ((*full)->write_at(0, bytes("x")).error().code, Code::kNoSpace);
}

TEST_F(EnvTest, LockIsHeldOnceEvenInOneProcess) {
  auto first = env_.lock(dir_ / "LOCK");
  ASSERT_TRUE(first);
  const auto second = env_.lock(dir_ / "LOCK");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kExists);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
  first->reset();
  EXPECT_TRUE(env_.lock(dir_ / "LOCK"));
}

TEST_F(EnvTest, ReadFileGivesAllOfItUpToTheLimit) {
  const std::string content(100'000, 'z');
  ASSERT_TRUE(write_file_atomically(env_, dir_ / "f", content));
  EXPECT_EQ(read_file(env_, dir_ / "f").value(), content);
  EXPECT_EQ(read_file(env_, dir_ / "f", content.size()).value(), content);
  EXPECT_EQ(read_file(env_, dir_ / "f", content.size() - 1).error().code, Code::kInvalid);
  EXPECT_EQ(read_file(env_, dir_ / "g").error().code, Code::kNotFound);
  EXPECT_EQ(read_file(env_, dir_).error().code, Code::kInvalid);
  EXPECT_FALSE(read_file(env_, "/proc/self/status").value().empty());
}

TEST_F(EnvTest, WriteFileAtomicallyReplacesAndLeavesNothingBeside) {
  ASSERT_TRUE(write_file_atomically(env_, dir_ / "f", "long content"));
  ASSERT_TRUE(write_file_atomically(env_, dir_ / "f", ""));
  EXPECT_EQ(read_file(env_, dir_ / "f").value(), "");
  EXPECT_THAT(env_.list_dir(dir_).value(), ElementsAre("f"));
  ASSERT_TRUE(env_.make_dirs(dir_ / "d" / "e"));
  EXPECT_FALSE(write_file_atomically(env_, dir_ / "d", "a directory is in the way"));
  EXPECT_THAT(env_.list_dir(dir_).value(), ElementsAre("d", "f"));
}

TEST_F(EnvTest, APrivateFileIsNobodyElses) {
  const auto rights = [&](const char* name) {
    return std::filesystem::status(dir_ / name).permissions() & std::filesystem::perms::mask;
  };
  constexpr auto kOwner = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  ASSERT_TRUE(env_.open(dir_ / "a", OpenMode::kCreatePrivate));
  EXPECT_EQ(rights("a"), kOwner);
  // What a process that died left behind, open to all, is not taken as it is.
  ASSERT_TRUE(env_.open(dir_ / "f.tmp", OpenMode::kCreate));
  ::chmod((dir_ / "f.tmp").c_str(), 0644);
  ASSERT_TRUE(write_file_atomically(env_, dir_ / "f", "secret", OpenMode::kCreatePrivate));
  EXPECT_EQ(rights("f"), kOwner);
}

TEST_F(EnvTest, ClocksRunAndRandomBytesDiffer) {
  const DurationUs before_us = env_.steady_now();
  env_.sleep_for(2 * kMillisecondUs);
  EXPECT_GE(env_.steady_now() - before_us, 2 * kMillisecondUs);
  EXPECT_GT(env_.now(), 1'700'000'000 * kSecondUs);
  std::set<std::array<std::byte, 16>> seen;
  for (int i = 0; i < 100; ++i) {
    std::array<std::byte, 16> bytes{};
    env_.random_bytes(bytes);
    seen.insert(bytes);
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_GT(env_.free_bytes(dir_).value(), 0u);
}

}  // namespace
}  // namespace millrace
