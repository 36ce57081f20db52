#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/time.h"

namespace millrace {

/// What is due when, earliest first, ties by sequence number. Timers far ahead wait unordered in buckets of a
/// fixed width; a bucket becomes a heap when its turn comes. So a timer costs about the same however many
/// there are. A timer is never removed: its owner raises its generation, and the stale timer is skipped when
/// it comes up. One thread.
class SessionTimers {
 public:
  struct Timer {
    TimeUs due = 0;
    std::uint64_t sequence = 0;  ///< decides between timers due together
    std::uint32_t session = 0;
    std::uint32_t generation = 0;
  };

  explicit SessionTimers(DurationUs bucket_width);

  void push(const Timer& timer);
  bool empty() const { return near_.empty() && far_.empty(); }
  /// Return the earliest; needs one.
  const Timer& top();
  void pop();
  /// Return a time before which nothing is due, cheaply.
  TimeUs due_at_least() const;

 private:
  void fetch_bucket();
  std::int64_t bucket_of(TimeUs due) const;

  DurationUs width_;
  std::vector<Timer> near_;  ///< a heap of all that is due before `near_end_`
  TimeUs near_end_;
  std::map<std::int64_t, std::vector<Timer>> far_;  ///< by bucket
};

}  // namespace millrace
