#include <cstdlib>

#include <gtest/gtest.h>

#include "log/log_simulation_testing.h"

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
int run_seeds(std::uint64_t seeds, const SimulationOptions& options, bool report) {
  int failures = 0;
  std::uint64_t verified = 0;
  for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds; ++seed) {
    LogSimulation simulation(seed, options);
    const auto wrong = simulation.run();
    verified += simulation.records_verified();
    if (!wrong) continue;
    if (report && failures < 5) ADD_FAILURE() << "seed " << seed << ": " << *wrong;
    ++failures;
  }
  EXPECT_TRUE(!report || verified > seeds) << "the simulation hardly does anything";
  return failures;
}

TEST(SegmentLogPower, NoEndOfAnyKindLosesWhatWasAcknowledged) {
  EXPECT_EQ(run_seeds(seed_count(1'500), {}, true), 0);
}

TEST(SegmentLogPower, LossWithoutOtherFailuresLosesNothingAcknowledged) {
  const SimulationOptions options{.lives = 5, .power_losses_of_4 = 4, .inject_failures = false};
  EXPECT_EQ(run_seeds(seed_count(600), options, true), 0);
}

TEST(SegmentLogPower, MutantThatNeverSyncsFilesIsFound) {
  const SimulationOptions mutant{.power_losses_of_4 = 4, .inject_failures = false, .ignore_file_sync = true};
  EXPECT_GT(run_seeds(100, mutant, false), 60) << "a log that does not sync passes for one that does";
}

TEST(SegmentLogPower, MutantThatNeverSyncsDirectoriesIsFound) {
  const SimulationOptions mutant{.power_losses_of_4 = 4, .inject_failures = false, .ignore_dir_sync = true};
  EXPECT_GT(run_seeds(100, mutant, false), 60) << "a log that does not sync passes for one that does";
}

}  // namespace
}  // namespace millrace
