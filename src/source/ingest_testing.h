#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"
#include "log/segment_log.h"
#include "source/ingest.h"
#include "source/source_testing.h"

namespace millrace {

/// A real log with all topics, and an Ingest into it, in a folder of their own.
class IngestBench {
 public:
  explicit IngestBench(const IngestLimits& limits = {});

  /// Run a request; it must succeed.
  IngestResult run(const IngestRequest& request);

  /// Call `each` with every event in the log, decoded as the jobs decode them, partition by partition.
  void for_each_event(const std::function<void(const Event&)>& each) const;

  /// Return attributes and value of every record of a topic.
  std::vector<std::pair<std::string, std::string>> records(std::string_view topic) const;

  TestFolder folder;
  std::unique_ptr<SegmentLog> log;
  std::unique_ptr<Ingest> ingest;
};

}  // namespace millrace
