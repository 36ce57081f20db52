#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"

namespace millrace::log {

/// Something in the files that is not as it was written.
struct LogProblem {
  std::string path;            ///< the file it was found in
  std::uint64_t position = 0;  ///< byte position in it
  Offset from;                 ///< first record that may be lost …
  Offset to;                   ///< … and one past the last; equal when no record is lost
  std::string what;            ///< for people: what it is and what to do

  bool operator==(const LogProblem&) const = default;
};

/// Collects problems: each is logged and counted once, however often it is met; keeps the first
/// kProblemsMax. Threads: any.
class ProblemList {
 public:
  static constexpr std::size_t kProblemsMax = 1'000;

  void add(const LogProblem& problem);
  std::vector<LogProblem> list() const;

 private:
  mutable std::mutex mutex_;
  std::vector<LogProblem> problems_;
};

}  // namespace millrace::log
