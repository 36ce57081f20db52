#include "source/change_writer.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "log/segment_log.h"
#include "source/source_testing.h"

namespace millrace {
namespace {

constexpr std::string_view kTopic = "source.shop";

class ChangeWriterTest : public testing::Test {
 protected:
  /// A log that is full at once, since somebody still needs all that is in it.
  ChangeWriterTest() {
    log_ = SegmentLog::open(Env::system(), folder_.path() / "log").value();
    TopicConfig config;
    config.segment_bytes = 1 << 20;
    config.bytes_soft = config.bytes_hard = 1 << 20;
    EXPECT_TRUE(log_->create_topic(kTopic, config));
    EXPECT_TRUE(log_->commit("reader", {std::string(kTopic), PartitionId(0)}, Offset(0)));
  }

  Status write(ChangeWriter& writer, std::uint64_t sequence, std::size_t bytes) {
    writer.begin({.domain = 0, .server = 1, .sequence = sequence}, kSecondUs);
    std::string& rows = writer.rows(table_);
    append_op(RowOp::kInsert, rows);
    append_cell(std::string(bytes, 'x'), rows);
    writer.added(1);
    return writer.end();
  }

  TestFolder folder_;
  std::unique_ptr<SegmentLog> log_;
  const ChangeWriter::Table table_{.name = "orders", .schema_id = 1};
};

TEST_F(ChangeWriterTest, NobodyWaitsForAFullLogOnceItIsTimeToStop) {
  std::stop_source stop;
  ChangeWriter writer(*log_, Env::system(), std::string(kTopic), {}, stop.get_token());
  std::atomic<bool> is_waiting = true;
  Status ended;
  std::thread follower([&] {
    for (std::uint64_t n = 1; ended; ++n) ended = write(writer, n, 4 << 20);
    is_waiting = false;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(is_waiting) << ended.error().text();
  stop.request_stop();
  follower.join();
  EXPECT_EQ(ended.error().code, Code::kCancelled);
  const Status flushed = writer.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace millrace
