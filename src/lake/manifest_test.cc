#include "lake/manifest.h"

#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "lake/env_vfs_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const LakePart kHour{"raw", "events", "year=2026/month=07/day=01/hour=09", {"events", PartitionId(1)}};

LakeFile file_of(std::uint64_t first, std::uint64_t last, const LakePart& part = kHour) {
  return {.part = part,
          .name = fmt::format("1-{}-{}.jsonl.zst", first, last),
          .first = Offset(first),
          .last = Offset(last),
          .records = last - first + 1,
          .raw_bytes = 1'000,
          .bytes = 100,
          .checksum = hash128(fmt::format("{}", first)),
          .created = 5};
}

LakePosition position_of(std::uint64_t next) {
  return {"archive", kHour.source, Offset(0), Offset(next), 7, next};
}

std::vector<std::string> names(const Result<std::vector<LakeFile>>& files) {
  std::vector<std::string> names;
  for (const auto& file : files.value()) names.push_back(file.name);
  return names;
}

class ManifestTest : public testing::Test {
 protected:
  void open(const ManifestOptions& options = {}) {
    manifest_.reset();
    auto opened = Manifest::open(dir_ / "manifest.sqlite", options);
    ASSERT_TRUE(opened) << opened.error().text();
    manifest_ = *std::move(opened);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  const Path dir_ = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-manifest-XXXXXX").string();
    return Path(::mkdtemp(pattern.data()));
  }();
  std::unique_ptr<Manifest> manifest_;
};

TEST_F(ManifestTest, RemembersFilesAndPositions) {
  open();
  EXPECT_EQ(manifest_->position("archive", kHour.source).value(), std::nullopt);
  ASSERT_TRUE(manifest_->apply({.add = {file_of(0, 9), file_of(10, 12)}, .positions = {position_of(13)}}));
  open();
  const auto files = manifest_->files(kHour).value();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].key(), "raw/events/year=2026/month=07/day=01/hour=09/1-0-9.jsonl.zst");
  EXPECT_EQ(files[0].checksum, hash128("0"));
  EXPECT_EQ(files[1].first, Offset(10));
  EXPECT_EQ(files[1].records, 3u);
  EXPECT_EQ(files[1].part, kHour);
  const auto position = manifest_->position("archive", kHour.source).value();
  ASSERT_TRUE(position);
  EXPECT_EQ(position->next, Offset(13));
  EXPECT_EQ(position->newest, 7);
  EXPECT_EQ(manifest_->position("archive", {"events", PartitionId(0)}).value(), std::nullopt);
}

TEST_F(ManifestTest, FindsTheFilesFromAnOffset) {
  open();
  ASSERT_TRUE(manifest_->apply({.add = {file_of(10, 19), file_of(0, 9), file_of(15, 30)}}));
  EXPECT_THAT(names(manifest_->files_from(kHour, Offset(10), 9)),
              ElementsAre("1-10-19.jsonl.zst", "1-15-30.jsonl.zst"));
  EXPECT_THAT(names(manifest_->files_from(kHour, Offset(0), 2)),
              ElementsAre("1-0-9.jsonl.zst", "1-10-19.jsonl.zst"));
  EXPECT_THAT(names(manifest_->files_from(kHour, Offset(31), 9)), ElementsAre());
}

TEST_F(ManifestTest, ReplacesFilesInTwoSteps) {
  open();
  ASSERT_TRUE(manifest_->apply({.add = {file_of(0, 9), file_of(10, 12)}}));
  LakeFile both = file_of(0, 12);
  both.state = LakeFileState::kStaged;
  ASSERT_TRUE(manifest_->apply({.add = {both}, .replace = {file_of(0, 9).key(), file_of(10, 12).key()}}));
  EXPECT_THAT(names(manifest_->files(kHour)), ElementsAre("1-0-12.jsonl.zst"));
  EXPECT_THAT(manifest_->files(kHour)->front().object_key(), testing::StartsWith("staging/raw/events/"));
  EXPECT_EQ(manifest_->unsettled()->size(), 3u);
  ASSERT_TRUE(
      manifest_->apply({.settle = {both.key()}, .forget = {file_of(0, 9).key(), file_of(10, 12).key()}}));
  EXPECT_EQ(manifest_->files(kHour)->front().object_key(), both.key());
  EXPECT_TRUE(manifest_->unsettled()->empty());
  EXPECT_THAT(manifest_->keys().value(), ElementsAre(both.key()));
}

TEST_F(ManifestTest, KnowsWhichPartsAreOpen) {
  open();
  LakePart later = kHour;
  later.path = "year=2026/month=07/day=01/hour=10";
  ASSERT_TRUE(manifest_->apply({.add = {file_of(0, 9), file_of(10, 12, later)}}));
  EXPECT_THAT(manifest_->open_parts(kHour).value(), ElementsAre(kHour, later));
  EXPECT_FALSE(manifest_->is_closed(kHour).value());
  ASSERT_TRUE(manifest_->apply({.close = kHour}));
  EXPECT_TRUE(manifest_->is_closed(kHour).value());
  EXPECT_THAT(manifest_->open_parts(kHour).value(), ElementsAre(later));
}

TEST_F(ManifestTest, OneProcessAtATime) {
  open();
  const auto second = Manifest::open(dir_ / "manifest.sqlite");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kExists);
}

TEST_F(ManifestTest, SaysWhatIsWrongWithAFileThatIsNone) {
  ASSERT_TRUE(write_file_atomically(Env::system(), dir_ / "manifest.sqlite", std::string(4'096, 'x')));
  const auto opened = Manifest::open(dir_ / "manifest.sqlite");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr("manifest"));
}

/// Apply numbered changes, each a file and the position behind it, until the process dies at a random moment;
/// then the position must be where the files end. Return what is wrong.
std::string die_at_random(std::uint64_t seed, bool transactions) {
  FaultEnv env(seed);
  const EnvVfs vfs(env);
  std::ignore = env.make_dirs("/data");
  std::ignore = env.sync_dir("/");
  const ManifestOptions options{vfs.name(), transactions};
  std::mt19937_64 random(seed);
  std::uint64_t acknowledged = 0;
  for (int life = 0; life < 3; ++life) {
    auto manifest = Manifest::open("/data/manifest.sqlite", options);
    if (!manifest) return manifest.error().text();
    const auto position = (*manifest)->position("archive", kHour.source);
    if (!position) return position.error().text();
    const std::uint64_t next = *position ? (*position)->next.value() : 0;
    if ((*manifest)->files(kHour)->size() != next) return "files and position differ";
    if (next < acknowledged) return fmt::format("{} was acknowledged, {} is there", acknowledged, next);
    env.die_after(random() % 120);
    for (std::uint64_t n = next; n < next + 12; ++n) {
      if (random() % 8 == 0) env.fail_sync(random() % 4);
      const ManifestChange change{.add = {file_of(n, n)}, .positions = {position_of(n + 1)}};
      Status done;
      for (int tries = 0; tries < 3 && !(done = (*manifest)->apply(change)); ++tries) {
      }
      if (!done) break;
      acknowledged = n + 1;
    }
    manifest->reset();
    if (random() % 2 == 0) {
      env.power_loss(random());
    } else {
      env.restart_process();
    }
  }
  return "";
}

TEST(ManifestPower, FilesAndPositionNeverPart) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed)
    ASSERT_EQ(die_at_random(seed, true), "") << "seed " << seed;
}

TEST(ManifestPower, AManifestWithoutTransactionsIsFound) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) found += die_at_random(seed, false).empty() ? 0 : 1;
  EXPECT_GT(found, 20);
}

}  // namespace
}  // namespace millrace
