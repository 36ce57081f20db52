#include "stream/topic_tail.h"

#include <algorithm>
#include <future>
#include <memory>

namespace millrace {

Status each_record(const EventLog& log, const TopicPartition& partition, Offset from,
                   const std::function<void(const Record&)>& take) {
  MILLRACE_ASSIGN(const PartitionStats stats, log.stats(partition));
  Offset at = std::max(from, stats.start);
  while (at < stats.end) {
    MILLRACE_ASSIGN(const RecordBatch batch, log.read(partition, at, {}));
    for (const Record& record : batch.records) take(record);
    if (batch.next == at) break;
    at = batch.next;
  }
  return {};
}

Status append_and_wait(EventLog& log, const TopicPartition& to, std::vector<NewRecord> records) {
  if (records.empty()) return {};
  const auto promise = std::make_shared<std::promise<Status>>();
  auto done = promise->get_future();
  log.append(to, std::move(records), [promise](const Result<Offset>& result) {
    promise->set_value(result ? Status() : Status(fail(result.error())));
  });
  return done.get();
}

}  // namespace millrace
