#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "source/ingest_ledger.h"
#include "source/mapping.h"
#include "source/row_reader.h"

namespace millrace {

struct IngestRequest {
  /// `segment`, `cloudevents`, `native`, `visits`, `activity`, `ga4`: JSON lines, or JSON values over any
  /// lines. `csv`, `jsonl`, `parquet`: rows, with `map`. `items`, `users`: CSV, JSON or Parquet rows with a
  /// column `id` (or `item_id`, `user_id`), or any with `map`. A Parquet file is known by its first bytes,
  /// and may stand wherever JSON may.
  std::string format;
  Path map;                 ///< mapping file, or empty
  std::vector<Path> files;  ///< plain or gzip, on this machine
  std::string source;       ///< overrides the mapping's, and the file's stem
  bool again = false;       ///< load also what was loaded before, in the same way, and replace it
};

/// Return the codec of a format that is one.
std::optional<CodecId> codec_of_format(std::string_view format);

/// Return all formats.
std::vector<std::string> ingest_formats();

struct IngestLimits {
  std::size_t event_bytes_max = 4 << 20;    ///< of one event, also of a group of rows
  std::size_t group_bytes_max = 512 << 20;  ///< what `group_by` may hold in memory
  std::size_t batch_bytes = 256 << 10;      ///< appended to the log at once
  std::size_t appends_in_flight = 8;        ///< not yet durable
  const Contracts* contracts = nullptr;     ///< that events must fit; none: any
};

struct IngestCounts {
  std::uint64_t rows = 0;         ///< rows or JSON values read, bad ones included
  std::uint64_t events = 0;       ///< events, or changes of items or users, durable in the log
  std::uint64_t quarantined = 0;  ///< durable in the topic `quarantine`
};

struct IngestFileResult {
  Path file;
  std::string source;
  IngestCounts counts;
  bool skipped = false;        ///< the same content was loaded before, from the same source, in the same way
  std::optional<Error> error;  ///< why it was not read to its end; what came before is loaded
};

struct IngestResult {
  IngestCounts counts;  ///< of all files
  std::uint64_t skipped_files = 0;
  std::uint64_t failed_files = 0;
  std::vector<IngestFileResult> files;
};

struct IngestProgress {
  std::string file;
  std::uint64_t bytes_done = 0;  ///< of all files, as they lie on the disk
  std::uint64_t bytes_total = 0;
  IngestCounts counts;         ///< `events` and `quarantined`: handed to the log
  double rows_per_second = 0;  ///< since the run began
};

/// Loads files through the same validation, and into the same topics, as what comes over HTTP. A message
/// id is the client's own, else `<content hash>:<line>`, with `.<part>` where a line gave several rows. Where
/// the same content of the same source was loaded before, or only begun, the records say that they replace
/// what came of it. Threads: `run` from any, also at the same time; the rest one at a time.
class Ingest {
 public:
  /// Runs on the thread of `run`, about ten times a second.
  using OnProgress = std::function<void(const IngestProgress&)>;

  /// `ledger_path` is the file that remembers what was loaded (SQLite; made when absent). `log`, with its
  /// topics made, and `env` must outlive it. Errors: kIo, kDenied, kCorrupt.
  static Result<std::unique_ptr<Ingest>> open(EventLog& log, Env& env, const Path& ledger_path,
                                              const IngestLimits& limits = {}, OpenParquet open_parquet = {});

  /// Load the files, one after the other; a file that fails does not stop the others. Returns once
  /// everything is durable. While the log is overloaded or the disk full it waits.
  /// Errors: kInvalid for an unknown format or a bad mapping; kNotFound for a file that does not exist
  /// (nothing is then loaded); kCancelled once `stop` is requested; kIo of the log.
  Result<IngestResult> run(const IngestRequest& request, const OnProgress& on_progress = {},
                           std::stop_token stop = {});

 private:
  Ingest(EventLog& log, Env& env, const IngestLimits& limits, OpenParquet open_parquet,
         std::unique_ptr<IngestLedger> ledger);

  EventLog& log_;
  Env& env_;
  const IngestLimits limits_;
  const OpenParquet open_parquet_;
  const std::unique_ptr<IngestLedger> ledger_;
};

}  // namespace millrace
