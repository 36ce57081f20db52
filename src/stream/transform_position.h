#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "log/event_log.h"

namespace millrace {

/// Where a transform in flight stands: a checkpoint, as the file DATA/transforms/NAME.json holds it. It may
/// lag behind what is published; the tails of the topics published to say by how much.
struct TransformPosition {
  std::string from, to;           ///< topics
  std::vector<Offset> next;       ///< of `from`, by partition: all below is done
  std::vector<Offset> published;  ///< ends of the partitions of `to` at that time, or before
  Offset quarantined;             ///< likewise of the topic quarantine

  std::string json() const;
  /// Errors: kCorrupt.
  static Result<TransformPosition> parse(std::string_view text);

  bool operator==(const TransformPosition&) const = default;
};

/// What the header of a record says of the message it came from, or nothing:
/// {"flow":{"name","partition","offset"}}.
struct TransformOrigin {
  std::uint32_t partition = 0;
  Offset offset;

  static std::optional<TransformOrigin> of(std::string_view attributes, std::string_view name);
};

/// What a transform had done when it ended, beyond its checkpoint.
struct TransformTail {
  std::vector<Offset> next;                                ///< by partition of `from`: all below is published
  std::set<std::pair<std::uint32_t, Offset>> quarantined;  ///< and these of the rest are in quarantine
};

/// Read what transform `name` published since the checkpoint. Errors: those of EventLog::read and stats.
Result<TransformTail> read_transform_tail(const EventLog& log, std::string_view name,
                                          const TransformPosition& checkpoint);

}  // namespace millrace
