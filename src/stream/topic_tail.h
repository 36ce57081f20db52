#pragma once

#include <functional>

#include "log/event_log.h"

namespace millrace {

/// Give `take` every record from `from`, or the oldest that is kept, to the end. Errors: those of
/// EventLog::read and stats.
Status each_record(const EventLog& log, const TopicPartition& partition, Offset from,
                   const std::function<void(const Record&)>& take);

/// Append to one partition and wait until it is on disk; nothing for no records. Errors: those of
/// EventLog::append; after one the records may be there all the same, all or none.
Status append_and_wait(EventLog& log, const TopicPartition& to, std::vector<NewRecord> records);

}  // namespace millrace
