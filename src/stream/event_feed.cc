#include "stream/event_feed.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/topics.h"

namespace millrace {
namespace {

/// Decode one record into `batch`, all of its events or none, and check it against the count it was logged
/// with.
Status decode_one(FeedBatch& batch, const Record& record) {
  MILLRACE_ASSIGN(const auto envelope, decode_envelope(record.attributes));
  auto& events = batch.decoded.events;
  const auto before = events.size();
  MILLRACE_TRY(decode_record(envelope, record.value, batch.decoded));
  if (events.size() - before != record.count) {
    const auto found = events.size() - before;
    events.resize(before);
    return fail(Code::kCorrupt,
                fmt::format("holds {} events, but {} were counted when it came", found, record.count));
  }
  for (auto i = before; i < events.size(); ++i) {
    events[i].log_partition = batch.partition.partition;
    events[i].log_offset = record.offset;
    events[i].event_index = static_cast<std::uint32_t>(i - before);
  }
  return {};
}

void decode_all(FeedBatch& batch) {
  const auto& records = batch.records.records;
  batch.decoded.events.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto before = batch.decoded.events.size();
    if (auto decoded = decode_one(batch, records[i]); !decoded) {
      batch.decoded.events.resize(before);
      batch.failures.push_back({i, std::move(decoded).error()});
    }
  }
}

/// About what a batch holds in memory: the bytes, and what decoding made of them.
std::size_t bytes_of(const FeedBatch& batch) {
  std::size_t bytes = sizeof(FeedBatch);
  for (const auto& record : batch.records.records) {
    bytes += sizeof(Record) + record.key.size() + record.attributes.size() + record.value.size();
  }
  for (const auto& event : batch.decoded.events)
    bytes += sizeof(Event) + event.items.size() * sizeof(EventItem);
  return bytes;
}

}  // namespace

struct EventFeed::Partition {
  std::mutex reading;  ///< lets one job read on while the others wait for what it reads
  std::map<Offset, std::shared_ptr<const FeedBatch>> batches;  ///< by `from`; guarded by EventFeed::mutex_
};

std::span<const Event> FeedBatch::events_from(Offset offset) const {
  const auto first = std::ranges::lower_bound(decoded.events, offset, {}, &Event::log_offset);
  return {first, decoded.events.end()};
}

std::span<const Record> FeedBatch::records_from(Offset offset) const {
  const auto first = std::ranges::lower_bound(records.records, offset, {}, &Record::offset);
  return {first, records.records.end()};
}

std::uint64_t FeedBatch::events_in(const Record& record) const {
  return partition.topic == kEventsTopic ? record.count : 0;
}

EventFeed::EventFeed(const EventLog& log, const EventFeedOptions& options) : log_(log), options_(options) {}

Result<std::shared_ptr<const FeedBatch>> EventFeed::read(const TopicPartition& partition, Offset from) {
  if (auto batch = cached(partition, from)) return batch;
  const auto state = partition_of(partition);
  const std::lock_guard reading(state->reading);
  if (auto batch = cached(partition, from)) return batch;  // another job has read it meanwhile
  auto batch = std::make_shared<FeedBatch>();
  batch->partition = partition;
  batch->from = from;
  MILLRACE_ASSIGN(
      batch->records,
      log_.read(partition, from, {.records_max = options_.records_max, .bytes_max = options_.bytes_max}));
  batch->next = batch->records.records.empty() ? from : batch->records.next;
  if (batch->records.records.empty()) return batch;
  if (partition.topic == kEventsTopic) decode_all(*batch);
  remember(batch);
  return batch;
}

std::shared_ptr<EventFeed::Partition> EventFeed::partition_of(const TopicPartition& partition) {
  const std::lock_guard lock(mutex_);
  auto& state = partitions_[partition];
  if (!state) state = std::make_shared<Partition>();
  return state;
}

std::shared_ptr<const FeedBatch> EventFeed::cached(const TopicPartition& partition, Offset from) const {
  const std::lock_guard lock(mutex_);
  const auto state = partitions_.find(partition);
  if (state == partitions_.end()) return nullptr;
  auto after = state->second->batches.upper_bound(from);
  if (after == state->second->batches.begin()) return nullptr;
  const auto& batch = std::prev(after)->second;
  return from < batch->next ? batch : nullptr;
}

void EventFeed::remember(const std::shared_ptr<const FeedBatch>& batch) {
  const std::lock_guard lock(mutex_);
  partitions_.at(batch->partition)->batches.insert_or_assign(batch->from, batch);
  batches_.push_back(batch);
  bytes_ += bytes_of(*batch);
  while (bytes_ > options_.cache_bytes_max && batches_.size() > 1) {
    const std::shared_ptr<const FeedBatch> oldest = std::move(batches_.front());
    batches_.pop_front();
    bytes_ -= bytes_of(*oldest);
    auto& known = partitions_.at(oldest->partition)->batches;
    const auto found = known.find(oldest->from);
    if (found != known.end() && found->second == oldest) known.erase(found);
  }
}

std::size_t EventFeed::cached_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace millrace
