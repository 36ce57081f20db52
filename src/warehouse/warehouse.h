#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace {

namespace duck {
class Connection;
class Database;
class Interruptions;
}  // namespace duck

struct WarehouseOptions {
  Path path;      ///< the database file; its directory is made, and holds DuckDB's spill files too
  Path lake_dir;  ///< the only directory that SQL may read files from
  std::uint64_t memory_bytes_max = 512ull << 20;  ///< of DuckDB; beyond it queries spill, then fail
  unsigned threads = 2;
};

/// The analysts' database: one DuckDB file, its tables as docs/schema.md says. DuckDB lets a process open
/// a file twice and then silently diverges, so make one Warehouse for a path and share it.
/// Threads: any method from any thread; each Connection belongs to one thread at a time.
class Warehouse {
 public:
  /// Open or create the file and bring its tables up to date, each migration in a transaction. Afterwards
  /// the instance reaches no file outside the lake and its settings are locked.
  /// Errors: kExists when another process holds it; kInvalid when a newer Millrace wrote it; kDenied,
  /// kNoSpace, kIo, kCorrupt.
  static Result<std::unique_ptr<Warehouse>> open(Env& env, const WarehouseOptions& options);

  /// Write everything to the main file (so that the next open has nothing to replay) and close it. All
  /// connections must be gone.
  ~Warehouse();

  /// Make a connection. Its transactions are its own. Errors: kInternal.
  Result<duck::Connection> connect();

  /// The same for work that need not be finished when the process ends: an answer, or what is made anew at
  /// the next start. Errors: kInternal; kCancelled after `end_answers`.
  Result<duck::Connection> connect_for_answer();
  /// From now on end with kCancelled what runs on connections for answers.
  void end_answers();

  /// Taken by who writes, for one transaction: DuckDB makes no checkpoint while others write.
  std::binary_semaphore& writer() { return writer_; }

  /// Write what DuckDB's log holds to the main file when the log is at least `log_bytes` long: reading a log
  /// back after a crash takes about 16 ms a MB. While somebody writes beside, it is put off to his end.
  /// No other write transaction may be open. Errors: kNoSpace, kIo, kInternal.
  Status checkpoint_over(std::uint64_t log_bytes);

  /// Return whether it can still be used: after an error that may have hurt what it holds in memory (a
  /// checkpoint that failed half-way, say) DuckDB refuses everything until the file is opened again, which is
  /// known from the first statement that was refused. Errors: kInternal says so and what to do.
  Status check() const;

  /// Return the room left on the database's disk. Errors: kIo.
  Result<std::uint64_t> free_bytes() const;

  Env& env() const { return env_; }

 private:
  Warehouse(Env& env, Path path, std::unique_ptr<duck::Database> database);

  friend class WriterBeside;

  Env& env_;
  const Path path_;
  std::unique_ptr<duck::Database> database_;
  std::unique_ptr<duck::Interruptions> answers_;
  std::binary_semaphore writer_{1};
  std::mutex beside_mutex_;  ///< held while a checkpoint is made; guards the rest
  std::condition_variable beside_changed_;
  unsigned beside_ = 0;                 ///< who write beside the loader
  bool checkpoint_due_ = false;         ///< put off since somebody did
  std::uint64_t checkpoint_bytes_ = 0;  ///< what the last who asked for one gave
};

/// Holds a warehouse's `writer` for a scope.
class WriterTurn {
 public:
  explicit WriterTurn(Warehouse& warehouse) : warehouse_(warehouse) { warehouse_.writer().acquire(); }
  WriterTurn(const WriterTurn&) = delete;
  WriterTurn& operator=(const WriterTurn&) = delete;
  ~WriterTurn() { warehouse_.writer().release(); }

 private:
  Warehouse& warehouse_;
};

/// Held for one transaction by who writes tables of his own for long, beside the loader, which does not wait
/// for it: only checkpoints do. The last to end makes one that was put off; those to come wait for it. So
/// nobody may hold two, nor take one with a WriterTurn held.
class WriterBeside {
 public:
  explicit WriterBeside(Warehouse& warehouse);
  WriterBeside(const WriterBeside&) = delete;
  WriterBeside& operator=(const WriterBeside&) = delete;
  ~WriterBeside();

 private:
  Warehouse& warehouse_;
};

}  // namespace millrace
