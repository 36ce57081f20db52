#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "stream/flow_function.h"
#include "stream/job.h"
#include "stream/transform_position.h"

namespace millrace {

struct TransformJobOptions {
  std::string name;
  std::string from;             ///< topic to read
  std::string to;               ///< topic to publish to; made, with as many partitions, when there is none
  bool from_start = false;      ///< when it is new: with all the topic has, else with what comes
  std::size_t batch_max = 500;  ///< messages given to the function at once
  int tries = 3;                ///< of a message, before it goes to quarantine
  DurationUs retry_pause = 200 * kMillisecondUs;  ///< before the second try; twice that before the third
  DurationUs checkpoint_interval = kSecondUs;
  Path position;  ///< its checkpoint: DATA/transforms/NAME.json
};

/// Passes each message of a topic through a function, and publishes what that makes of it to another topic,
/// in the same partition and order. What fails goes to the topic quarantine with stage "transform".
///
/// Exactly once: each record it publishes names the message it came from, what it published since the last
/// checkpoint is read again after a crash, and goes on behind it. A message that fails holds back those
/// behind it in its partition, and all others of this transform, until it is tried often enough; other
/// transforms have jobs of their own. Holds one batch at a time.
class TransformJob : public Job {
 public:
  /// The log and the environment must outlive it.
  TransformJob(EventLog& log, Env& env, TransformJobOptions options, std::unique_ptr<FlowFunction> function);

  /// Return the name of the group that holds back retention of `from` for a transform.
  static std::string group(std::string_view name) { return "transform-" + std::string(name); }

  std::string_view name() const override { return job_name_; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;
  void show_in(JobMetrics& metrics) override { metrics_ = &metrics; }

 private:
  /// A batch on its way.
  struct Batch {
    std::uint32_t partition = 0;
    Offset next;
    std::vector<SubscriptionMessage> messages;
    std::vector<std::optional<FlowOutcome>> outcomes;  ///< of the messages; none: to be tried (again)
    int tries = 0;
  };

  Status open_position();
  Status make_position(std::uint32_t partitions);
  Status sync();
  Result<bool> take_batch();
  Status read_batch(std::uint32_t partition);
  Result<bool> try_batch();
  Status finish_batch();
  Status publish();
  Status quarantine();
  Status checkpoint();
  Result<StepResult> idle();

  EventLog& log_;
  Env& env_;
  const TransformJobOptions options_;
  const std::string job_name_;
  std::unique_ptr<FlowFunction> function_;
  JobMetrics* metrics_ = nullptr;

  std::string content_type_;  ///< of `from`
  TransformPosition position_;
  TransformTail tail_;
  bool synced_ = false;  ///< position_ and tail_ are what the log says
  std::uint32_t turn_ = 0;
  std::optional<Batch> batch_;
  bool dirty_ = false;  ///< position_ is ahead of its file
  DurationUs checkpoint_at_ = 0;
  std::string complaint_;

  mutable std::mutex mutex_;
  JobPosition done_;  ///< guarded by mutex_
};

}  // namespace millrace
