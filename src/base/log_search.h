#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/log_files.h"
#include "base/logging.h"
#include "base/result.h"

namespace millrace {

/// Which lines are wanted; what is empty does not matter.
struct LogFilter {
  static constexpr std::size_t kTextBytesMax = 256;

  std::vector<std::string> components;
  LogLevel level_min = LogLevel::kDebug;
  std::optional<TimeUs> since;  ///< at or after it
  std::optional<TimeUs> until;  ///< before it
  std::string text;             ///< anywhere in the line; small and capital letters of ASCII are the same
  std::string record;  ///< an id that stands in the line as a word of its own: "events:0:1234", a message id

  /// Errors: kInvalid when `text` or `record` is longer than kTextBytesMax.
  Status check() const;
};

struct LogLine {
  LogPosition at;
  std::string json;  ///< one object, as written
};

struct LogPage {
  std::vector<LogLine> lines;
  /// Where to go on: read backwards, what lies before it is not looked through yet, none when there is
  /// nothing; read forwards, where the next line begins.
  std::optional<LogPosition> next;
};

struct LogPageLimits {
  std::size_t lines = 100;
  std::uint64_t bytes = 16 << 20;  ///< looked through, about; so a page may be short although there is more
};

/// Return whether a line, as `log_line` hands it to a LogSink, is wanted.
bool matches(const LogFilter& filter, std::string_view json_line);

/// Return the newest lines that `filter` wants among those that begin before `before` (none: all), newest
/// first. Files that go meanwhile, and lines that are damaged or not whole yet, are passed over. Blocks for
/// the disk. Errors: kInvalid (the filter); those of reading.
Result<LogPage> read_log_backwards(Env& env, const Path& dir, const LogFilter& filter,
                                   std::optional<LogPosition> before, const LogPageLimits& limits = {});

/// Return the lines from `from` on, oldest first. Errors: as above.
Result<LogPage> read_log_forwards(Env& env, const Path& dir, const LogFilter& filter, LogPosition from,
                                  const LogPageLimits& limits = {});

}  // namespace millrace
