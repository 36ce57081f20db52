#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/fault_env_testing.h"
#include "lake/env_vfs_testing.h"
#include "lake/local_object_store.h"
#include "lake/manifest.h"
#include "log/segment_log.h"
#include "stream/archive_job.h"

namespace millrace {

/// What happens to a simulated archive besides its work.
struct ArchiveSimulationOptions {
  int lives = 4;                ///< how often the process ends
  int steps_max = 120;          ///< in each life
  bool inject_failures = true;  ///< EIO, full disk
  // Mutants: each must make the check fail.
  bool transactions = true;
  bool ignore_sync = false;
};

/// Small, so that files are cut and hours closed after a few steps.
ArchiveJobOptions small_archive_options();

/// All that archiving needs, in a FaultEnv and without threads.
struct ArchiveWorld {
  explicit ArchiveWorld(std::uint64_t seed);

  /// Open log, store, manifest and job (not started). Return what is wrong.
  std::optional<std::string> open(bool transactions = true);
  void close();

  /// Append and commit a batch of `count` records with random contents, received `age` ago.
  void append(std::mt19937_64& random, std::uint64_t count, DurationUs age);

  /// Step the job until it has nothing more to do; false after an error.
  bool run();

  /// Return every object of the lake with its bytes.
  std::map<std::string, std::string> objects();

  FaultEnv env;
  EnvVfs vfs;
  std::unique_ptr<SegmentLog> log;
  std::unique_ptr<LocalObjectStore> store;
  std::unique_ptr<Manifest> manifest;
  std::unique_ptr<ArchiveJob> job;
};

/// Runs an archive job on a log in a FaultEnv, ends the process at random moments, opens all again and checks
/// - that the directory, as a stranger would list it, holds no torn file and no record twice, at any end;
/// - that the archive gives back exactly what the log had, each record once, up to the job's position;
/// - that retention deleted nothing else, and that no file is left over.
class ArchiveSimulation {
 public:
  ArchiveSimulation(std::uint64_t seed, const ArchiveSimulationOptions& options);

  /// Return what is wrong, or nothing.
  std::optional<std::string> run();

  /// Return how many records were found in the archive, and how many files were brought together.
  std::uint64_t records_verified() const { return records_verified_; }

 private:
  struct Kept {
    std::string key, attributes, value;
    TimeUs time = 0;
    std::uint32_t count = 0;

    bool operator==(const Kept&) const = default;
  };

  void live();
  void step();
  void end_process();
  void finish();
  void note_log();
  void check_directory();
  void check_archive();
  void check_partition(const TopicPartition& name);
  void check_no_orphans();
  void wrong(const std::string& what);
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  const ArchiveSimulationOptions options_;
  std::mt19937_64 random_;
  ArchiveWorld world_;
  std::map<TopicPartition, std::map<std::uint64_t, Kept>> oracle_;  ///< all that ever was durable in the log
  std::uint64_t records_verified_ = 0;
  std::optional<std::string> wrong_;
};

}  // namespace millrace
