#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"

namespace millrace {

/// Appends many records to the log in batches, a bounded number of them at once, and waits where the log
/// is overloaded or the disk full. Changes of items and users, and rows of sources, reach the log in the
/// order they are added: there one append is under way at a time. Methods from one thread.
class LogWriter {
 public:
  struct Limits {
    std::size_t batch_bytes = 256 << 10;
    std::size_t batch_records = 4'096;
    std::size_t appends_in_flight = 8;
  };

  /// `log` and `env` must outlive it.
  LogWriter(EventLog& log, Env& env, const Limits& limits, std::stop_token stop);

  /// Waits for the appends that are under way; what is not handed over yet is dropped.
  ~LogWriter();

  /// Copy a record and append it sooner or later. `spread` chooses the partition when it has no key.
  /// May wait. Errors: kCancelled; kNotFound for a topic that is not there; those of an earlier append
  /// that trying again does not mend.
  Status add(std::string_view topic, const NewRecord& record, std::uint64_t spread);

  /// Append what is left, without waiting until it is durable. Errors: as `add`.
  Status send();

  /// Append what is left and wait until everything is durable. Errors: as `add`.
  Status flush();

 private:
  struct Batch;

  Status submit(std::unique_ptr<Batch> batch);
  void append(std::shared_ptr<Batch> batch);
  void on_done(std::shared_ptr<Batch> batch, const Result<Offset>& offset);
  Status wait_for_room(std::size_t in_flight_max);
  std::shared_ptr<Batch> take_refused();

  EventLog& log_;
  Env& env_;
  const Limits limits_;
  const std::stop_token stop_;
  std::map<std::string, std::uint32_t, std::less<>> partitions_;  ///< of each topic
  std::map<TopicPartition, std::unique_ptr<Batch>> filling_;
  DurationUs pause_us_;  ///< before the next try of a batch that was refused

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t in_flight_ = 0;                    ///< guarded by mutex_; refused ones included
  std::vector<std::shared_ptr<Batch>> refused_;  ///< guarded by mutex_; to be tried again
  std::optional<Error> error_;                   ///< guarded by mutex_; the first one
};

}  // namespace millrace
