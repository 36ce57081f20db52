#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "event/event.h"
#include "warehouse/aggregator_options.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// What became of the events of one partition, since the beginning or in one transaction.
struct BookEntry {
  std::uint64_t applied = 0;      ///< in the tables
  std::uint64_t duplicate = 0;    ///< dropped: came before, or was replaced later
  std::uint64_t quarantined = 0;  ///< accepted into the log, but found unfit when loaded

  std::uint64_t total() const { return applied + duplicate + quarantined; }
  bool operator==(const BookEntry&) const = default;
};

/// A row of the table `quarantine`. Empty text is written as NULL.
struct QuarantineRow {
  TimeUs received_time = 0;
  std::string_view stage;
  std::string_view code;
  std::string_view message;
  std::string_view where;
  std::string_view source;
  std::string_view codec;
  std::string_view ip;
  TimeUs first_attempt_time = 0;
  TimeUs last_attempt_time = 0;
  std::uint64_t events = 1;
  std::string_view message_id;  ///< of a row of a file: <content hash>:<line>
  std::string_view user_agent;
  std::string_view context;  ///< as Envelope::context
  std::optional<TimeUs> sent_time;
  bool replaces = false;  ///< as `Event::replaces`
  std::string_view raw;
};

/// The place of a record that is not an event: a catalogue change, a served answer, a refused event.
struct RecordPlace {
  const TopicPartition& partition;
  Offset offset;
  TimeUs time = 0;
};

struct FactWriterOptions {
  DurationUs duplicate_window = kDayUs;     ///< of received time, in which a message id counts once
  std::size_t message_ids_max = 4'000'000;  ///< remembered to drop repeats; beyond it the oldest go
  /// So many of them, or a sixtieth if that is more, stay in memory at about 32 bytes each; the others
  /// take 2.
  std::size_t message_ids_young_max = 1'000'000;
  Path message_ids_dir;  ///< where the others are kept, by one writer at a time; empty: all are in memory
  std::size_t open_visits_max = 200'000;  ///< visitors followed by the 30-minute rule; the stalest go first
  AggregatorOptions aggregator;
  std::string schema;        ///< whose tables it writes; empty: the warehouse's own
  std::string job = "load";  ///< its name in metrics
  /// What the warehouse's own tables have below these positions is known to it (message ids, orders, visits)
  /// as if it had written that itself. For a schema made without aggregations only (replay_schemas.h).
  std::map<TopicPartition, Offset> goes_on_after;
};

/// Remove what a writer keeps in `message_ids_dir`; the next one reads the tables. None may be open.
Status forget_message_ids(Env& env, const Path& message_ids_dir);

/// Writes everything that comes from the log: rows, offsets and books in one transaction. What was added is
/// in the tables after `commit` and nowhere after `rollback`, so a reader of `_offsets` sees each
/// event exactly once.
///
///   writer.begin();
///   writer.add_events(partition, events);      // drops duplicates, counts in the books
///   writer.set_next(partition, batch.next);
///   writer.commit();
///
/// Threads: one at a time.
class FactWriter {
 public:
  /// Read the offsets and books, fill the tables of aggregations that are new, and rebuild the memory of
  /// recent message ids and open visits.
  static Result<std::unique_ptr<FactWriter>> open(Warehouse& warehouse, const FactWriterOptions& options);
  virtual ~FactWriter() = default;

  /// Return where to read on, as of the last commit; nothing for a partition never loaded.
  virtual std::optional<Offset> next_offset(const TopicPartition& partition) const = 0;
  virtual std::map<TopicPartition, BookEntry> books() const = 0;

  /// Begin a transaction; none may be open.
  virtual Status begin() = 0;

  /// Add events of `partition` in log order, dropping those whose (source, message_id) came before. One that
  /// `replaces` is kept, and what the tables have under its id, in `quarantine` too, goes when the
  /// transaction commits. Copies what it keeps. Errors: kOutOfRange when an amount fits no column; kNoSpace,
  /// kOverloaded: roll back.
  virtual Status add_events(const TopicPartition& partition, std::span<const Event> events) = 0;

  /// Add a record of `items` or `users`: `value` is {"op","id","attributes"} as in docs/schema.md.
  /// Errors: kInvalid when it is not (nothing is then added); others: roll back.
  virtual Status add_item_change(const RecordPlace& place, std::string_view value) = 0;
  virtual Status add_user_change(const RecordPlace& place, std::string_view value) = 0;

  /// Add a record of `recommendations`. Errors: as above.
  virtual Status add_recommendation(const RecordPlace& place, std::string_view value) = 0;

  /// Add a refused event. It counts as applied for a record of the topic `quarantine`, and as quarantined
  /// for any other. A row that `replaces` does so as an event would.
  virtual Status add_quarantine(const RecordPlace& place, const QuarantineRow& row) = 0;

  /// Add a record of `quarantine_decisions`. Errors: as above.
  virtual Status add_decision(const RecordPlace& place, std::string_view value) = 0;

  /// Say that everything of `partition` below `next` is added.
  virtual void set_next(const TopicPartition& partition, Offset next) = 0;

  /// Say whether more of `partition` waits in the log; one to which events were added counts as if it did.
  /// Message ids are remembered until no partition can bring them again within the window, so one that is
  /// behind, or was never loaded, must be told of; one that is at its end holds nothing back.
  virtual void set_waiting(const TopicPartition& partition, bool waiting) = 0;

  /// Return the rows added since `begin`.
  virtual std::size_t rows() const = 0;

  /// Make all of it durable and visible at once. After an error nothing was written and the transaction
  /// is over. Errors: kNoSpace; kOverloaded when DuckDB ran out of memory (try with fewer rows); kIo;
  /// kInvalid when a row does not fit its table.
  virtual Status commit() = 0;

  /// Forget what was added since `begin`.
  virtual void rollback() = 0;
};

}  // namespace millrace
