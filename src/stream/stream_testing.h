#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"
#include "log/segment_log.h"
#include "log/topics.h"
#include "stream/event_feed.h"
#include "stream/load_job.h"
#include "warehouse/warehouse_testing.h"

namespace millrace {

inline constexpr TimeUs kNine = 1'782'896'400 * kSecondUs;          // 2026-07-01T09:00:00Z
inline const std::string kHour9 = "events/dt=2026-07-01/hour=09/";  ///< of the curated files

/// Another log with failures that a test switches on.
class StubbornLog : public EventLog {
 public:
  explicit StubbornLog(EventLog& log) : log_(log) {}

  bool fail_commits = false;
  mutable int reads = 0;
  std::string lose_news_of;  ///< appends to this topic are done, but reported as failed

  Status create_topic(std::string_view topic, const TopicConfig& config) override {
    return log_.create_topic(topic, config);
  }
  Status delete_topic(std::string_view topic) override { return log_.delete_topic(topic); }
  std::map<std::string, TopicConfig> topics() const override { return log_.topics(); }
  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override {
    if (to.topic != lose_news_of) return log_.append(to, std::move(batch), std::move(done));
    log_.append(to, std::move(batch), [done](const Result<Offset>&) { done(fail(Code::kIo, "lost")); });
  }
  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override {
    ++reads;
    return log_.read(partition, from, limits);
  }
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    return log_.offset_at_time(partition, time);
  }
  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    return log_.stats(partition);
  }
  Status commit(std::string_view group, const TopicPartition& partition, Offset next) override {
    return fail_commits ? fail(Code::kIo, "pulled the plug") : log_.commit(group, partition, next);
  }
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override {
    return log_.committed(group, partition);
  }
  Status delete_group(std::string_view group, std::string_view topic) override {
    return log_.delete_group(group, topic);
  }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const override {
    return log_.wait_for_append(seen, wait);
  }

 private:
  EventLog& log_;
};

/// A log with Millrace's own topics, a feed and a warehouse, in a directory of its own.
class StreamTest : public WarehouseTest {
 protected:
  StreamTest();

  /// Append one record of raw bytes. Fails the test on an error.
  void append(std::string_view topic, std::uint32_t partition, std::string_view value,
              std::string_view attributes, std::uint32_t count = 1);
  /// Append one event in its native form, with its source and received time in the envelope.
  void append(const Event& event, std::uint32_t partition = 0);

  /// Make a load job and start it.
  std::unique_ptr<LoadJob> load_job(const LoadJobOptions& options = {});
  /// Step until there is nothing more. Fails the test on an error.
  static void run(Job& job);

  /// Return the books, which must balance: "logged applied duplicate quarantined pending".
  std::string books(const LoadJob& job);

  std::unique_ptr<SegmentLog> segment_log_;
  std::unique_ptr<StubbornLog> log_;
  std::unique_ptr<EventFeed> feed_;
};

/// Return the attributes of a record that holds `event` alone.
std::string envelope_of(const Event& event);

}  // namespace millrace
