#include "stream/stream_testing.h"

#include <future>

#include <fmt/format.h>

#include "event/codec.h"
#include "event/json_writer.h"

namespace millrace {

StreamTest::StreamTest() {
  auto opened = SegmentLog::open(env_, dir_ / "log");
  EXPECT_TRUE(opened) << opened.error().text();
  segment_log_ = *std::move(opened);
  log_ = std::make_unique<StubbornLog>(*segment_log_);
  for (const auto topic : kOwnTopics) {
    EXPECT_TRUE(log_->create_topic(topic, {.partitions = topic == kEventsTopic ? 4u : 1u}));
  }
  feed_ = std::make_unique<EventFeed>(*log_, EventFeedOptions{});
}

void StreamTest::append(std::string_view topic, std::uint32_t partition, std::string_view value,
                        std::string_view attributes, std::uint32_t count) {
  std::promise<Result<Offset>> done;
  log_->append({std::string(topic), PartitionId(partition)},
               {{.attributes = attributes, .value = value, .time = env_.now(), .count = count}},
               [&](Result<Offset> result) { done.set_value(std::move(result)); });
  const auto result = done.get_future().get();
  ASSERT_TRUE(result) << result.error().text();
}

std::string envelope_of(const Event& event) {
  std::string attributes;
  encode_envelope({.codec = CodecId::kNative, .source = event.source, .received_time = event.received_time},
                  attributes);
  return attributes;
}

void StreamTest::append(const Event& event, std::uint32_t partition) {
  std::string value;
  append_native_event(event, value);
  append(kEventsTopic, partition, value, envelope_of(event));
}

std::unique_ptr<LoadJob> StreamTest::load_job(const LoadJobOptions& options) {
  auto job = LoadJob::make(*log_, *feed_, *warehouse_, options);
  const auto started = job->start();
  EXPECT_TRUE(started) << started.error().text();
  return job;
}

void StreamTest::run(Job& job) {
  for (int i = 0; i < 10'000; ++i) {
    const auto result = job.step();
    ASSERT_TRUE(result) << result.error().text();
    if (!result->more) return;
  }
  FAIL() << "the job never ends";
}

std::string StreamTest::books(const LoadJob& job) {
  const auto drawn = draw_up_books(*log_, job.position());
  EXPECT_TRUE(drawn);
  EXPECT_TRUE(drawn->balanced);
  const auto& line = drawn->events;
  EXPECT_EQ(line.logged, line.applied + line.duplicate + line.quarantined_later + line.pending);
  return fmt::format("{} {} {} {} {}", line.logged, line.applied, line.duplicate, line.quarantined_later,
                     line.pending);
}

}  // namespace millrace
