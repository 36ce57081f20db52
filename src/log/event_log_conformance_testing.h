#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "log/event_log.h"

namespace millrace {

/// A log under test that can be closed and opened again on the same data.
class EventLogHarness {
 public:
  virtual ~EventLogHarness() = default;
  virtual EventLog& log() = 0;
  virtual void reopen() = 0;
};

/// What every EventLog must do. To run it on an implementation:
///   INSTANTIATE_TEST_SUITE_P(SegmentLog, EventLogConformance, ::testing::Values(make_harness));
class EventLogConformance
    : public ::testing::TestWithParam<std::function<std::unique_ptr<EventLogHarness>()>> {
 protected:
  EventLogConformance();
  ~EventLogConformance() override;

  EventLog& log() { return harness_->log(); }
  void reopen() { harness_->reopen(); }

 private:
  std::unique_ptr<EventLogHarness> harness_;
};

/// Append and wait for the answer.
Result<Offset> append_and_wait(EventLog& log, const TopicPartition& to, const std::vector<NewRecord>& batch);

/// Append one record with that value and wait for the answer.
Result<Offset> append_value(EventLog& log, const TopicPartition& to, std::string_view value, TimeUs time = 0);

/// Read all values from `from` to the end, a few at a time.
std::vector<std::string> read_values(const EventLog& log, const TopicPartition& from_partition,
                                     Offset from = Offset(), const ReadLimits& limits = {});

}  // namespace millrace
