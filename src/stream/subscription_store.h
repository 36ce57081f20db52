#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/sqlite.h"
#include "stream/subscription.h"

namespace millrace {

/// All that is kept of one subscription but its progress.
struct StoredSubscription {
  std::string name;
  SubscriptionSettings settings;
  std::uint64_t epoch = 0;
  Offset dead_letters_replayed;  ///< in partition 0 of the dead-letter topic: up to here they were given back
  SubscriptionCounts counts;
};

/// Changes that become durable together.
struct SubscriptionChanges {
  std::vector<StoredSubscription> put;
  struct Progress {
    std::string subscription;
    PartitionId partition;
    SubscriptionProgress progress;
  };
  std::vector<Progress> progress;
  std::vector<std::string> removed;  ///< before the others

  bool empty() const { return put.empty() && progress.empty() && removed.empty(); }
};

/// Subscriptions on disk: docs/formats/subscriptions.md. Threads: one at a time.
class SubscriptionStore {
 public:
  /// Open or make the file. Errors: those of sqlite::Database::open; kInvalid when a newer version wrote it.
  static Result<SubscriptionStore> open(const Path& path);

  struct Loaded {
    std::vector<StoredSubscription> subscriptions;
    std::vector<SubscriptionChanges::Progress> progress;
  };
  /// Read everything. Errors: kCorrupt, kIo.
  Result<Loaded> load() const;

  /// Write everything or nothing; durable when it returns. Errors: kNoSpace, kIo.
  Status write(const SubscriptionChanges& changes);

 private:
  explicit SubscriptionStore(sqlite::Database database) : database_(std::move(database)) {}
  Status write_rows(const SubscriptionChanges& changes);

  sqlite::Database database_;
};

}  // namespace millrace
