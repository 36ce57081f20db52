#include "stream/event_feed.h"

#include <thread>

#include <gmock/gmock.h>

#include "stream/stream_testing.h"

namespace millrace {
namespace {

using EventFeedTest = StreamTest;

TEST_F(EventFeedTest, DecodesWithPlacesAndReadsOn) {
  for (std::uint64_t i = 0; i < 5; ++i) append(make_event(EventType::kPageView, i, kTestDay));
  const auto batch = feed_->read(events_partition(), Offset(0)).value();
  ASSERT_EQ(batch->decoded.events.size(), 5u);
  EXPECT_EQ(batch->decoded.events[3].log_offset, Offset(3));
  EXPECT_EQ(batch->decoded.events[3].message_id, "m3");
  EXPECT_EQ(batch->next, Offset(5));
  EXPECT_EQ(batch->events_from(Offset(3)).size(), 2u);
  EXPECT_EQ(batch->records_from(Offset(4)).size(), 1u);
  const auto end = feed_->read(events_partition(), Offset(5)).value();
  EXPECT_TRUE(end->records.records.empty());
  EXPECT_EQ(end->next, Offset(5));
}

TEST_F(EventFeedTest, ReadsOnceForAllJobsAlsoFromTheMiddle) {
  for (std::uint64_t i = 0; i < 5; ++i) append(make_event(EventType::kPageView, i, kTestDay));
  std::vector<std::shared_ptr<const FeedBatch>> got(4);
  {
    std::vector<std::jthread> jobs;
    for (std::size_t i = 0; i < got.size(); ++i) {
      jobs.emplace_back([&, i] { got[i] = feed_->read(events_partition(), Offset(0)).value(); });
    }
  }
  for (const auto& batch : got) EXPECT_EQ(batch, got[0]);
  EXPECT_EQ(feed_->read(events_partition(), Offset(3)).value(), got[0]);
  EXPECT_EQ(log_->reads, 1);
}

TEST_F(EventFeedTest, KeepsItsBoundAndAlwaysTheNewest) {
  for (std::uint64_t i = 0; i < 100; ++i) append(make_event(EventType::kPageView, i, kTestDay));
  EventFeed small(*log_, {.cache_bytes_max = 20'000, .records_max = 5});
  for (Offset at; at < Offset(100);) {
    at = small.read(events_partition(), at).value()->next;
    EXPECT_LE(small.cached_bytes(), 20'000u);
    EXPECT_GT(small.cached_bytes(), 0u);
  }
  EventFeed tiny(*log_, {.cache_bytes_max = 1, .records_max = 5});
  const auto batch = tiny.read(events_partition(), Offset(0)).value();
  EXPECT_EQ(tiny.read(events_partition(), Offset(0)).value(), batch);
}

TEST_F(EventFeedTest, LeavesOtherTopicsUndecodedAndPassesErrorsOn) {
  append(kItemsTopic, 0, "anything", "");
  const auto batch = feed_->read({std::string(kItemsTopic), PartitionId(0)}, Offset(0)).value();
  EXPECT_EQ(batch->records.records.size(), 1u);
  EXPECT_TRUE(batch->decoded.events.empty());
  EXPECT_TRUE(batch->failures.empty());
  EXPECT_EQ(feed_->read({"nosuch", PartitionId(0)}, Offset(0)).error().code, Code::kNotFound);
  EXPECT_EQ(feed_->read(events_partition(), Offset(9)).error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace millrace
