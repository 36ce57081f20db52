#include <cstdlib>

#include <gtest/gtest.h>

#include "base/logging.h"
#include "stream/archive_simulation_testing.h"

namespace millrace {
namespace {

/// How many seeds to try: MILLRACE_SEEDS, or enough for every run of the tests.
std::uint64_t seed_count(std::uint64_t usual) {
  const char* wanted = std::getenv("MILLRACE_SEEDS");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

std::uint64_t first_seed() {
  const char* wanted = std::getenv("MILLRACE_FIRST_SEED");
  return wanted == nullptr ? 1 : std::strtoull(wanted, nullptr, 10);
}

/// Run all seeds; return how many went wrong, and report the first few.
int run_seeds(std::uint64_t seeds, const ArchiveSimulationOptions& options, bool report) {
  configure_logging(LogFormat::kText, LogLevel::kError);
  int failures = 0;
  std::uint64_t verified = 0;
  for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds; ++seed) {
    ArchiveSimulation simulation(seed, options);
    const auto wrong = simulation.run();
    verified += simulation.records_verified();
    if (!wrong) continue;
    if (report && failures < 5) ADD_FAILURE() << "seed " << seed << ": " << *wrong;
    ++failures;
  }
  EXPECT_TRUE(!report || verified > 10 * seeds) << "the simulation hardly does anything";
  configure_logging(LogFormat::kText, LogLevel::kInfo);
  return failures;
}

TEST(ArchiveSimulation, NoEndOfAnyKindLosesOrDoublesARecord) {
  EXPECT_EQ(run_seeds(seed_count(150), {}, true), 0);
}

TEST(ArchiveSimulation, NorWithoutOtherFailures) {
  EXPECT_EQ(run_seeds(seed_count(100), {.lives = 6, .inject_failures = false}, true), 0);
}

TEST(ArchiveSimulation, MutantThatSkipsTheTransactionIsFound) {
  EXPECT_GT(run_seeds(60, {.lives = 6, .inject_failures = false, .transactions = false}, false), 10);
}

TEST(ArchiveSimulation, MutantThatNeverSyncsIsFound) {
  EXPECT_GT(run_seeds(60, {.inject_failures = false, .ignore_sync = true}, false), 30);
}

/// Write the same log whatever happens to the archive: three hours, every record at its time.
void record_log(ArchiveWorld& world, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  ASSERT_EQ(world.open(), std::nullopt);
  for (int i = 0; i < 400; ++i) {
    world.append(random, random() % 4 + 1,
                 random() % 8 == 0 ? static_cast<DurationUs>(random() % kSecondUs) : 0);
    world.env.advance(static_cast<DurationUs>(random() % 55) * kSecondUs);
  }
  world.close();
  world.env.advance(3 * kHourUs);
}

/// Archive a log that is complete; every so often the process ends, `kills` times in all.
std::map<std::string, std::string> archive(ArchiveWorld& world, std::uint64_t seed, int kills) {
  std::mt19937_64 random(seed + 1'000);
  for (;;) {
    EXPECT_EQ(world.open(), std::nullopt);
    if (kills > 0) world.env.die_after(random() % 400);
    if (world.job->start() && world.run() && kills <= 0) break;
    --kills;
    world.env.die_after(0);
    world.close();
    if (random() % 2 == 0) {
      world.env.power_loss(random());
    } else {
      world.env.restart_process();
    }
  }
  return world.objects();
}

TEST(ArchiveSimulation, OneLogGivesTheSameFilesKilledAndUndisturbed) {
  configure_logging(LogFormat::kText, LogLevel::kError);
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    ArchiveWorld undisturbed(seed);
    ArchiveWorld killed(seed);
    record_log(undisturbed, seed);
    record_log(killed, seed);
    const auto expected = archive(undisturbed, seed, 0);
    const auto found = archive(killed, seed, 12);
    ASSERT_GT(expected.size(), 20u);
    ASSERT_EQ(found.size(), expected.size()) << "seed " << seed;
    for (const auto& [key, bytes] : expected) {
      ASSERT_TRUE(found.contains(key)) << "seed " << seed << ": " << key;
      EXPECT_TRUE(found.at(key) == bytes) << "seed " << seed << ": other bytes in " << key;
    }
  }
  configure_logging(LogFormat::kText, LogLevel::kInfo);
}

}  // namespace
}  // namespace millrace
