#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "base/env.h"
#include "lake/manifest.h"
#include "lake/object_store.h"
#include "log/event_log.h"
#include "log/topics.h"
#include "stream/archive_stretch.h"
#include "stream/job.h"

namespace millrace {

struct ArchiveJobOptions {
  DurationUs interval = kMinuteUs;            ///< of received time that a file holds at most; at most an hour
  std::uint64_t file_bytes_max = 64'000'000;  ///< raw; fewer where there are many partitions, see memory
  std::uint64_t memory_bytes_max = 256'000'000;  ///< of files that grow, about
  /// Received times may lie so far behind the clock when their records come. An interval without later
  /// records is over when the clock has passed it by as much, and the log has nothing more.
  DurationUs margin = 5 * kSecondUs;
  DurationUs lateness = 5 * kMinuteUs;  ///< an hour's small files are brought together so long after its end
  int compression_level = 1;            ///< zstd's
  DurationUs rest = kSecondUs / 4;      ///< between two looks at a log that is caught up
};

/// The job `archive`: writes the topics `events` and `recommendations` to the lake's raw zone,
/// `raw/TOPIC/year=/month=/day=/hour=/`, each record once (docs/formats/lake.md). The truth of where it
/// stands is the manifest, in which files and position become true together; afterwards it commits the group
/// `archive` in the log, so that retention deletes only what is archived. Which files it makes is a function
/// of the log and the options (stream/archive_stretch.h): a crash changes nothing about them.
class ArchiveJob : public Job {
 public:
  static constexpr std::string_view kGroup = "archive";
  static constexpr std::array kTopics = {kEventsTopic, kRecommendationsTopic};

  /// All arguments must outlive the job.
  static std::unique_ptr<ArchiveJob> make(Env& env, EventLog& log, ObjectStore& store, Manifest& manifest,
                                          const ArchiveJobOptions& options = {});
};

}  // namespace millrace
