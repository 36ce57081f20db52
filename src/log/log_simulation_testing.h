#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/fault_env_testing.h"
#include "log/segment_log.h"

namespace millrace {

/// What happens to a simulated log besides its work.
struct SimulationOptions {
  int lives = 3;                  ///< how often the process ends
  int steps_max = 60;             ///< in each life
  int power_losses_of_4 = 3;      ///< else only the process ends, and its page cache stays
  bool inject_failures = true;    ///< EIO, full disk
  bool ignore_file_sync = false;  ///< mutants: each must make the check fail
  bool ignore_dir_sync = false;
};

/// Runs random work on a SegmentLog in a FaultEnv, without threads, ends it at a random moment, opens it
/// again and compares it with what it had acknowledged: an oracle of what must, may and must not be there.
class LogSimulation {
 public:
  LogSimulation(std::uint64_t seed, const SimulationOptions& options);
  ~LogSimulation();

  /// Return what is wrong, or nothing.
  std::optional<std::string> run();

  /// Return how many records were acknowledged and later found.
  std::uint64_t records_verified() const { return records_verified_; }

 private:
  /// A batch handed to the log and not known to be durable: after the end it may be there, whole.
  struct Batch {
    std::vector<std::string> values;
    std::vector<std::uint32_t> counts;
  };
  struct Expected {
    std::string value;
    std::uint32_t count = 0;
  };
  struct PartitionOracle {
    std::map<std::uint64_t, Expected> durable;  ///< by offset
    std::map<std::string, Batch> maybe;         ///< by first value
    std::uint64_t count_total = 0;
    std::optional<std::uint64_t> committed;   ///< by the group, acknowledged
    std::set<std::uint64_t> commits_unknown;  ///< tried and not acknowledged
    std::uint64_t passed_max = 0;             ///< the highest that the group ever tried to commit
    bool is_guarded = false;  ///< the group is known to have committed, so that it holds back retention
  };

  bool open();
  void step();
  void append();
  void commit_group();
  void toggle_topic();
  void inject_failure();
  void end_process();
  void acknowledge(const TopicPartition& to, const std::string& first_value, Offset offset);

  void check();
  void check_partition(const TopicPartition& name, PartitionOracle& oracle);
  void check_records(const TopicPartition& name, PartitionOracle& oracle, const PartitionStats& stats);
  bool adopt(PartitionOracle& oracle, const std::vector<std::pair<std::uint64_t, Expected>>& found,
             std::size_t& at);
  void check_group(const TopicPartition& name, PartitionOracle& oracle);
  void check_topics();

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  void wrong(const std::string& what);

  const SimulationOptions options_;
  std::mt19937_64 random_;
  FaultEnv env_;
  std::unique_ptr<SegmentLog> log_;
  std::map<TopicPartition, PartitionOracle> partitions_;
  std::map<std::string, std::optional<bool>> topics_;  ///< whether it must exist; nothing: unknown
  std::uint64_t next_value_ = 0;
  std::uint64_t records_verified_ = 0;
  std::optional<std::string> wrong_;
};

}  // namespace millrace
