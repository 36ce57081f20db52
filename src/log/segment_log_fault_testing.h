#pragma once

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "log/event_log_conformance_testing.h"
#include "log/segment_log.h"

namespace millrace {

inline const Path kDir = "/data";
inline const TopicPartition kEvents{"events", PartitionId(0)};
inline const Path kPartitionDir = kDir / "topics" / "events" / "0";

/// A log in a FaultEnv, without threads, with one topic of one partition.
class SegmentLogFaultTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open(const TopicConfig& config = {.partitions = 1}) {
    auto opened = SegmentLog::open(env_, kDir, options_);
    ASSERT_TRUE(opened) << opened.error().text();
    log_ = *std::move(opened);
    ASSERT_TRUE(log_->create_topic("events", config));
  }

  /// Close in good order, or end as by SIGKILL, and open again.
  void reopen() {
    log_.reset();
    open(log_config());
  }
  void kill_and_reopen() {
    env_.die_after(0);
    log_.reset();
    env_.restart_process();
    open(log_config());
  }
  virtual TopicConfig log_config() const { return {.partitions = 1}; }

  Result<Offset> append(const std::vector<NewRecord>& batch) {
    Result<Offset> answer = fail(Code::kInternal, "not answered");
    log_->append(kEvents, batch, [&](Result<Offset> result) { answer = std::move(result); });
    log_->run_queued();
    return answer;
  }
  Result<Offset> append(std::string_view value, TimeUs time = 0) {
    return append({{.value = value, .time = time}});
  }

  std::vector<std::string> values(Offset from = Offset()) { return read_values(*log_, kEvents, from); }
  Path segment(std::uint64_t base) const { return kPartitionDir / fmt::format("{:020}.seg", base); }

  FaultEnv env_;
  SegmentLogOptions options_{.committers = 0, .reserve_bytes = 4'096};
  std::unique_ptr<SegmentLog> log_;
};

}  // namespace millrace
