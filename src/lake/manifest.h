#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "lake/sqlite.h"

namespace millrace {

/// What a file of the lake is to readers.
enum class LakeFileState : std::uint8_t {
  kLive,      ///< read it under its key
  kStaged,    ///< live, but so far it lies under `staging/` + key: what it replaces is being removed
  kReplaced,  ///< its records are in another file; its object is about to go
};

/// One part of a dataset, as directories name it: zone `raw`, dataset `events`,
/// path `year=2026/month=07/day=01/hour=09`, for one partition of a topic.
struct LakePart {
  std::string zone;
  std::string dataset;
  std::string path;
  TopicPartition source;

  auto operator<=>(const LakePart&) const = default;
};

/// An object of the lake and what is in it: records of one partition within [first, last]; others of that
/// range may lie in other files.
struct LakeFile {
  LakePart part;
  std::string name;  ///< its key is zone/dataset/path/name
  Offset first;
  Offset last;
  std::uint64_t records = 0;
  std::uint64_t raw_bytes = 0;  ///< before compression
  std::uint64_t bytes = 0;
  Hash128 checksum;  ///< hash128 of the object
  TimeUs created = 0;
  LakeFileState state = LakeFileState::kLive;

  std::string key() const;
  std::string object_key() const;  ///< where it lies now
};

/// Where the object of a staged file lies.
std::string staging_key(std::string_view key);

/// How far a job has come in a partition.
struct LakePosition {
  std::string job;
  TopicPartition partition;
  Offset start;               ///< where it began, once
  Offset next;                ///< everything before it, from `start` on, is in the lake
  TimeUs newest = 0;          ///< the largest record time before `next`
  std::uint64_t records = 0;  ///< how many, since `start`
};

/// Changes that take effect together.
struct ManifestChange {
  std::vector<LakeFile> add;         ///< a file known by its key already is replaced
  std::vector<std::string> replace;  ///< keys: their files become kReplaced
  std::vector<std::string> settle;   ///< keys: kStaged files that now lie in their place
  std::vector<std::string> forget;   ///< keys: their rows go
  std::optional<LakePart> close;     ///< its small files will not be brought together any more
  std::vector<LakePosition> positions;
};

struct ManifestOptions {
  std::string vfs;  ///< SQLite's name of a file system; for tests
  /// false: a mutant that makes the changes one by one, to see that a test would notice.
  bool transactions = true;
};

/// The truth about the lake: which objects make up which dataset, and how far each job has come. A job's new
/// files and its new position become true in one durable transaction, so after a crash nothing is there twice
/// and nothing is missing. Objects without a row are what a crash left, and mean nothing.
/// Bytes and directories: docs/formats/lake.md. Threads: any method from any thread.
class Manifest {
 public:
  /// Open or make it. Errors: kExists when another process has it open; kCorrupt, kDenied, kNoSpace, kIo.
  static Result<std::unique_ptr<Manifest>> open(const Path& path, const ManifestOptions& options = {});

  /// Make all changes, durably, or none. After an error they must be tried again as they are before the
  /// process does anything that relies on their not being there: a commit that failed may be found done after
  /// a crash. Errors: kNoSpace, kIo, kCorrupt.
  Status apply(const ManifestChange& change);

  Result<std::optional<LakePosition>> position(std::string_view job, const TopicPartition& partition) const;

  /// Return the files that readers read (live and staged) of one part, in offset order.
  Result<std::vector<LakeFile>> files(const LakePart& part) const;

  /// Return up to `files_max` files that readers read whose last offset is at or after `from`, in order of
  /// their first offset. `part.path` is not looked at.
  Result<std::vector<LakeFile>> files_from(const LakePart& part, Offset from, std::size_t files_max) const;

  Result<std::optional<LakeFile>> file(std::string_view key) const;

  /// Return what is not settled: staged and replaced files.
  Result<std::vector<LakeFile>> unsettled() const;

  /// Return all parts of a dataset and partition that were not closed. `of.path` is not looked at.
  Result<std::vector<LakePart>> open_parts(const LakePart& of) const;

  Result<bool> is_closed(const LakePart& part) const;

  /// Return the keys of all files, sorted.
  Result<std::vector<std::string>> keys() const;

  /// Held by those who put objects of the curated zone before their rows, or remove objects without rows,
  /// where both may happen at once.
  std::mutex& upkeep() { return upkeep_; }

 private:
  Manifest(sqlite::Database database, const ManifestOptions& options)
      : database_(std::move(database)), options_(options) {}

  Status write(const ManifestChange& change);
  Status write_file(const LakeFile& file);
  Status write_position(const LakePosition& position);
  Status for_keys(const char* sql, const std::vector<std::string>& keys);
  static Result<std::vector<LakeFile>> read_all(sqlite::Statement& select);

  std::mutex upkeep_;
  mutable std::mutex mutex_;  ///< guards database_
  sqlite::Database database_;
  const ManifestOptions options_;
};

}  // namespace millrace
