#include "recommend/recommendation_log.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/env.h"
#include "log/segment_log.h"
#include "log/topics.h"

namespace millrace {
namespace {

const TopicPartition kPartition{std::string(kRecommendationsTopic), PartitionId(0)};

/// A real log whose appends can be held back or refused.
class SlowLog : public EventLog {
 public:
  explicit SlowLog(const std::string& name) : dir_(std::filesystem::temp_directory_path() / name) {
    std::filesystem::remove_all(dir_);
    log_ = SegmentLog::open(Env::system(), dir_).value();
    EXPECT_TRUE(log_->create_topic(kRecommendationsTopic, {.partitions = 1}));
  }
  ~SlowLog() override {
    log_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::atomic<bool> held = false;
  std::atomic<int> refusals = 0;

  void append(const TopicPartition& to, std::vector<NewRecord> batch, AppendDone done) override {
    while (held) std::this_thread::yield();
    if (refusals > 0) {
      --refusals;
      return done(fail(Code::kNoSpace, "the disk is full"));
    }
    log_->append(to, std::move(batch), std::move(done));
  }
  std::vector<std::string> values() const {
    std::vector<std::string> values;
    for (Offset at;;) {
      const RecordBatch batch = log_->read(kPartition, at, {}).value();
      if (batch.records.empty()) return values;
      for (const Record& record : batch.records) values.emplace_back(record.value);
      at = batch.next;
    }
  }

  Status create_topic(std::string_view topic, const TopicConfig& config) override {
    return log_->create_topic(topic, config);
  }
  Status delete_topic(std::string_view topic) override { return log_->delete_topic(topic); }
  std::map<std::string, TopicConfig> topics() const override { return log_->topics(); }
  Result<RecordBatch> read(const TopicPartition& p, Offset from, const ReadLimits& limits) const override {
    return log_->read(p, from, limits);
  }
  Result<Offset> offset_at_time(const TopicPartition& p, TimeUs time) const override {
    return log_->offset_at_time(p, time);
  }
  Result<PartitionStats> stats(const TopicPartition& p) const override { return log_->stats(p); }
  Status commit(std::string_view group, const TopicPartition& p, Offset next) override {
    return log_->commit(group, p, next);
  }
  Result<std::optional<Offset>> committed(std::string_view group, const TopicPartition& p) const override {
    return log_->committed(group, p);
  }
  Status delete_group(std::string_view group, std::string_view topic) override {
    return log_->delete_group(group, topic);
  }
  std::uint64_t wait_for_append(std::uint64_t seen, DurationUs wait) const override {
    return log_->wait_for_append(seen, wait);
  }

 private:
  Path dir_;
  std::unique_ptr<SegmentLog> log_;
};

Recommendations answer(int i) {
  return {.recommendation_id = std::to_string(i), .time = 1'000 + i};
}

TEST(RecommendationLog, WritesWhatWasServedInOrderAndDrainsAtTheEnd) {
  SlowLog log("millrace_reclog_order");
  RecommendationLog kept(log, {.batch_max = 7, .linger = kSecondUs});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(kept.append(answer(i), {.n = 3}, "recommend"));
  EXPECT_TRUE(kept.stop(10 * kSecondUs));
  const auto values = log.values();
  ASSERT_EQ(values.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    const auto json = nlohmann::json::parse(values[static_cast<std::size_t>(i)]);
    EXPECT_EQ(json.at("recommendation_id"), std::to_string(i));
    EXPECT_EQ(json.at("request").at("n"), 3);
  }
  EXPECT_EQ(kept.written(), 100u);
  EXPECT_EQ(kept.dropped(), 0u);
}

TEST(RecommendationLog, CountsWhatFindsTheQueueFullAndNeverWaits) {
  SlowLog log("millrace_reclog_full");
  log.held = true;
  RecommendationLog kept(log, {.queue_max = 50, .batch_max = 10, .linger = 0});
  int taken = 0;
  // The log stands still; were an answer to wait for it, this would never end.
  for (int i = 0; i < 1'000; ++i) taken += kept.append(answer(i), {}, "recommend");
  EXPECT_GE(taken, 50);
  EXPECT_LE(taken, 60) << "the queue and one batch in hand";
  EXPECT_EQ(kept.dropped(), 1'000u - static_cast<unsigned>(taken));
  log.held = false;
  EXPECT_TRUE(kept.stop(10 * kSecondUs));
  EXPECT_EQ(log.values().size(), static_cast<std::size_t>(taken));
}

TEST(RecommendationLog, TriesAgainWhenTheLogRefuses) {
  SlowLog log("millrace_reclog_again");
  log.refusals = 3;
  RecommendationLog kept(log, {.linger = 0});
  EXPECT_TRUE(kept.append(answer(1), {}, "news"));
  EXPECT_TRUE(kept.stop(10 * kSecondUs));
  EXPECT_EQ(log.values().size(), 1u);
}

TEST(RecommendationLog, SaysHowManyWereLostWhenItCannotDrain) {
  SlowLog log("millrace_reclog_lost");
  log.refusals = 1'000'000;
  RecommendationLog kept(log, {.batch_max = 2, .linger = 0});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(kept.append(answer(i), {}, "recommend"));
  const Status stopped = kept.stop(200 * kMillisecondUs);
  ASSERT_FALSE(stopped);
  EXPECT_NE(stopped.error().message.find("5 served answers"), std::string::npos) << stopped.error().message;
  EXPECT_FALSE(kept.append(answer(6), {}, "recommend")) << "nothing is taken any more";
  EXPECT_EQ(kept.dropped(), 6u);
}

}  // namespace
}  // namespace millrace
