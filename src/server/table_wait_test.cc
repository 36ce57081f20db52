// Work on the tables waits for what is in the log, and not for ever.
#include "server/table_wait.h"

#include <filesystem>
#include <future>

#include <gmock/gmock.h>
#include <stdlib.h>

#include "log/segment_log.h"
#include "log/topics.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class TableWaitTest : public testing::Test {
 protected:
  TableWaitTest() {
    auto pattern = (std::filesystem::temp_directory_path() / "tables.XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    log_ = *SegmentLog::open(Env::system(), dir_ / "log");
    EXPECT_TRUE(log_->create_topic(kEventsTopic, {}));
    for (int i = 0; i < 5; ++i) append();
  }
  ~TableWaitTest() override {
    log_.reset();
    std::filesystem::remove_all(dir_);
  }
  void append() {
    std::promise<bool> done;
    log_->append(events_, {{.key = {}, .attributes = {}, .value = "{}", .time = 1}},
                 [&](const Result<Offset>& offset) { done.set_value(offset.has_value()); });
    EXPECT_TRUE(done.get_future().get());
  }
  Status wait(std::function<JobPosition()> loaded) {
    return wait_for_tables({Env::system(), *log_, std::move(loaded)}, &stop_,
                           [&](std::string_view step) { said_.emplace_back(step); });
  }

  const TopicPartition events_{std::string(kEventsTopic), PartitionId(0)};
  Path dir_;
  std::unique_ptr<SegmentLog> log_;
  std::atomic<bool> stop_ = false;
  std::vector<std::string> said_;
};

TEST_F(TableWaitTest, ReturnsAtOnceWhereNothingIsMissing) {
  EXPECT_TRUE(wait([&] { return JobPosition{{events_, Offset(5)}}; }));
  EXPECT_TRUE(said_.empty());
}

TEST_F(TableWaitTest, WaitsForWhatWasThereAndNotForWhatComesLater) {
  std::uint64_t next = 0;
  EXPECT_TRUE(wait([&] {
    append();
    return JobPosition{{events_, Offset(next++)}};
  }));
  EXPECT_EQ(next, 6u) << "offsets below 5 were there";
  ASSERT_FALSE(said_.empty());
  EXPECT_THAT(said_.front(), HasSubstr("which lack 5 records"));
}

TEST_F(TableWaitTest, EndsWhenToldToStop) {
  const Status waited = wait([&] {
    stop_ = true;
    return JobPosition{};
  });
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace millrace
