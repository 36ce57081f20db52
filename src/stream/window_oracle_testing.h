#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::oracle {

// A second opinion on windows, written to be obviously right and nothing else: it keeps every step, and
// recomputes from the whole list whatever it needs. It shares no code with the runtime, and no types.

struct Rules {
  enum Kind { kFixed, kSliding, kSession } kind = kFixed;
  std::int64_t size = 10, period = 10, offset = 0;  ///< fixed: period = size
  std::int64_t gap = 10;
  std::int64_t lateness = 0;
  bool accumulate = false;
  bool by_source = true;  ///< else one watermark for all: the least
  std::int64_t disorder_live = 10, disorder_run = 100;
};

struct Step {
  enum Kind { kEvent, kClose, kIdle } kind = kEvent;
  std::string source;  ///< of the event, or what ends
  bool run = false;
  std::string key;
  std::int64_t time = 0, received = 0;
  std::int64_t input = 0;
  std::uint64_t offset = 0;
  std::int64_t now = 0;  ///< kIdle
};

/// Return, for each step, the lines it must emit (see PaneLines, with offsets), sorted.
std::vector<std::vector<std::string>> expected_lines(const Rules& rules, const std::vector<Step>& steps);

}  // namespace millrace::oracle
