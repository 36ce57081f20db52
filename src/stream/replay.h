#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <variant>

#include "base/env.h"
#include "stream/archived_log.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What to run again, and where its output goes.
struct ReplayRequest {
  struct Everything {};  ///< from the first record that the lake, else the log, still has
  using From = std::variant<Everything, Offset, TimeUs>;

  std::string job = "load";
  From from = Everything();  ///< of the topic `events`; the others are read from the log's start
  std::string into;          ///< `replay_` and letters, digits, underscores: a schema of the warehouse
};

struct ReplayProgress {
  std::uint64_t offsets_done = 0;
  std::uint64_t offsets_total = 0;
  std::uint64_t records = 0;  ///< read by this run
  double records_per_second = 0;
};

struct ReplayResult {
  std::uint64_t records = 0;
  std::uint64_t rows = 0;  ///< in the table `events` of the schema, in all
};

/// Return what `text` names: `lake`, an offset, or a time. Errors: kInvalid.
Result<ReplayRequest::From> parse_replay_from(std::string_view text);

/// Runs jobs once more over what the lake and the log hold, into tables of their own: the same code, so the
/// same rows. A replay ends where the log ended when it began. It keeps its offsets with its tables: stopped
/// or killed it goes on where it was, and run again it adds what came since and nothing twice. Threads: any
/// method from any thread.
class Replays {
 public:
  /// All must outlive it.
  Replays(Env& env, const ArchivedLog& log, Warehouse& warehouse)
      : env_(env), log_(log), warehouse_(warehouse) {}

  /// Errors: kInvalid for an unknown job, a name that is no schema of a replay, or a schema that was begun
  /// from elsewhere; kExists while one runs into the same schema; kCancelled; those of the load job.
  Result<ReplayResult> run(const ReplayRequest& request,
                           const std::function<void(const ReplayProgress&)>& on_progress,
                           const std::stop_token& stop);

 private:
  Result<ReplayResult> load(const ReplayRequest& request,
                            const std::function<void(const ReplayProgress&)>& on_progress,
                            const std::stop_token& stop);

  Env& env_;
  const ArchivedLog& log_;
  Warehouse& warehouse_;
  std::mutex mutex_;  ///< guards running_
  std::set<std::string> running_;
};

}  // namespace millrace
