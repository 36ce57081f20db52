#pragma once

#include <memory>
#include <optional>

#include "base/env.h"
#include "log/event_log.h"
#include "recommend/recommender.h"
#include "stream/event_feed.h"
#include "stream/job.h"
#include "warehouse/warehouse.h"

namespace millrace {

struct RecommendJobOptions {
  /// Rebuild from events at or after this time only; nothing: from all.
  std::optional<TimeUs> rebuild_since;
  DurationUs refresh_interval = kSecondUs;  ///< between two makings of the popular lists

  /// Where the memory is kept over restarts. Empty, or with `rebuild_since`: nowhere.
  Path snapshot;
  DurationUs snapshot_interval = 10 * kMinuteUs;  ///< between two savings, beside the one at the end
};

/// The job `recommend`: takes the recommender's memory from its snapshot, else rebuilds it from the
/// warehouse, then follows the topics events, items and users from the offsets that belong to what it read,
/// so that nothing is missed and nothing counted twice. A thread of its own makes the popular lists. Its
/// destructor saves the memory.
class RecommendJob : public Job {
 public:
  /// All arguments must outlive the job.
  static std::unique_ptr<RecommendJob> make(EventLog& log, EventFeed& feed, Warehouse& warehouse,
                                            Recommender& recommender,
                                            const RecommendJobOptions& options = {});

  /// Return whether the rebuild is done; before, answers are what little is known. Threads: any.
  virtual bool ready() const = 0;

  /// Return whether the memory came from its snapshot. Threads: that of the job.
  virtual bool restored() const = 0;

  /// Return whether it has taken in all that is in the log now. Threads: any.
  virtual bool caught_up() const = 0;
};

}  // namespace millrace
