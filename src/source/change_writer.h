#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "event/row_changes.h"
#include "log/event_log.h"
#include "source/gtid.h"

namespace millrace {

/// Appends the changes of transactions to the topic of a source. Each append of the log, which is whole or
/// not at all, holds whole transactions (or a part of one that is large) and ends with a commit that says how
/// far it goes: what is in the log is never there twice. One append is under way at a time; what is committed
/// meanwhile goes with the next. Threads: the methods from one; it has one of its own.
class ChangeWriter {
 public:
  static constexpr std::size_t kTransactionBytes = 8 << 20;  ///< of a part of a large transaction, about

  /// `log` and `env` must outlive it. Whoever waits for the log, which takes nothing while the disk is full,
  /// waits no longer than until `stop`: kCancelled.
  ChangeWriter(EventLog& log, Env& env, std::string topic, GtidPosition from, std::stop_token stop);
  /// Waits for an append that is under way; what is not handed over yet is dropped.
  ~ChangeWriter();

  struct Table {
    std::string name;
    std::uint64_t schema_id = 0;
  };

  /// Begin a transaction; what another left unfinished is dropped.
  void begin(const Gtid& gtid, TimeUs commit_time);
  /// Return where to append rows of `table` in the transaction, op and cells. `table` must outlive the
  /// writer.
  std::string& rows(const Table& table);
  /// Note how many rows were appended there.
  void added(std::uint64_t rows);
  std::size_t transaction_bytes() const { return transaction_bytes_; }
  /// The transaction is done. May wait until there is room. Errors: those of the log.
  Status end();
  /// Of the transaction so many events are done; it goes on.
  Status end_part(std::uint64_t events);
  /// Have the table the columns of `schema`, before all changes that are still to come.
  Status alter(const Table& table, const std::string& schema);
  /// Wait until everything is durable. Errors: those of the log.
  Status flush();

  const GtidPosition& position() const { return position_; }

 private:
  struct Piece {
    const Table* table = nullptr;
    RowRecordKind kind = RowRecordKind::kChanges;
    std::string payload;
    std::uint64_t rows = 0;
    TimeUs moment = 0;  ///< of the last change in it
  };
  /// What is handed over and waits for the append before it.
  struct Batch {
    std::vector<Piece> pieces;
    std::map<const Table*, std::size_t> open;  ///< the last piece of each table
    std::size_t bytes = 0;
    GtidPosition position;
    TimeUs commit_time = 0;
  };

  Status hand_over();
  void put(Piece piece);
  void run(const std::stop_token& stop);
  Status append(const Batch& batch, const std::stop_token& stop);

  EventLog& log_;
  Env& env_;
  const std::string topic_;
  const std::stop_token stop_;
  GtidPosition position_;
  Gtid gtid_;
  TimeUs commit_time_ = 0;
  std::vector<Piece> transaction_;
  std::size_t filling_ = 0;      ///< piece that `rows` gave
  std::size_t size_before_ = 0;  ///< of its payload
  std::size_t transaction_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Batch> waiting_;  ///< guarded by mutex_
  bool appending_ = false;        ///< guarded by mutex_
  bool flushing_ = false;         ///< guarded by mutex_
  std::optional<Error> error_;    ///< guarded by mutex_; the first one
  std::jthread thread_;           ///< last: it uses all of the above
};

}  // namespace millrace
