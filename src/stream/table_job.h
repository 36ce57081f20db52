#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/source_orders.h"
#include "event/source_state.h"
#include "log/event_log.h"
#include "stream/job.h"
#include "warehouse/source_tables.h"

namespace millrace {

struct TableJobOptions {
  std::size_t transaction_bytes_max = 12 << 20;  ///< about, of records; a transaction holds at least one
  DurationUs transaction_interval = 250 * kMillisecondUs;
  std::vector<OrderTables> orders;  ///< whose changes are noted
};

/// The job `tables`: brings the records of all topics `source.NAME` into the tables of the sources
/// (warehouse/source_tables.h), each transaction with its offsets; afterwards it commits the group `tables`
/// in the log, so that retention may pass. New topics are found by themselves.
class TableJob : public Job {
 public:
  static constexpr std::string_view kGroup = "tables";

  /// All arguments must outlive the job.
  static std::unique_ptr<TableJob> make(EventLog& log, Warehouse& warehouse,
                                        const TableJobOptions& options = {});

  /// How far the tables of one source are.
  struct Loaded {
    Offset next;  ///< in its topic
    SourceStates states;
    std::optional<SourceStreamState> stream;  ///< of a source that is or was followed
  };
  /// Return what was committed last; nothing before the job has seen the source. Threads: any.
  virtual std::optional<Loaded> loaded(std::string_view source) const = 0;
};

}  // namespace millrace
