#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
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
  std::optional<SourceStreamState> stream;  ///< of a source that is or was followed
};

/// Lets an extraction of a source, or what follows it, append to its topic: one at a time. What follows gives
/// way to an extraction. Threads: any.
class SourceTurns {
 public:
  /// Held for a scope.
  class Turn {
   public:
    Turn(SourceTurns& turns, std::string source) : turns_(&turns), source_(std::move(source)) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), source_(std::move(other.source_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->give_back(source_);
    }
    /// Return whether an extraction waits for the turn of one that follows.
    bool wanted() const { return turns_->wanted(source_); }

   private:
    SourceTurns* turns_;
    std::string source_;
  };

  /// Wait until what follows the source has made way. Errors: kExists when it is being extracted; kCancelled.
  Result<Turn> take_to_extract(const std::string& source, const std::stop_token& stop);
  /// Wait until nobody extracts the source. Errors: kCancelled.
  Result<Turn> take_to_follow(const std::string& source, const std::stop_token& stop);
  bool extracting(const std::string& source) const;

 private:
  struct State {
    bool extracting = false;  ///< or waiting to
    bool taken = false;
    bool following = false;  ///< it is what follows that has it
  };
  void give_back(const std::string& source);
  bool wanted(const std::string& source) const;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, State> states_;  ///< guarded by mutex_
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
    SourceTurns& turns;
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
};

/// Wait until the warehouse has all that the source's topic holds now. Errors: kCancelled; kDeadline.
Result<SourceLoad> wait_loaded(const Extracts::Tools& tools, const std::string& source,
                               const std::stop_token& stop);

}  // namespace millrace
