#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "event/source_state.h"
#include "log/event_log.h"
#include "source/mysql_source.h"

namespace millrace {

struct ExtractRequest {
  std::string source;
  std::vector<std::string> tables;  ///< empty: all that the source's configuration chooses
  bool incremental = false;         ///< tables with a cursor: only what changed since the last time
  bool restart = false;             ///< begin snapshots anew that broke off
};

enum class ExtractMode : std::uint8_t {
  kSnapshot,  ///< all rows
  kResumed,   ///< the rest of a snapshot that broke off
  kChanges,   ///< rows from the cursor on
};

struct ExtractTableResult {
  std::string table;
  ExtractMode mode = ExtractMode::kSnapshot;
  std::uint64_t rows = 0;      ///< read this time
  std::uint64_t rejected = 0;  ///< values of the table in `_rejected`
  std::optional<Error> error;  ///< why the warehouse does not have it
};

struct ExtractResult {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of values
  std::string position;     ///< of the source, where the snapshot was taken; may be empty
  std::vector<ExtractTableResult> tables;
  std::uint64_t failed_tables() const;
};

struct ExtractProgress {
  std::string table;
  std::uint64_t rows = 0;        ///< of all tables
  std::uint64_t rows_total = 0;  ///< as the source estimates it
  std::uint64_t bytes = 0;
  double rows_per_second = 0;
  bool loading = false;  ///< everything is read and durable; the warehouse takes it in
};

/// How far the warehouse is with a source.
struct SourceLoad {
  Offset next;  ///< in its topic
  SourceStates states;
};

/// Reads tables of MySQL and MariaDB into the log (docs/how-to/sources.md), from where the job `tables`
/// brings them into the warehouse. What the warehouse has taken in is the only memory of how far a table is,
/// so a reading that broke off goes on behind the last row that came. Threads: any.
class Extracts {
 public:
  struct Tools {
    EventLog& log;
    Env& env;
    std::vector<MysqlSource> sources;
    TopicConfig topic;  ///< of the topics of sources
    /// Return how far the warehouse is; nothing before it knows. Threads: any.
    std::function<std::optional<SourceLoad>(const std::string& source)> loaded;
  };
  /// Runs on the thread of `run`, about five times a second.
  using OnProgress = std::function<void(const ExtractProgress&)>;

  explicit Extracts(Tools tools) : tools_(std::move(tools)) {}

  /// Read, and wait until the warehouse has it. One run at a time for a source. A table that fails does not
  /// stop the others. Errors: kNotFound for an unknown source or table; kExists when one runs; kDenied for a
  /// primary; kOverloaded past a limit; kCancelled; kDeadline when the warehouse does not follow; kIo.
  Result<ExtractResult> run(const ExtractRequest& request, const OnProgress& on_progress,
                            const std::stop_token& stop);

  struct Entry {
    std::string source;
    std::string address;
    bool running = false;
    SourceStates tables;
  };
  /// Return all sources of the configuration and what the warehouse has of them.
  std::vector<Entry> list() const;

 private:
  Result<const MysqlSource*> find(const std::string& name) const;

  const Tools tools_;
  mutable std::mutex mutex_;
  std::set<std::string> running_;  ///< guarded by mutex_
};

}  // namespace millrace
