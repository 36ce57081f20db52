#pragma once

#include <atomic>
#include <functional>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "log/event_log.h"
#include "stream/job.h"

namespace millrace {

/// How far the tables are behind the log.
struct TableLag {
  Env& env;
  const EventLog& log;
  std::function<JobPosition()> loaded;  ///< the offsets before which all events are in the tables
};

/// Wait until the tables have the events that are in the log now, so that what was just read in is learnt
/// from too; `say` is told how many are missing. Tables that do not come nearer for half a minute are not
/// waited for, which is said. Errors: kCancelled when `stop` gets true.
Status wait_for_tables(const TableLag& lag, const std::atomic<bool>* stop,
                       const std::function<void(std::string_view)>& say);

}  // namespace millrace
