#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "log/event_log.h"
#include "model/feature_store.h"
#include "stream/event_feed.h"
#include "stream/job.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// The job `features`: keeps the views of the flow. Fills memory from the tables at start, then reads each
/// event from the log as it comes and, a little later, its rows as they were loaded, in the place of what the
/// log gave. Rows that are taken out of the tables (a file that is loaded again, a replay) have it filled
/// anew.
class FlowFeatureJob : public Job {
 public:
  struct Tools {
    EventLog& log;
    EventFeed& feed;
    Warehouse& warehouse;
    FeatureStore& store;
    std::function<std::optional<JobPosition>()> loaded;  ///< how far the loader is; nothing before it knows
  };
  /// All that the tools refer to must outlive the job.
  static std::unique_ptr<FlowFeatureJob> make(Tools tools);

  /// Bring memory up to what is loaded, then call `work` with that while nothing changes. Threads: any.
  virtual Status at_rest(const std::function<Status(const LoadedOffsets&)>& work) = 0;
};

/// The job `feat-tables`: reads the views of tables anew as often as each of them says. What cannot be read
/// stays as it was, and the store tells why.
std::unique_ptr<Job> make_table_feature_job(Warehouse& warehouse, FeatureStore& store);

/// Return what a row of an event gives a view, with the partition and offset of the event; nothing when it
/// names no entity.
std::optional<FlowEntry> flow_entry(const FeatureView& view, const FlowRow& row);

}  // namespace millrace
