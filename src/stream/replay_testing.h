#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "event/json_writer.h"
#include "lake/local_object_store.h"
#include "stream/archive_job.h"
#include "stream/replay.h"
#include "stream/stream_testing.h"
#include "warehouse/aggregations.h"

namespace millrace {

/// A log of which retention has removed the front of the topic `events`.
class ShortenedLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;

  Offset start;                ///< of each partition of `events`
  mutable int overloaded = 0;  ///< so many reads fail

  Result<RecordBatch> read(const TopicPartition& partition, Offset from,
                           const ReadLimits& limits) const override {
    if (overloaded > 0 && overloaded-- > 0) return fail(Code::kOverloaded, "short of memory");
    if (partition.topic == kEventsTopic && from < start)
      return fail(Code::kOutOfRange, "retention removed it");
    return StubbornLog::read(partition, from, limits);
  }
  Result<PartitionStats> stats(const TopicPartition& partition) const override {
    auto stats = StubbornLog::stats(partition);
    if (stats && partition.topic == kEventsTopic) stats->start = std::min(start, stats->end);
    return stats;
  }
  Result<Offset> offset_at_time(const TopicPartition& partition, TimeUs time) const override {
    MILLRACE_ASSIGN(const Offset found, StubbornLog::offset_at_time(partition, time));
    return partition.topic == kEventsTopic ? std::max(found, start) : found;
  }
};

/// A log as a faulty decoder reads it: of the events in a range it takes one in four for another and can make
/// nothing of one in four.
class MisreadLog : public StubbornLog {
 public:
  using StubbornLog::StubbornLog;

  Offset from, to;

  Result<RecordBatch> read(const TopicPartition& partition, Offset at,
                           const ReadLimits& limits) const override {
    MILLRACE_ASSIGN(RecordBatch batch, StubbornLog::read(partition, at, limits));
    for (Record& record : batch.records) {
      if (partition.topic != kEventsTopic || record.offset < from || record.offset >= to) continue;
      if (record.offset.value() % 4 == 1) record.attributes = {};
      if (record.offset.value() % 4 == 2) record.value = another(partition, record);
    }
    return batch;
  }

 private:
  std::string_view another(const TopicPartition& partition, const Record& record) const {
    Event event = make_event(EventType::kSearch, record.offset.value(), record.time + kHourUs);
    event.search_query = "rake";
    const auto id = fmt::format("misread-{}-{}", partition.partition.value(), record.offset.value());
    event.message_id = id;
    auto& value = values_.emplace_back();
    append_native_event(event, value);
    value.append(64, '\0');
    return std::string_view(value).substr(0, value.size() - 64);
  }

  mutable std::deque<std::string> values_;
};

/// Events in the log, in the tables and in the lake, and replays of them.
class ReplayTest : public StreamTest {
 protected:
  ReplayTest() {
    env_.now_is = kNine;
    EXPECT_TRUE(declare_aggregations(*warehouse_, std::vector<AggregationFile>{}));
    store_ = LocalObjectStore::open(env_, dir_ / "lake").value();
    manifest_ = Manifest::open(dir_ / "manifest.sqlite").value();
    shortened_ = std::make_unique<ShortenedLog>(*log_);
    archived_ =
        std::make_unique<ArchivedLog>(*shortened_, *manifest_, *store_, std::string(ArchiveJob::kGroup));
    misread_ = std::make_unique<MisreadLog>(*log_);
    replays_ = std::make_unique<Replays>(tools());
  }

  Replays::Tools tools() {
    return {.env = env_,
            .log = *archived_,
            .warehouse = *warehouse_,
            .lake = *store_,
            .manifest = *manifest_,
            .staging = dir_ / "lake" / ".tmp" / "rebuild.parquet",
            .message_ids_dir = dir_ / "replay_ids",
            .aggregator = {},
            .silence_max = 10 * kMillisecondUs,
            .run_alone = [this](const auto& work, const auto&) {  // nobody else writes here
              if (while_alone_) while_alone_();
              return work();
            }};
  }

