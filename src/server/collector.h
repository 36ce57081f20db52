#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/env.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "event/codec.h"
#include "log/event_log.h"
#include "stream/back_pressure.h"

namespace millrace {

struct CollectCounts {
  std::uint64_t accepted = 0;        ///< events, durable in topic `events`
  std::uint64_t quarantined = 0;     ///< refused records, durable in topic `quarantine`
  std::optional<Error> first_error;  ///< why the first of them was refused, and where in the body
};

/// From a request's body to durable records.
/// Threads: any; `log`, `env` and `pressure` must outlive it and every outstanding call.
class Collector {
 public:
  /// Gets the counts once everything is durable. Runs on the log's committer thread, or on the
  /// caller's when nothing was to be written.
  using Done = std::function<void(Result<CollectCounts>)>;

  /// `pressure`: what turns events away; none: only the log does.
  Collector(EventLog& log, Env& env, BodyLimits limits, const BackPressure* pressure = nullptr);

  /// Cut `body` into records, append the sound ones to `events` and the others to `quarantine`, then call
  /// `done`. Never blocks. When one partition refuses, its error is the answer although others may have
  /// been written: the producer's retry is dropped there as duplicates.
  /// Errors to `done`: kOverloaded when a job is too far behind; kInvalid when the body cannot be parsed at
  /// all; those of EventLog::append.
  void collect(CodecId codec, std::string_view body, const BodyFacts& facts, Done done);

 private:
  struct Request;

  void append(const TopicPartition& to, std::vector<NewRecord> records,
              const std::shared_ptr<Request>& request, std::function<void(Offset)> then = {});
  void finish_one(Request& request);
  void refuse(const Done& done, Error error);

  EventLog& log_;
  Env& env_;
  const BodyLimits limits_;
  const BackPressure* const pressure_;
  const std::uint32_t partitions_;
  std::atomic<std::uint64_t> spread_{0};
  LogLimiter refused_lines_{20, 2};
  prometheus::Counter& accepted_;
  prometheus::Counter& quarantined_;
  prometheus::Counter& turned_away_;
  prometheus::Counter& overloaded_;
};

}  // namespace millrace
