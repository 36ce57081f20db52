#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/env.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "source/ingest.h"
#include "source/log_writer.h"
#include "source/row_mapper.h"

namespace millrace {

/// Return the topic of what rows become.
std::string_view topic_of(Produce produce);

/// Puts what is read from a file into the log: events, changes of items or people, and, in the topic
/// `quarantine`, what was refused. One thread.
class RecordSink {
 public:
  /// Where it comes from.
  struct About {
    std::string source;
    std::string topic;      ///< what the file is read for
    std::string file;       ///< as people are told
    std::string id;         ///< message ids are this and a row's place, where rows have no ids of their own
    bool replaces = false;  ///< as `Event::replaces`
  };

  /// Return whether a record is in the log already, and so is to be left out.
  using IsKnown = std::function<bool(std::string_view topic, const NewRecord& record)>;

  /// `log`, `env` and `limits` must outlive it.
  RecordSink(EventLog& log, Env& env, const IngestLimits& limits, const std::stop_token& stop);

  /// Say what the following records come from.
  void begin(About about);
  void leave_out(IsKnown is_known) { is_known_ = std::move(is_known); }

  /// Add the events of one JSON value, or quarantine it. `row.raw` must have 64 readable bytes after its end.
  /// Errors, as of the others: those of `LogWriter`.
  Status add_event(const Row& row, CodecId codec);

  /// Add what rows became, and clear it.
  Status add_mapped(Produce produce, MappedRecords& mapped);

  /// Put aside what was refused, its first 64 KB at the most; `codec` is its shape.
  Status quarantine(const RowPlace& place, std::string_view raw, std::string_view codec, Error reason);

  /// Hand everything over, without waiting until it is durable.
  Status send();
  /// Wait until everything is durable.
  Status flush();

  const IngestCounts& counts() const { return counts_; }  ///< but for `rows`
  bool log_failed() const { return log_failed_; }         ///< an error was the log's

 private:
  BodyFacts facts() const;
  Status add_record(std::string_view topic, const NewRecord& record);
  Status add_split(const BodySplit& split);
  Status add_mapped_events(MappedRecords& mapped);
  Status add_mapped_changes(std::string_view topic, const MappedRecords& mapped);

  Env& env_;
  const IngestLimits& limits_;
  About about_;
  IsKnown is_known_;
  RowPlace refused_place_;            ///< of the last row that was put aside …
  std::uint64_t refused_pieces_ = 0;  ///< … and how many of its pieces were
  IngestCounts counts_;
  bool log_failed_ = false;
  std::uint64_t spread_ = 0;
  LogWriter writer_;
};

}  // namespace millrace
