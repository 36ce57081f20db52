#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/env.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"

struct sqlite3;

namespace millrace {

/// What a load is known by: the same content, source and topic give the same message ids, and read in the
/// same way also the same rows.
struct LoadKey {
  Hash128 content;
  std::string source;
  std::string topic;  ///< what it is loaded as: "events", "items", "users"
  std::string format;
  Hash128 mapping;  ///< of its file's bytes; 0 without one
};

/// Remembers, durably, which files were loaded, whatever their names, and which loads were only begun.
/// Threads: any method from any thread.
class IngestLedger {
 public:
  /// Errors: kIo, kDenied, kCorrupt.
  static Result<std::unique_ptr<IngestLedger>> open(const Path& path);

  /// Return whether a load with this key came to its end.
  Result<bool> is_loaded(const LoadKey& key) const;

  /// Note that a load begins, before its first record is logged. Return whether an earlier one with the same
  /// content, source and topic began, read in whatever way: this one's records are then to replace its.
  Result<bool> begin(const LoadKey& key, const Path& path, TimeUs now);

  /// Note that all records of a load that began are durable.
  Status finish(const LoadKey& key, TimeUs now);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  explicit IngestLedger(std::unique_ptr<sqlite3, Close> database) : database_(std::move(database)) {}

  mutable std::mutex mutex_;  ///< guards database_
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace millrace
