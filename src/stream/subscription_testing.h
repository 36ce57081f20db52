#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/env.h"
#include "log/segment_log.h"
#include "stream/subscription_push.h"

namespace millrace {

/// A log with the topic "clicks" in a directory of its own, which goes when the test ends.
class SubscriptionLogTest : public testing::Test {
 protected:
  SubscriptionLogTest();
  ~SubscriptionLogTest() override;

  /// Append messages of one partition, durable when it returns: "data", or "key=data".
  void publish(const std::vector<std::string>& messages, std::uint32_t partition = 0,
               std::string_view topic = "clicks");
  /// Return the data of all messages of partition 0.
  std::vector<std::string> values(std::string_view topic);
  void make_topic(std::string_view topic, std::uint32_t partitions = 1);
  /// Close the log and open it again.
  void reopen_log();

  Path dir_;
  std::unique_ptr<SegmentLog> log_;
};

/// Endpoints whose answers a test decides: `answer` is asked on the engine's thread, in the order of the
/// pushes.
class ScriptedTargets : public PushTargets {
 public:
  /// What to answer to a body; nothing: hang until the sender is closed.
  using Answer = std::function<std::optional<PushOutcome>(const std::string& url, const PushBody& body)>;
  explicit ScriptedTargets(Answer answer) : answer_(std::move(answer)) {}

  Status check(std::string_view url) const override;
  Result<std::unique_ptr<PushSender>> open(std::string_view url, DurationUs timeout,
                                           std::size_t most) override;

 private:
  const Answer answer_;
};

}  // namespace millrace
