#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "log/event_log.h"
#include "log/topics.h"
#include "stream/books.h"
#include "stream/event_feed.h"
#include "stream/job.h"
#include "warehouse/fact_writer.h"

namespace millrace {

struct LoadJobOptions {
  std::string job = "load";  ///< its name in metrics and log lines
  DurationUs transaction_interval = 250 * kMillisecondUs;
  /// About; a transaction holds at least one record. Live traffic never comes near it. With a backlog, more
  /// than DuckDB's row group (122,880 rows) lets it write compressed blocks at once instead of through its
  /// log, which then stays short: a million events took 7.1 s of processor time this way, checkpoints
  /// included, and 13.3 s in transactions of 50,000 with a checkpoint for every 64 MB of log.
  std::size_t transaction_rows_max = 250'000;
  FactWriterOptions writer;
};

/// The job `load`: writes all partitions of Millrace's own topics to the warehouse, each transaction with its
/// offsets. The truth of where it stands is the table `_offsets`; afterwards it commits the group `load` in
/// the log, so that retention may pass. A record that cannot be written goes to the table `quarantine`.
class LoadJob : public Job {
 public:
  static constexpr std::string_view kGroup = "load";

  /// All arguments must outlive the job.
  static std::unique_ptr<LoadJob> make(EventLog& log, EventFeed& feed, Warehouse& warehouse,
                                       const LoadJobOptions& options = {});

  /// Return what was committed last; empty before `start`. Threads: any.
  virtual LoadPosition position() const = 0;

  /// Have the job's thread run `work`, which may change the tables it has written, between two transactions
  /// and while it has no writer; then it goes on from what the tables say. Waits for it. Return what `work`
  /// did, or kCancelled when `stop` was requested before it began. Threads: any but the job's own.
  virtual Status run_alone(const std::function<Status()>& work, const std::stop_token& stop) = 0;
};

}  // namespace millrace
