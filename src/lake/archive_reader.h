#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lake/manifest.h"
#include "lake/object_store.h"
#include "lake/raw_file.h"
#include "log/event_log.h"

namespace millrace {

/// Read an object and check it against its row. Errors: kNotFound when it is not there; kCorrupt, naming the
/// file and both checksums; those of ObjectStore::get.
Result<std::string> get_checked(const ObjectStore& store, const LakeFile& file);

/// Gives back from the raw zone the records of a topic, exactly as the log had them, also those that
/// retention has removed from it. Threads: one at a time.
class ArchiveReader {
 public:
  /// `job` is the one whose positions say what is archived. Both references must outlive the reader.
  ArchiveReader(const Manifest& manifest, const ObjectStore& store, std::string job)
      : manifest_(manifest), store_(store), job_(std::move(job)) {}

  /// Read on from `from` as EventLog::read does, never waiting: an empty batch means that nothing from there
  /// on is archived yet; continue in the log. `next` passes over offsets that never held a record. Keeps the
  /// decompressed files that lie at this place (a few times 64 MB at most) for the next call. Errors:
  /// kNotFound when nothing of the partition is archived; kOutOfRange below the archive's start, which it
  /// names; kCorrupt, naming the damaged or missing file; kIo.
  Result<RecordBatch> read(const TopicPartition& partition, Offset from, const ReadLimits& limits = {});

 private:
  class Merge;

  Result<RecordBatch> read_once(const LakePosition& position, Offset from, const ReadLimits& limits);
  Result<const RawRecords*> load(const LakeFile& file);

  const Manifest& manifest_;
  const ObjectStore& store_;
  const std::string job_;
  std::map<std::string, RawRecords> files_;  ///< decompressed, by key
  std::set<std::string> used_;               ///< those that the present call needed
};

}  // namespace millrace
