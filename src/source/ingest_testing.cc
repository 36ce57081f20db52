#include "source/ingest_testing.h"

#include <gtest/gtest.h>

#include "event/codec.h"
#include "log/topics.h"

namespace millrace {
namespace {

/// Call `each` with every record of a topic.
void for_each_record(const EventLog& log, std::string_view topic,
                     const std::function<void(const Record&)>& each) {
  const auto partitions = log.topics().at(std::string(topic)).partitions;
  for (std::uint32_t i = 0; i < partitions; ++i) {
    const TopicPartition partition{std::string(topic), PartitionId(i)};
    for (Offset at = log.stats(partition).value().start;;) {
      const auto batch = log.read(partition, at, {});
      ASSERT_TRUE(batch) << batch.error().text();
      if (batch->records.empty()) break;
      for (const auto& record : batch->records) each(record);
      at = batch->next;
    }
  }
}

}  // namespace

IngestBench::IngestBench(const IngestLimits& limits) {
  log = SegmentLog::open(Env::system(), folder.path() / "log").value();
  for (const auto topic : {kEventsTopic, kQuarantineTopic, kItemsTopic, kUsersTopic}) {
    TopicConfig config;
    config.partitions = topic == kEventsTopic ? 4 : 1;
    EXPECT_TRUE(log->create_topic(topic, config));
  }
  ingest = Ingest::open(*log, Env::system(), folder.path() / "ingested.sqlite", limits).value();
}

IngestResult IngestBench::run(const IngestRequest& request) {
  auto result = ingest->run(request);
  EXPECT_TRUE(result) << (result ? "" : result.error().text());
  return result ? *std::move(result) : IngestResult();
}

void IngestBench::for_each_event(const std::function<void(const Event&)>& each) const {
  for_each_record(*log, kEventsTopic, [&](const Record& record) {
    EventBatch batch;
    const auto status = decode_record(decode_envelope(record.attributes).value(), record.value, batch);
    ASSERT_TRUE(status) << status.error().text();
    for (const auto& event : batch.events) each(event);
  });
}

std::vector<std::pair<std::string, std::string>> IngestBench::records(std::string_view topic) const {
  std::vector<std::pair<std::string, std::string>> all;
  for_each_record(*log, topic,
                  [&](const Record& record) { all.emplace_back(record.attributes, record.value); });
  return all;
}

}  // namespace millrace
