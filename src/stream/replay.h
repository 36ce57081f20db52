#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "lake/manifest.h"
#include "lake/object_store.h"
#include "stream/archived_log.h"
#include "stream/replay_log.h"
#include "stream/replay_progress.h"
#include "warehouse/aggregator_options.h"
#include "warehouse/replay_schemas.h"
#include "warehouse/warehouse.h"

namespace millrace {

class LoadJob;

/// What to run again, and where its output goes.
struct ReplayRequest {
  std::string job = "load";  ///< or `curate`
  /// Of the topic `events`; the others are read from the log's start. None: `lake`.
  std::optional<ReplayPlace> from;
  std::optional<ReplayPlace> to;  ///< none: where the log ends
  bool from_given = false;        ///< `lake` was asked for in words; needed to rewrite live tables
  /// Of `load`: `replay_` and letters, digits, underscores, a schema of the warehouse; or `main`, its own
  /// tables.
  std::string into;
};

struct ReplayResult {
  std::uint64_t records = 0;  ///< read; of `curate` rows written
  std::uint64_t rows =
      0;  ///< in the table `events` of the schema, in all; into `main`: that took others' place
  std::uint64_t replaced = 0;  ///< into `main`: rows of `events` that went; of `curate`: files
  std::uint64_t files = 0;     ///< of `curate`: written
};

struct ReplayEntry {
  ReplaySchema schema;
  bool running = false;
};

/// Read `from` or `to`: `lake` (only `from`: nothing is set), an offset, or a time. Errors: kInvalid.
Status read_replay_from(std::string_view text, ReplayRequest& request);
Status read_replay_to(std::string_view text, ReplayRequest& request);

/// Runs jobs once more over what the lake and the log hold: the same code, so the same rows. `load` goes
///
/// - into a schema of its own: it keeps its offsets with its tables, so stopped or killed it goes on where it
///   was, and run again it adds what came since and nothing twice;
/// - into the warehouse's own tables: the range is made in a schema beside, as the stream would have made it
///   after what stands before the range, and then takes the old rows' place in one transaction. Stopped or
///   killed it has changed nothing, and begins anew.
///
/// `curate` writes the Parquet files of closed hours anew (stream/curate_rebuild.h). Threads: any method from
/// any thread.
class Replays {
 public:
  struct Tools {
    Env& env;
    const ArchivedLog& log;
    Warehouse& warehouse;
    ObjectStore& lake;
    Manifest& manifest;
    Path staging;                             ///< a file in the lake's directory that may be overwritten
    Path message_ids_dir;                     ///< a directory of its own; empty: all are in memory
    std::size_t message_ids_max = 4'000'000;  ///< as FactWriterOptions::message_ids_max
    AggregatorOptions aggregator;
    /// What one replay may put into the live tables, about: their loader waits meanwhile.
    std::uint64_t exchange_rows_max = 2'000'000;
    DurationUs silence_max = 10 * kSecondUs;  ///< after which progress is told again
    /// As LoadJob::run_alone of the job that writes the warehouse's own tables.
    std::function<Status(const std::function<Status()>&, const std::stop_token&)> run_alone;
  };

  /// All that `tools` refers to must outlive it.
  explicit Replays(Tools tools) : tools_(std::move(tools)) {}

  /// Calls `on_progress`, now and then from a thread of its own, one at a time. Errors: kInvalid for a job
  /// that cannot be replayed, a name that is no schema of a replay, a schema that was begun from elsewhere,
  /// or more rows than may go into the live tables at once; kExists while one runs into the same schema
  /// (`main` and `curate` count as one); kCancelled; those of the job. When the machine is short of memory it
  /// pauses and tries again a few times.
  Result<ReplayResult> run(const ReplayRequest& request, const OnReplayProgress& on_progress,
                           const std::stop_token& stop);

  /// Return the schemas there are.
  Result<std::vector<ReplayEntry>> list();

  /// Drop a schema. Errors: kNotFound; kExists while a replay runs into it.
  Status drop(const std::string& schema);

 private:
  using OnProgress = OnReplayProgress;
  class Turn;

  Result<ReplayResult> load(const ReplayRequest& request, const OnProgress& on_progress,
                            const std::stop_token& stop);
  Result<ReplayResult> load_into_main(const ReplayRequest& request, const OnProgress& on_progress,
                                      const std::stop_token& stop);
  Result<ReplayResult> make_and_exchange(const ReplayRequest& request, const OnProgress& on_progress,
                                         const std::stop_token& stop);
  Status exchange(const ReplayRequest& request, const ReplayedOffsets& offsets, ReplayResult& result);
  Result<std::uint64_t> run_load(ReplayLog& log, const std::string& schema, bool after_main,
                                 const OnProgress& on_progress, const std::stop_token& stop);
  Result<std::uint64_t> step_through(LoadJob& job, const ReplayLog& log, JobMetrics& metrics,
                                     const OnProgress& on_progress, const std::stop_token& stop);
  Result<ReplayResult> curate(const ReplayRequest& request, const OnProgress& on_progress,
                              const std::stop_token& stop);
  Status drop_schema(const std::string& schema);
  Status drop_main_staging();
  Path ids_dir(const std::string& schema) const;

  const Tools tools_;
  std::mutex mutex_;               ///< guards running_
  std::set<std::string> running_;  ///< schemas
};

}  // namespace millrace
