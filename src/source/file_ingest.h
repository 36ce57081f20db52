#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "source/ingest.h"
#include "source/record_sink.h"
#include "source/row_mapper.h"

namespace millrace {

/// Loads one file. A run of `Ingest` makes one for each. One thread; used once.
class FileIngest {
 public:
  /// Gets the counts of this file and the bytes of it that were read.
  using OnChunk = std::function<void(const IngestCounts&, std::uint64_t)>;

  /// What it works with; all of it must outlive it.
  struct Context {
    EventLog& log;
    Env& env;
    IngestLedger& ledger;
    const IngestLimits& limits;
    const OpenParquet& open_parquet;
    std::stop_token stop;
    const OnChunk& on_chunk;
  };

  /// How the file is read, as the ledger knows it, beside the file itself.
  struct Reading {
    std::string source;
    std::string format;
    Hash128 mapping;
  };

  FileIngest(const Context& context, const Path& path, Reading reading);

  /// Load JSON values that are events in one of the codecs' shapes. Errors: of the file and the log.
  Status load_events(CodecId codec, bool again);

  /// Load rows. Without `mapping`: items or users under their own names.
  Status load_rows(const Mapping* mapping, Produce produce, bool again);

  IngestCounts counts() const { return {rows_, sink_.counts().events, sink_.counts().quarantined}; }
  bool was_loaded_before() const { return was_loaded_before_; }
  bool log_failed() const { return sink_.log_failed(); }  ///< the error was the log's, not the file's

 private:
  /// What is read next to each other from one file.
  struct Opened {
    std::unique_ptr<RowReader> rows;
    Mapping mapping;
  };

  Result<bool> begin(std::string_view topic, bool again);
  Status finish(Status read, const ReadProgress& progress);
  Status read_events(JsonTexts& texts, CodecId codec);
  Result<Opened> open_rows(const Mapping* mapping, Produce produce);
  Status read_rows(const Opened& opened);
  Status read_rows_on(const Opened& opened, RowMapper& mapper, MappedRecords& mapped);
  Status begin_load();
  void report(const ReadProgress& progress) const;

  const Context context_;
  const Path path_;
  LoadKey key_;
  std::uint64_t rows_ = 0;
  bool was_loaded_before_ = false;
  RecordSink sink_;
};

}  // namespace millrace
