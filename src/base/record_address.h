#pragma once

#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace millrace {

/// Where a record lies in the log.
struct RecordAddress {
  TopicPartition partition;
  Offset offset;

  auto operator<=>(const RecordAddress&) const = default;
};

/// Read what `record_id` writes: "events:0:1234". Errors: kInvalid, saying how one looks.
Result<RecordAddress> parse_record_id(std::string_view id);

}  // namespace millrace
