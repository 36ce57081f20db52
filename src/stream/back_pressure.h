#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Whether new events have to be turned away because a job is too far behind. Begins when a job is more than
/// the limit behind and ends when it is within seven eighths of it again. Threads: any.
class BackPressure {
 public:
  /// `lag_records_max`: 0 for no limit.
  explicit BackPressure(std::uint64_t lag_records_max) : lag_records_max_(lag_records_max) {}

  /// Say how far a job is behind; shown as `millrace_backpressure{job=}`, 1 while it is too far.
  void note(std::string_view job, std::uint64_t lag_records);

  /// Errors: kOverloaded, naming the job, while there is one too far behind.
  Status check() const;

 private:
  const std::uint64_t lag_records_max_;
  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>>
      behind_;  ///< jobs too far, by how much; guarded by mutex_
};

}  // namespace millrace
