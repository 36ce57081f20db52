#include "stream/replay_log.h"

#include <algorithm>
#include <iterator>

#include "log/topics.h"

namespace millrace {

Status ReplayLog::measure(const ReplayBounds& bounds) {
  for (const auto& [topic, config] : log_.topics()) {
    if (bounds.events_only && topic != kEventsTopic) continue;
    for (std::uint32_t i = 0; i < config.partitions; ++i) {
      const TopicPartition partition{topic, PartitionId(i)};
      if (bounds.below && !bounds.below->contains(partition)) continue;
      MILLRACE_ASSIGN(ranges_[partition], range_of(partition, bounds));
    }
  }
  return {};
}

Result<Offset> ReplayLog::offset_of(const TopicPartition& partition, const ReplayPlace& place) const {
  if (const auto* offset = std::get_if<Offset>(&place)) return *offset;
  return log_.offset_at_time(partition, std::get<TimeUs>(place));
}

Result<OffsetRange> ReplayLog::range_of(const TopicPartition& partition, const ReplayBounds& bounds) const {
  MILLRACE_ASSIGN(const PartitionStats stats, log_.stats(partition));
  MILLRACE_ASSIGN(Offset from, log_.first_offset(partition));
  Offset to = stats.end;
  if (bounds.below) to = std::min(to, bounds.below->at(partition));
  if (partition.topic == kEventsTopic && bounds.from) {
    MILLRACE_ASSIGN(const Offset asked, offset_of(partition, *bounds.from));
    from = std::max(from, asked);
  }
  if (partition.topic == kEventsTopic && bounds.to) {
    MILLRACE_ASSIGN(const Offset asked, offset_of(partition, *bounds.to));
    to = std::min(to, asked);
  }
  return OffsetRange{std::min(from, to), to};
}

OffsetRanges ReplayLog::event_ranges() const {
  OffsetRanges ranges;
  for (const auto& [partition, range] : ranges_) {
    if (partition.topic == kEventsTopic) ranges[partition] = range;
  }
  return ranges;
}

std::uint64_t ReplayLog::offsets_total() const {
  std::uint64_t total = 0;
  for (const auto& [partition, range] : ranges_) total += range.to.value() - range.from.value();
  return total;
}

std::uint64_t ReplayLog::offsets_done(const JobPosition& done) const {
  std::uint64_t total = 0;
  for (const auto& [partition, next] : done) {
    const auto found = ranges_.find(partition);
    if (found == ranges_.end() || next <= found->second.from) continue;
    total += std::min(next, found->second.to).value() - found->second.from.value();
  }
  return total;
}

std::map<std::string, TopicConfig> ReplayLog::topics() const {
  auto topics = log_.topics();
  std::erase_if(topics, [&](const auto& topic) {
    return std::ranges::none_of(ranges_, [&](const auto& range) { return range.first.topic == topic.first; });
  });
  return topics;
}

Result<RecordBatch> ReplayLog::read(const TopicPartition& partition, Offset from,
                                    const ReadLimits& limits) const {
  RecordBatch nothing;
  nothing.next = from;
  const auto range = ranges_.find(partition);
  if (range == ranges_.end() || from >= range->second.to) return nothing;
  const Offset to = range->second.to;
  MILLRACE_ASSIGN(RecordBatch batch, log_.read(partition, from, limits));
  std::erase_if(batch.records, [&](const Record& record) { return record.offset >= to; });
  batch.next = std::min(batch.next, to);
  if (partition.topic == kEventsTopic) note_read(partition, batch.records);
  return batch;
}

/// Any part may be read more than once.
void ReplayLog::note_read(const TopicPartition& partition, const std::vector<Record>& records) const {
  const std::lock_guard lock(mutex_);
  auto& spans = read_[partition];
  for (auto record = records.begin(); record != records.end();) {
    Offset from = record->offset;
    Offset to = from;
    for (; record != records.end() && record->offset == to; ++record) to = to + 1;
    auto next = spans.upper_bound(from);
    if (next != spans.begin() && std::prev(next)->second >= from) from = (--next)->first;
    for (; next != spans.end() && next->first <= to; next = spans.erase(next))
      to = std::max(to, next->second);
    spans[from] = to;
  }
}

OffsetSpans ReplayLog::events_read() const {
  const std::lock_guard lock(mutex_);
  return read_;
}

Result<PartitionStats> ReplayLog::stats(const TopicPartition& partition) const {
  MILLRACE_ASSIGN(PartitionStats stats, log_.stats(partition));
  const auto range = ranges_.find(partition);
  if (range != ranges_.end()) {
    stats.start = range->second.from;
    stats.end = range->second.to;
  } else {
    stats.start = stats.end;
  }
  return stats;
}

}  // namespace millrace
