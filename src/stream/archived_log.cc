#include "stream/archived_log.h"

#include <algorithm>

namespace millrace {

Result<RecordBatch> ArchivedLog::read(const TopicPartition& partition, Offset from,
                                      const ReadLimits& limits) const {
  auto batch = log_.read(partition, from, limits);
  if (batch || batch.error().code != Code::kOutOfRange) return batch;
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
  if (from >= stats.start) return batch;
  const std::lock_guard lock(mutex_);
  if (!archive_) archive_.emplace(manifest_, store_, job_);
  auto archived = archive_->read(partition, from, limits);
  if (!archived && archived.error().code == Code::kNotFound)
    return batch;  // nothing is archived: the log's words
  if (archived && archived->next <= from) return batch;
  return archived;
}

void ArchivedLog::release() const {
  const std::lock_guard lock(mutex_);
  archive_.reset();
}

Result<Offset> ArchivedLog::first_offset(const TopicPartition& partition) const {
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
  MILLRACE_ASSIGN(const auto position, manifest_.position(job_, partition));
  return position ? std::min(position->start, stats.start) : stats.start;
}

Result<Offset> ArchivedLog::offset_at_time(const TopicPartition& partition, TimeUs time) const {
  MILLRACE_ASSIGN(const Offset in_log, log_.offset_at_time(partition, time));
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
  MILLRACE_ASSIGN(Offset from, first_offset(partition));
  if (in_log > stats.start) return in_log;
  while (from < stats.start) {
    MILLRACE_ASSIGN(const RecordBatch batch, read(partition, from, {}));
    const auto found =
        std::ranges::find_if(batch.records, [&](const Record& record) { return record.time >= time; });
    if (found != batch.records.end()) return std::min(found->offset, in_log);
    from = batch.next;
  }
  return in_log;
}

}  // namespace millrace
