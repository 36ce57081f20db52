#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/metrics.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "source/growing_lines.h"
#include "source/mapping.h"
#include "source/record_sink.h"

namespace millrace {

/// A file of JSON lines that another program writes to for ever, as the configuration names it.
struct FollowedFile {
  std::string name;  ///< of letters, digits, - and _: its state's file is called so
  Path path;
  std::string source;              ///< of its events; the name when the configuration says nothing
  std::optional<CodecId> codec;    ///< what its lines are, else …
  std::optional<Mapping> mapping;  ///< … rows, by this
};

struct FollowOptions {
  DurationUs poll_interval = 20 * kMillisecondUs;
  DurationUs save_interval = kSecondUs;  ///< between two notes of how far it is
  DurationUs rotate_wait = kSecondUs;  ///< a file that was put away is left once it grew no more for so long
  IngestLimits limits;
};

/// Brings the lines of growing files into the log, within milliseconds, each once: also when the file is put
/// away and begun anew (renamed, or copied and truncated), when a line is half written, and through crashes
/// of either side. How far it is, is noted in a file (docs/formats/follow.md) behind what is durable in the
/// log; a start finds in the log what came after the last note and leaves it out. A thread for each file.
class FileFollower {
 public:
  /// `log`, with its topics made, and `env` must outlive it. `state_dir` is made when it is absent.
  FileFollower(EventLog& log, Env& env, Path state_dir, std::vector<FollowedFile> files,
               const FollowOptions& options);
  /// Stops reading.
  ~FileFollower();

 private:
  struct Thread;

  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace millrace
