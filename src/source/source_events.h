#pragma once

#include <string>

#include "base/env.h"
#include "base/result.h"
#include "log/event_log.h"

namespace millrace {

/// Something that those who use a source's tables should know: a record of the topic `source_events`
/// (docs/formats/source-events.md).
struct SourceEvent {
  std::string type;  ///< "outage_begun", "outage_over", "schema_changed", "table_added", "table_gone", …
  std::string source;
  std::string table;    ///< empty: all
  std::string message;  ///< for people, with what to do
  std::string before;   ///< schema_changed: the TableSchema as JSON; empty: none
  std::string after;
  TimeUs since = 0;  ///< of outages: when it began; 0: none
};

/// Append it and wait until it is durable, for some seconds at most; a failure is logged, since the source
/// goes on without it.
void tell_source_event(EventLog& log, Env& env, const SourceEvent& event);

}  // namespace millrace