  /// Send orders, page views, a retry of each tenth and something that is no event; load all of it.
  void send(int events) {
    static const std::vector<EventItem> kItems(2, EventItem{.item_id = "p1"});
    for (int i = 0; i < events; ++i, ++sent_) {
      env_.now_is = *env_.now_is + kSecondUs;
      Event event =
          make_event(sent_ % 3 == 0 ? EventType::kPurchase : EventType::kPageView, sent_, *env_.now_is);
      event.page_path = "/";
      event.session_id = {};
      if (sent_ % 3 == 0) event.items = kItems;
      append(event, sent_ % 4);
      if (sent_ % 10 == 0) append(event, sent_ % 4);
    }
    append(kEventsTopic, 1, "{", envelope_of(make_event(EventType::kPageView, 0, kNine)));
    append(kItemsTopic, 0, R"({"op":"put","id":"p1","attributes":{"name":"Rake"}})", "");
    append(kQuarantineTopic, 0, "bad", "");
    load();
  }

  /// Load what is new, `misread_` where it says so.
  void load() {
    EventFeed feed(*misread_, {});
    const auto job = LoadJob::make(*misread_, feed, *warehouse_);
    ASSERT_TRUE(job->start());
    run(*job);
  }

  /// Keep the tables as they are, to compare others with.
  void remember(const std::string& schema) {
    execute("CREATE SCHEMA " + schema);
    for (const auto* table : kTables)
      execute(fmt::format("CREATE TABLE {0}.{1} AS FROM main.{1}", schema, table));
  }

  void expect_balanced_books() {
    EXPECT_EQ(cell("SELECT count(*) FROM _books b WHERE log_topic = 'events' AND (applied <> (SELECT "
                   "count(*) FROM events e "
                   "WHERE e.log_partition = b.log_partition) OR quarantined <> (SELECT coalesce(sum(events), "
                   "0) FROM quarantine "
                   "q WHERE q.log_partition = b.log_partition AND q.log_topic = 'events'))"),
              "0");
    EXPECT_EQ(books(*load_job()).substr(0, 2), books(*load_job()).substr(0, 2));
  }

  void archive() {
    env_.now_is = *env_.now_is + 10 * kMinuteUs;
    const auto job = ArchiveJob::make(env_, *log_, *store_, *manifest_);
    ASSERT_TRUE(job->start());
    run(*job);
  }

  Result<ReplayResult> replay(const ReplayRequest& request, std::stop_token stop = {}) {
    return replays_->run(request, show_, stop);
  }

  void expect_equal_tables(const std::string& schema) {
    for (const auto* table : kTables) {
      const auto ours = fmt::format("FROM main.{}", table);
      const auto other = fmt::format("FROM {}.{}", schema, table);
      EXPECT_THAT(rows(fmt::format("({0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL {0})", ours, other)),
                  testing::IsEmpty())
          << table;
    }
  }

  static constexpr std::array kTables = {"events",
                                         "order_lines",
                                         "event_items",
                                         "items",
                                         "users",
                                         "quarantine",
                                         "visits",
                                         "recommendations",
                                         "item_interactions",
                                         "_offsets",
                                         "_books",
                                         "page_views_per_minute",
                                         "page_views_by_page",
                                         "sales_by_hour",
                                         "item_popularity",
                                         "visits_by_device"};

  std::unique_ptr<LocalObjectStore> store_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<ShortenedLog> shortened_;
  std::unique_ptr<ArchivedLog> archived_;
  std::unique_ptr<MisreadLog> misread_;
  std::unique_ptr<Replays> replays_;
  std::function<void()> while_alone_;
  const OnReplayProgress show_ = [this](const ReplayProgress& progress) {
    last_ = progress;
    ++shown_;
  };
  ReplayProgress last_;
  int shown_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace millrace
