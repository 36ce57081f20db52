#pragma once

#include <memory>

#include "lake/manifest.h"
#include "lake/object_store.h"
#include "log/event_log.h"
#include "stream/job.h"
#include "warehouse/warehouse.h"

namespace millrace {

struct CurateJobOptions {
  DurationUs interval = kHourUs;            ///< of received time between two cuts
  DurationUs lateness = 5 * kMinuteUs;      ///< an hour's rows may be received so long after its end
  DurationUs margin = 5 * kSecondUs;        ///< as ArchiveJobOptions::margin
  std::uint64_t file_rows_max = 1'000'000;  ///< about; beyond it an hour has several files of one cut
  std::uint64_t rows_at_once = 250'000;     ///< of small hours that are read in one pass
  DurationUs rest = kSecondUs;              ///< between two looks at the clock
};

/// The job `curate`: writes each closed hour of each table of facts to the lake's curated zone as Parquet,
/// `curated/<table>/dt=/hour=/` (docs/formats/lake.md). At every full `interval` T it cuts the log where
/// records begin that were received at T + lateness or later. What lies before the cut of the hours that end
/// by T, and was not published by an earlier cut, makes the files of this one. So each row is published once,
/// and which files there are follows from the log and not from when the job ran.
///
/// Where the cut is becomes durable in the manifest before the first file is put; then an hour's files become
/// true together; at last the cut is done. After a crash the same cut is gone on with.
class CurateJob : public Job {
 public:
  static constexpr std::string_view kName = "curate";

  /// All arguments must outlive the job. `staging` is a file in the lake's directory that may be overwritten.
  static std::unique_ptr<CurateJob> make(EventLog& log, Warehouse& warehouse, ObjectStore& store,
                                         Manifest& manifest, const Path& staging,
                                         const CurateJobOptions& options = {});
};

}  // namespace millrace
