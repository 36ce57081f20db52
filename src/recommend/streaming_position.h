#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/event_log.h"

namespace millrace {

/// How far streaming recommendations are: a checkpoint, as the file DATA/streaming.json holds it. It may lag
/// behind what is in the log; the tail of the topic `recommendations` says by how much.
struct StreamingPosition {
  std::vector<Offset> next;  ///< of the topic `events`, by partition: all below is done
  Offset kept;               ///< where the topic `recommendations` ended at that time, or before

  std::string json() const;
  /// Errors: kCorrupt.
  static Result<StreamingPosition> parse(std::string_view text);

  bool operator==(const StreamingPosition&) const = default;
};

/// What the attributes of an answer's record say of the event it answers.
std::string streaming_header(PartitionId partition, Offset offset);

/// Take into account what was answered since the checkpoint: moves its `next` behind the last event of each
/// partition that has an answer, and returns the ids of these answers, oldest first. Errors: those of
/// EventLog::read and stats.
Result<std::vector<std::string>> read_streaming_tail(const EventLog& log, StreamingPosition& position);

}  // namespace millrace
