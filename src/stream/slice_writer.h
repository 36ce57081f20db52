#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/logging.h"
#include "stream/event_feed.h"
#include "warehouse/fact_writer.h"

namespace millrace {

/// Records of one batch for one transaction: those from `from` up to `to`.
struct Slice {
  std::shared_ptr<const FeedBatch> batch;
  Offset from;
  Offset to;

  bool holds(Offset offset) const { return from <= offset && offset < to; }
};

/// Return whether a failure is the fault of what was written, not of the machine.
bool blames_record(const Error& error);

/// Writes slices of Millrace's own topics to their tables. A record that cannot be read goes to the table
/// `quarantine`. Every call needs a writer with an open transaction; errors are the writer's. One thread.
class SliceWriter {
 public:
  /// `job` names it in log lines; `env` must outlive it.
  SliceWriter(std::string job, Env& env) : job_(std::move(job)), env_(env) {}

  Status write(const Slice& slice, FactWriter& writer);

  /// Write a record to the quarantine, with `reason` and the stage at which it failed.
  Status put_aside(const TopicPartition& partition, const Record& record, std::string_view stage,
                   const Error& reason, FactWriter& writer);

 private:
  Status write_failures(const Slice& slice, FactWriter& writer);
  Status write_record(const TopicPartition& partition, const Record& record, FactWriter& writer);

  const std::string job_;
  Env& env_;
  LogLimiter lines_{100, 10};
};

}  // namespace millrace
