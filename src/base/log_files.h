#pragma once

#include <compare>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <prometheus/counter.h>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

/// Where a line begins: the number of its file, and the byte in it. Grows with each line, also over restarts.
struct LogPosition {
  std::uint64_t file = 0;
  std::uint64_t byte = 0;

  auto operator<=>(const LogPosition&) const = default;

  /// "7:1234".
  std::string text() const;
  static std::optional<LogPosition> parse(std::string_view text);
};

struct LogFilesOptions {
  std::uint64_t bytes_max = 64 << 20;  ///< of all files together, about: the oldest go
  std::uint64_t file_bytes = 4 << 20;  ///< of one file, about; at most a quarter of `bytes_max`
  std::size_t waiting_bytes_max =
      1 << 20;  ///< of lines not written yet; further ones are counted and dropped
  DurationUs retry_interval = 1 * kSecondUs;  ///< after the disk refused a line
};

/// Return the files of `dir` by number: "000007.jsonl". A directory that is not there has none.
std::map<std::uint64_t, Path> list_log_files(Env& env, const Path& dir);

/// Keeps the process's log lines in `dir` (docs/formats/logs.md): JSON lines, written by a thread of its own,
/// so that neither a slow nor a full disk stops who logs. Lines that find no room are counted and said later.
/// Threads: any method from any thread.
class LogFiles {
 public:
  /// Go on in the newest file of `dir`, which is made when absent; a line that a crash tore is ended. What
  /// the disk refuses is tried again while there is anything to write. `env` must outlive it.
  LogFiles(Env& env, Path dir, const LogFilesOptions& options = {});

  /// Writes what waits, if the disk takes it.
  ~LogFiles();

  /// Queue one line (without its line break). Never blocks on the disk.
  void add(std::string_view line);

  /// Wait until every line queued before is written or was refused by the disk; return whether all are
  /// written.
  bool flush();

  /// Return where the next line will begin.
  LogPosition end() const;

  /// Wait until there is anything from `seen` on, or `wait` passed, or the files close. Return the end.
  LogPosition wait_for_more(LogPosition seen, DurationUs wait) const;

  const Path& dir() const { return dir_; }

 private:
  Status open_newest();
  Status open_file(std::uint64_t number);
  Status make_room(std::uint64_t bytes);
  Status write(const std::vector<std::string>& lines);
  std::string loss_line(std::uint64_t lost) const;
  void run();

  Env& env_;
  const Path dir_;
  const LogFilesOptions options_;
  const std::uint64_t file_bytes_;
  prometheus::Counter& dropped_total_;

  // Of the writing thread.
  std::unique_ptr<File> file_;  ///< none while the disk refuses
  std::map<std::uint64_t, Path> files_;

  mutable std::mutex mutex_;  ///< guards all below
  mutable std::condition_variable changed_;
  std::vector<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t lost_ = 0;  ///< lines dropped and not said yet
  LogPosition end_;
  std::uint64_t tries_ = 0;  ///< writes that ended, well or not
  bool busy_ = false;        ///< lines are taken and not written yet
  bool failing_ = false;     ///< the last write was refused
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace
