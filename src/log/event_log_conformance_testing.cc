#include "log/event_log_conformance_testing.h"

#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace millrace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EventLogConformance);

EventLogConformance::EventLogConformance() : harness_(GetParam()()) {}
EventLogConformance::~EventLogConformance() = default;

Result<Offset> append_and_wait(EventLog& log, const TopicPartition& to, const std::vector<NewRecord>& batch) {
  auto answer = std::make_shared<std::promise<Result<Offset>>>();
  auto future = answer->get_future();
  log.append(to, batch, [answer](Result<Offset> result) { answer->set_value(std::move(result)); });
  return future.get();
}

Result<Offset> append_value(EventLog& log, const TopicPartition& to, std::string_view value, TimeUs time) {
  return append_and_wait(log, to, {{.value = value, .time = time}});
}

std::vector<std::string> read_values(const EventLog& log, const TopicPartition& from_partition, Offset from,
                                     const ReadLimits& limits) {
  std::vector<std::string> values;
  for (;;) {
    const auto batch = log.read(from_partition, from, limits);
    if (!batch) {
      ADD_FAILURE() << batch.error().text();
      return values;
    }
    if (batch->records.empty()) return values;
    for (const Record& record : batch->records) values.emplace_back(record.value);
    from = batch->next;
  }
}

namespace {

const TopicPartition kFirst{"events", PartitionId(0)};
const TopicPartition kSecond{"events", PartitionId(1)};

TEST_P(EventLogConformance, TopicsAreMadeOnceKeptAndDeleted) {
  EXPECT_TRUE(log().topics().empty());
  TopicConfig config{.partitions = 2, .content_type = "application/json"};
  ASSERT_TRUE(log().create_topic("events", config));
  ASSERT_TRUE(log().create_topic("events", config));
  config.retention = kDayUs;
  ASSERT_TRUE(log().create_topic("events", config));
  EXPECT_EQ(log().topics().at("events"), config);
  const Status other = log().create_topic("events", {.partitions = 3});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kExists);
  ASSERT_TRUE(append_value(log(), kFirst, "x"));
  reopen();
  EXPECT_EQ(log().topics().at("events"), config);
  ASSERT_TRUE(log().delete_topic("events"));
  EXPECT_EQ(log().delete_topic("events").error().code, Code::kNotFound);
  EXPECT_EQ(append_value(log(), kFirst, "x").error().code, Code::kNotFound);
  reopen();
  EXPECT_TRUE(log().topics().empty());
  ASSERT_TRUE(log().create_topic("events", {.partitions = 3}));
  EXPECT_TRUE(read_values(log(), kFirst).empty());
}

TEST_P(EventLogConformance, BadNamesAndSettingsAreRefused) {
  for (const char* name : {"", ".", "..", "a/b", "a b", "\xc3\xa9", "../x"}) {
    EXPECT_EQ(log().create_topic(name, {}).error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(log().create_topic(std::string(129, 'a'), {}).error().code, Code::kInvalid);
  EXPECT_TRUE(log().create_topic(std::string(128, 'a'), {.partitions = 1}));
  EXPECT_EQ(log().create_topic("t", {.partitions = 0}).error().code, Code::kInvalid);
  EXPECT_EQ(log().create_topic("t", {.partitions = 1'025}).error().code, Code::kInvalid);
}

TEST_P(EventLogConformance, RecordsComeBackAsTheyWere) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 2}));
  const std::string nul("a\0b", 3);
  const std::string large(1 << 20, 'v');
  const std::vector<NewRecord> batch = {
      {.key = "k", .attributes = "attr", .value = nul, .time = 5, .count = 3},
      {.key = "", .attributes = "", .value = "", .time = -7, .count = 0},
      {.key = "k2", .attributes = nul, .value = large, .time = kTimeMax, .count = 1},
  };
  const auto first = append_and_wait(log(), kSecond, batch);
  ASSERT_TRUE(first) << first.error().text();
  for (int pass = 0; pass < 2; ++pass) {
    const auto got = log().read(kSecond, *first, {});
    ASSERT_TRUE(got);
    ASSERT_EQ(got->records.size(), batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      EXPECT_EQ(got->records[i].offset, *first + i);
      EXPECT_EQ(got->records[i].time, batch[i].time);
      EXPECT_EQ(got->records[i].count, batch[i].count);
      EXPECT_EQ(got->records[i].key, batch[i].key);
      EXPECT_EQ(got->records[i].attributes, batch[i].attributes);
      EXPECT_EQ(got->records[i].value, batch[i].value);
    }
    std::size_t readable = 0;
    const char* after = got->records.back().value.data() + got->records.back().value.size();
    for (int i = 0; i < 64; ++i) readable += after[i] == '\0' ? 1 : 1;
    EXPECT_EQ(readable, 64u);
    reopen();
  }
}

TEST_P(EventLogConformance, WrongBatchesAreRefusedWithTheRecordNamed) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  EXPECT_EQ(append_and_wait(log(), kFirst, {}).error().code, Code::kInvalid);
  const std::string long_key(1'025, 'k');
  const auto refused = append_and_wait(log(), kFirst, {{.value = "ok"}, {.key = long_key}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_EQ(refused.error().where, "batch[1]");
  const std::string long_attributes((64 << 10) + 1, 'a');
  EXPECT_EQ(append_and_wait(log(), kFirst, {{.attributes = long_attributes}}).error().code, Code::kInvalid);
  const std::string long_value(EventLog::kRecordBytesMax + 1, 'v');
  EXPECT_EQ(append_value(log(), kFirst, long_value).error().code, Code::kInvalid);
  EXPECT_EQ(append_and_wait(log(), kFirst, std::vector<NewRecord>(65'536)).error().code, Code::kInvalid);
  EXPECT_EQ(append_value(log(), kSecond, "x").error().code, Code::kNotFound);
  EXPECT_EQ(append_value(log(), {"none", PartitionId(0)}, "x").error().code, Code::kNotFound);
  EXPECT_TRUE(append_and_wait(log(), kFirst, std::vector<NewRecord>(65'535)));
  EXPECT_TRUE(append_and_wait(log(), kFirst,
                              {{.key = std::string_view(long_key).substr(1),
                                .attributes = std::string_view(long_attributes).substr(1),
                                .value = std::string_view(long_value).substr(1)}}));
}

TEST_P(EventLogConformance, ReadKeepsItsLimits) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  const std::string value(1'000, 'v');
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(append_value(log(), kFirst, value));
  const Offset start = log().stats(kFirst)->start;
  EXPECT_EQ(log().read(kFirst, start, {.records_max = 7})->records.size(), 7u);
  EXPECT_EQ(log().read(kFirst, start, {.bytes_max = 1})->records.size(), 1u);
  const std::size_t some = log().read(kFirst, start, {.bytes_max = 5'000})->records.size();
  EXPECT_GE(some, 1u);
  EXPECT_LE(some, 6u);
  EXPECT_EQ(read_values(log(), kFirst, start, {.records_max = 3}).size(), 20u);
}

TEST_P(EventLogConformance, ReadOutsideSaysOutOfRange) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  ASSERT_TRUE(append_value(log(), kFirst, "x"));
  const PartitionStats stats = *log().stats(kFirst);
  EXPECT_TRUE(log().read(kFirst, stats.end, {})->records.empty());
  EXPECT_EQ(log().read(kFirst, stats.end, {})->next, stats.end);
  EXPECT_EQ(log().read(kFirst, stats.end + 1, {}).error().code, Code::kOutOfRange);
  EXPECT_EQ(log().read(kSecond, Offset(), {}).error().code, Code::kNotFound);
  EXPECT_EQ(log().stats({"none", PartitionId()}).error().code, Code::kNotFound);
}

TEST_P(EventLogConformance, ReadWaitsForTheFirstRecordOnly) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  EXPECT_TRUE(log().read(kFirst, Offset(), {.wait = 2 * kMillisecondUs})->records.empty());
  std::thread writer([&] { EXPECT_TRUE(append_value(log(), kFirst, "x")); });
  const auto got = log().read(kFirst, log().stats(kFirst)->start, {.wait = 20 * kSecondUs});
  writer.join();
  ASSERT_TRUE(got);
  ASSERT_EQ(got->records.size(), 1u);
  EXPECT_EQ(got->records[0].value, "x");
}

TEST_P(EventLogConformance, WaitForAppendSeesEveryTopic) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  ASSERT_TRUE(log().create_topic("other", {.partitions = 1}));
  const std::uint64_t seen = log().wait_for_append(0, kMillisecondUs);
  EXPECT_EQ(log().wait_for_append(seen, 2 * kMillisecondUs), seen);
  std::thread writer([&] { EXPECT_TRUE(append_value(log(), {"other", PartitionId(0)}, "x")); });
  EXPECT_NE(log().wait_for_append(seen, 20 * kSecondUs), seen);
  writer.join();
}

TEST_P(EventLogConformance, OffsetAtTimeFindsTheFirstRecordThatLate) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  EXPECT_EQ(*log().offset_at_time(kFirst, 0), log().stats(kFirst)->end);
  const std::string value(3'000, 'v');
  std::vector<Offset> offsets;
  for (int i = 0; i < 100; ++i) offsets.push_back(*append_value(log(), kFirst, value, 1'000 + i * 10));
  EXPECT_EQ(*log().offset_at_time(kFirst, -5), offsets[0]);
  EXPECT_EQ(*log().offset_at_time(kFirst, 1'000), offsets[0]);
  EXPECT_EQ(*log().offset_at_time(kFirst, 1'001), offsets[1]);
  EXPECT_EQ(*log().offset_at_time(kFirst, 1'990), offsets[99]);
  EXPECT_EQ(*log().offset_at_time(kFirst, 1'991), log().stats(kFirst)->end);
  reopen();
  EXPECT_EQ(*log().offset_at_time(kFirst, 1'500), offsets[50]);
}

TEST_P(EventLogConformance, CountsAddUpAndSurvive) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 2}));
  ASSERT_TRUE(
      append_and_wait(log(), kFirst, {{.value = "a", .time = 9, .count = 5}, {.value = "b", .count = 0}}));
  ASSERT_TRUE(append_value(log(), kFirst, "c"));
  for (int pass = 0; pass < 2; ++pass) {
    const PartitionStats stats = *log().stats(kFirst);
    EXPECT_EQ(stats.count_total, 6u);
    EXPECT_EQ(stats.count_start, 0u);
    EXPECT_EQ(stats.newest, 9);
    EXPECT_GT(stats.bytes, 0u);
    EXPECT_EQ(log().stats(kSecond)->count_total, 0u);
    reopen();
  }
}

TEST_P(EventLogConformance, GroupsRememberWhatTheyCommitted) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 2}));
  const Offset next = *append_value(log(), kFirst, "x") + 1;
  EXPECT_EQ(*log().committed("load", kFirst), std::nullopt);
  ASSERT_TRUE(log().commit("load", kFirst, next));
  EXPECT_EQ(*log().committed("load", kFirst), next);
  EXPECT_EQ(*log().committed("load", kSecond), std::nullopt);
  EXPECT_EQ(*log().committed("other", kFirst), std::nullopt);
  reopen();
  EXPECT_EQ(*log().committed("load", kFirst), next);
  ASSERT_TRUE(log().commit("load", kFirst, Offset())) << "a group may read again";
  EXPECT_EQ(*log().committed("load", kFirst), Offset());
  ASSERT_TRUE(log().delete_group("load", "events"));
  ASSERT_TRUE(log().delete_group("load", "events"));
  EXPECT_EQ(*log().committed("load", kFirst), std::nullopt);
  EXPECT_EQ(log().commit("load", {"none", PartitionId()}, next).error().code, Code::kNotFound);
  EXPECT_EQ(log().committed("load", {"none", PartitionId()}).error().code, Code::kNotFound);
  EXPECT_EQ(log().delete_group("load", "none").error().code, Code::kNotFound);
}

TEST_P(EventLogConformance, ProducersAndReadersAtOnceKeepOrderAndWholeBatches) {
  constexpr int kProducers = 4;
  constexpr int kBatches = 50;
  constexpr int kBatch = 3;
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  std::vector<std::thread> threads;
  for (int producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&, producer] {
      for (int i = 0; i < kBatches; ++i) {
        const std::string key(1, static_cast<char>('a' + producer));
        std::vector<std::string> values;
        for (int j = 0; j < kBatch; ++j) values.push_back(std::to_string(i * kBatch + j));
        std::vector<NewRecord> batch;
        for (const std::string& value : values) batch.push_back({.key = key, .value = value});
        EXPECT_TRUE(append_and_wait(log(), kFirst, batch));
      }
    });
  }
  const auto follow = [&] {
    std::map<std::string, int> next_of;
    std::string batch_key;
    int in_batch = 0;
    Offset from = log().stats(kFirst)->start;
    for (int seen = 0; seen < kProducers * kBatches * kBatch;) {
      const auto got = log().read(kFirst, from, {.records_max = 7, .wait = 20 * kSecondUs});
      ASSERT_TRUE(got);
      ASSERT_FALSE(got->records.empty());
      for (const Record& record : got->records) {
        const std::string key(record.key);
        EXPECT_EQ(record.value, std::to_string(next_of[key]++));
        EXPECT_TRUE(in_batch == 0 || key == batch_key) << "a batch was split";
        batch_key = key;
        in_batch = (in_batch + 1) % kBatch;
      }
      seen += static_cast<int>(got->records.size());
      from = got->next;
    }
  };
  for (int reader = 0; reader < 2; ++reader) threads.emplace_back(follow);
  for (std::thread& thread : threads) thread.join();
}

TEST_P(EventLogConformance, BatchesOfOneThreadKeepTheirOrder) {
  ASSERT_TRUE(log().create_topic("events", {.partitions = 1}));
  std::atomic<int> answered = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string value = std::to_string(i);
    log().append(kFirst, {{.value = value}}, [&](const Result<Offset>& done) {
      EXPECT_TRUE(done);
      ++answered;
    });
  }
  while (answered < 200) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto values = read_values(log(), kFirst, log().stats(kFirst)->start);
  ASSERT_EQ(values.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST(PartitionFor, FollowsKafkaAndSpreadsEmptyKeys) {
  EXPECT_EQ(EventLog::partition_for("abc", 1'000, 0), PartitionId(107)) << "murmur2 of it is 479,470,107";
  std::set<PartitionId> spread;
  for (std::uint64_t i = 0; i < 4; ++i) spread.insert(EventLog::partition_for("", 4, i));
  EXPECT_EQ(spread.size(), 4u);
}

}  // namespace
}  // namespace millrace
