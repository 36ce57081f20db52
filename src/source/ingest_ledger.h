#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/time.h"

struct sqlite3;

namespace millrace {

/// A file that was loaded to its end.
struct LoadedFile {
  Hash128 content;
  std::string source;
  std::string topic;  ///< what it was loaded as: "events", "items", "users"
  std::string path;
  std::uint64_t rows = 0;
  std::uint64_t events = 0;
  std::uint64_t quarantined = 0;
  TimeUs loaded_at = 0;
};

/// Remembers, durably, which files were loaded: by content, source and topic, whatever their names.
/// Threads: any method from any thread.
class IngestLedger {
 public:
  /// Errors: kIo, kDenied, kCorrupt.
  static Result<std::unique_ptr<IngestLedger>> open(const Path& path);

  Result<std::optional<LoadedFile>> find(const Hash128& content, std::string_view source,
                                         std::string_view topic) const;

  /// Remember a file whose records are durable; again replaces what was known of it.
  Status remember(const LoadedFile& file);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  explicit IngestLedger(std::unique_ptr<sqlite3, Close> database) : database_(std::move(database)) {}

  mutable std::mutex mutex_;  ///< guards database_
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace millrace
