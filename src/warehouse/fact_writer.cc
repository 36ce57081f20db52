#include "warehouse/fact_writer.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/metrics.h"
#include "warehouse/aggregator.h"
#include "warehouse/duck.h"
#include "warehouse/fact_rows.h"
#include "warehouse/message_ids.h"
#include "warehouse/record_rows.h"
#include "warehouse/replacements.h"
#include "warehouse/visit_tracker.h"
#include "warehouse/whole_order.h"
#include "warehouse/write_transaction.h"

namespace millrace {
namespace {

constexpr std::string_view kQuarantine = "quarantine";

/// How orders are remembered: for good, whenever they came.
MessageIdsOptions order_options(const FactWriterOptions& options) {
  return {.window = 0, .ids_max = options.message_ids_max, .young_max = options.message_ids_young_max};
}
constexpr TimeUs kAnyTime = 0;

Path orders_dir(const FactWriterOptions& options) {
  return options.message_ids_dir.empty() ? Path() : options.message_ids_dir / "orders";
}

/// What is open during a transaction. Its destructor, which must run before the transaction's end, lets the
/// appenders go.
struct OpenRows {
  std::optional<FactRows> facts;
  std::unique_ptr<duck::TableAppender> recommendations;
  std::unique_ptr<duck::TableAppender> quarantine;
  std::unique_ptr<duck::TableAppender> decisions;
  Replacements replacements;
};

class DuckFactWriter final : public FactWriter {
 public:
  DuckFactWriter(Warehouse& warehouse, duck::Connection connection, const FactWriterOptions& options)
      : warehouse_(warehouse),
        options_(options),
        connection_(std::move(connection)),
        message_ids_(warehouse.env(), options.message_ids_dir,
                     {.window = options.duplicate_window,
                      .ids_max = options.message_ids_max,
                      .young_max = options.message_ids_young_max}),
        orders_(warehouse.env(), orders_dir(options), order_options(options)),
        visits_(options.open_visits_max) {}
  ~DuckFactWriter() override { rollback(); }

  Status restore();

  std::optional<Offset> next_offset(const TopicPartition& partition) const override;
  std::map<TopicPartition, BookEntry> books() const override { return committed_.books; }
  Status begin() override;
  Status add_events(const TopicPartition& partition, std::span<const Event> events) override;
  Status add_item_change(const RecordPlace& place, std::string_view value) override;
  Status add_user_change(const RecordPlace& place, std::string_view value) override;
  Status add_recommendation(const RecordPlace& place, std::string_view value) override;
  Status add_quarantine(const RecordPlace& place, const QuarantineRow& row) override;
  Status add_decision(const RecordPlace& place, std::string_view value) override;
  void set_next(const TopicPartition& partition, Offset next) override { pending_.next[partition] = next; }
  void set_waiting(const TopicPartition& partition, bool waiting) override;
  std::size_t rows() const override;
  Status commit() override;
  void rollback() override;

 private:
  /// How far a partition of events is, by the clock.
  struct Reach {
    TimeUs newest = kTimeMin;  ///< received
    bool waiting = true;       ///< there is more
  };
  struct Progress {
    std::map<TopicPartition, Offset> next;
    std::map<TopicPartition, BookEntry> books;
    std::map<TopicPartition, Reach> reach;
  };

  Result<bool> is_duplicate(const TopicPartition& partition, const Event& event);
  Result<bool> is_repeated_order(const Event& event);
  Result<bool> is_of_owned_order(const Event& event);
  Result<bool> is_known_order(const TopicPartition& partition, const Event& event);
  Status restore_owned_orders(const std::string& later);
  Status delete_replaced();
  std::string known(std::string_view table) const;
  Status restore_progress();
  Status restore_duplicates();
  Status restore_orders();
  Status restore_visits();
  Status write_all();
  Status write_progress();
  TimeUs duplicate_horizon() const;
  void report_duplicates();

  Warehouse& warehouse_;
  const FactWriterOptions options_;
  duck::Connection connection_;
  MessageIds message_ids_;
  MessageIds orders_;  ///< by what `order_key` and `owned_order_key` say, all at kAnyTime
  VisitTracker visits_;
  ChangeSet items_{ChangeSet::Table::kItems};
  ChangeSet users_{ChangeSet::Table::kUsers};
  Progress committed_;
  Progress pending_;  ///< what it will be once the transaction commits
  std::optional<WriteTransaction> transaction_;
  OpenRows open_;  ///< after the transaction: must go first
  bool deleted_events_ = false;
  std::unique_ptr<Aggregator> aggregator_;  ///< uses the connection
  std::string scratch_;
  std::uint64_t forgotten_reported_ = 0;

  const std::map<std::string, std::string> labels_{{"job", options_.job}};
  prometheus::Gauge& ids_ = metrics::gauge("millrace_duplicate_ids", "Message ids remembered", labels_);
  prometheus::Gauge& id_bytes_ = metrics::gauge("millrace_duplicate_ids_memory_bytes",
                                                "Memory of the message ids remembered, about", labels_);
  prometheus::Gauge& id_disk_bytes_ =
      metrics::gauge("millrace_duplicate_ids_disk_bytes", "Message ids remembered in files", labels_);
  prometheus::Gauge& window_seconds_ =
      metrics::gauge("millrace_duplicate_window_seconds",
                     "How long ago a message may have come to be recognised again", labels_);
  prometheus::Counter& forgotten_ = metrics::counter(
      "millrace_duplicate_ids_forgotten_total",
      "Message ids forgotten within the window because duplicate_ids_max was reached", labels_);
};

/// Return a partition's key columns from `rows`: log_topic, log_partition.
TopicPartition partition_at(const duck::Rows& rows, std::size_t row) {
  return {std::string(rows.text(0, row)), PartitionId(static_cast<std::uint32_t>(rows.int32(1, row)))};
}

std::uint64_t count_at(const duck::Rows& rows, std::size_t column, std::size_t row) {
  return static_cast<std::uint64_t>(rows.int64(column, row));
}

/// Call `on_row(rows, i)` for each row of `sql`.
template <class F>
Status each_row(duck::Connection& connection, const std::string& sql, F&& on_row) {
  MILLRACE_ASSIGN(auto rows, connection.stream(sql));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t i = 0; i < rows.size(); ++i) on_row(rows, i);
  }
}

Status DuckFactWriter::restore() {
  MILLRACE_ASSIGN(aggregator_, Aggregator::open(connection_, options_.aggregator));
  MILLRACE_TRY(restore_progress());
  MILLRACE_TRY(restore_duplicates());
  MILLRACE_TRY(restore_orders());
  return restore_visits();
}

Status DuckFactWriter::restore_progress() {
  MILLRACE_TRY(each_row(connection_, "SELECT log_topic, log_partition, next_offset FROM _offsets",
                        [&](const duck::Rows& rows, std::size_t i) {
                          committed_.next[partition_at(rows, i)] = Offset(count_at(rows, 2, i));
                        }));
  return each_row(connection_, "SELECT log_topic, log_partition, applied, duplicate, quarantined FROM _books",
                  [&](const duck::Rows& rows, std::size_t i) {
                    committed_.books[partition_at(rows, i)] = {count_at(rows, 2, i), count_at(rows, 3, i),
                                                               count_at(rows, 4, i)};
                  });
}

/// Return a FROM of the rows that are to be remembered: those of its table, and of the warehouse's own those
/// after which it goes on.
std::string DuckFactWriter::known(std::string_view table) const {
  if (options_.goes_on_after.empty()) return std::string(table);
  std::string below;
  for (const auto& [partition, next] : options_.goes_on_after) {
    below +=
        fmt::format("{}(log_topic = '{}' AND log_partition = {} AND log_offset < {})",
                    below.empty() ? "" : " OR ", partition.topic, partition.partition.value(), next.value());
  }
  return fmt::format("(SELECT * FROM main.{0} WHERE {1} UNION ALL SELECT * FROM {0})", table, below);
}

/// Take each partition's own last hours, in the order of loading: while catching up, one may be far behind
/// the others. What runs on disk have is not read again.
Status DuckFactWriter::restore_duplicates() {
  MILLRACE_ASSIGN(const auto positions, message_ids_.open(committed_.next));
  std::string recent = "false";
  MILLRACE_TRY(
      each_row(connection_,
               fmt::format("SELECT log_topic, log_partition, max(received_time) FROM {} GROUP BY ALL",
                           known("events")),
               [&](const duck::Rows& rows, std::size_t i) {
                 const auto newest = rows.int64(2, i);
                 const auto partition = partition_at(rows, i);
                 committed_.reach[partition].newest = newest;
                 const auto from = positions.find(partition);
                 recent += fmt::format(
                     " OR (log_topic = '{}' AND log_partition = {} AND log_offset >= {} AND received_time >= "
                     "make_timestamp({}))",
                     partition.topic, partition.partition.value(),
                     from == positions.end() ? 0 : from->second.value(), newest - options_.duplicate_window);
               }));
  const auto sql =
      fmt::format("SELECT source, message_id, received_time FROM {} WHERE {}", known("events"), recent);
  MILLRACE_TRY(each_row(connection_, sql, [&](const duck::Rows& rows, std::size_t i) {
    message_ids_.restore(message_hash(rows.text(0, i), rows.text(1, i), scratch_), rows.int64(2, i));
  }));
  message_ids_.restored(committed_.next);
  report_duplicates();
  return {};
}

/// Gather the orders of all purchases, whole or not, that no run on disk has. The lines of an event stand
/// next to each other.
Status DuckFactWriter::restore_orders() {
  MILLRACE_ASSIGN(const auto positions, orders_.open(committed_.next));
  std::string later = "true";
  for (const auto& [partition, next] : positions) {
    later += fmt::format(" AND NOT (log_topic = '{}' AND log_partition = {} AND log_offset < {})",
                         partition.topic, partition.partition.value(), next.value());
  }
  using Line = std::tuple<std::string, std::int32_t, std::int64_t, std::int32_t>;
  Line at;
  std::string source, order_id;
  std::optional<OrderKey> key;
  const auto end = [&] {
    if (key) orders_.restore(key->hash(), kAnyTime);
  };
  MILLRACE_TRY(each_row(
      connection_,
      fmt::format("SELECT log_topic, log_partition, log_offset, event_index, source, order_id, item_id, "
                  "quantity, price FROM {} WHERE type = 'purchase' AND order_id IS NOT NULL AND quantity IS "
                  "NOT NULL AND {}",
                  known("order_lines"), later),
      [&](const duck::Rows& rows, std::size_t i) {
        const Line line{rows.text(0, i), rows.int32(1, i), rows.int64(2, i), rows.int32(3, i)};
        if (!key || line != at) {
          end();
          at = line;
          source = rows.text(4, i);
          order_id = rows.text(5, i);
          key.emplace(source, order_id);
        }
        key->add_line(rows.text(6, i), rows.decimal(7, i),
                      rows.is_null(8, i) ? std::nullopt : std::optional(rows.decimal(8, i)));
      }));
  end();
  MILLRACE_TRY(restore_owned_orders(later));
  orders_.restored(committed_.next);
  return {};
}

Status DuckFactWriter::restore_owned_orders(const std::string& later) {
  const auto sql = fmt::format(
      "SELECT source, order_id FROM {} WHERE starts_with(message_id, '{}') AND order_id IS NOT NULL AND {}",
      known("events"), kOrderIdPrefix, later);
  return each_row(connection_, sql, [&](const duck::Rows& rows, std::size_t i) {
    orders_.restore(owned_order_key(rows.text(0, i), rows.text(1, i)), kAnyTime);
  });
}

/// Take the visit of each visitor's last event. The log tells which that is, and not the tables, in which
/// what a replay replaced stands last.
Status DuckFactWriter::restore_visits() {
  const auto sql = fmt::format(
      "WITH v AS (SELECT source, coalesce(anonymous_id, user_id) AS who, visit_id, min(event_time) AS a, "
      "  max(event_time) AS b, max(log_offset) AS r FROM {0} "
      "  WHERE session_id IS NULL AND visit_id IS NOT NULL GROUP BY ALL) "
      "SELECT source, who, arg_max(visit_id, r), arg_max(a, r), arg_max(b, r) FROM v GROUP BY ALL "
      "ORDER BY max(b) DESC LIMIT {1}",
      known("events"), options_.open_visits_max);
  return each_row(connection_, sql, [&](const duck::Rows& rows, std::size_t i) {
    visits_.restore(rows.text(0, i), rows.text(1, i),
                    {rows.uint64(2, i), rows.int64(3, i), rows.int64(4, i)});
  });
}

std::optional<Offset> DuckFactWriter::next_offset(const TopicPartition& partition) const {
  const auto found = committed_.next.find(partition);
  return found == committed_.next.end() ? std::nullopt : std::optional(found->second);
}

Status DuckFactWriter::begin() {
  if (message_ids_.damaged()) MILLRACE_TRY(restore_duplicates());
  if (orders_.damaged()) MILLRACE_TRY(restore_orders());
  MILLRACE_ASSIGN(auto transaction, WriteTransaction::begin(warehouse_, connection_));
  transaction_.emplace(std::move(transaction));
  pending_ = committed_;
  return {};
}

void DuckFactWriter::set_waiting(const TopicPartition& partition, bool waiting) {
  (transaction_ ? pending_ : committed_).reach[partition].waiting = waiting;
}

Status DuckFactWriter::add_events(const TopicPartition& partition, std::span<const Event> events) {
  if (!open_.facts) {
    MILLRACE_ASSIGN(open_.facts, FactRows::open(connection_));
  }
  auto& book = pending_.books[partition];
  auto& reach = pending_.reach[partition];
  reach.waiting = true;
  for (const auto& event : events) {
    reach.newest = std::max(reach.newest, event.received_time);
    MILLRACE_ASSIGN(const bool duplicate, is_duplicate(partition, event));
    if (duplicate) {
      ++book.duplicate;
      continue;
    }
    MILLRACE_TRY(open_.facts->add(partition, event, visits_.visit_of(event)));
    ++book.applied;
  }
  return {};
}

/// Remember the event's id and return whether it is to be dropped.
Result<bool> DuckFactWriter::is_duplicate(const TopicPartition& partition, const Event& event) {
  if (event.owns_order && event.order) return is_known_order(partition, event);
  MILLRACE_ASSIGN(const bool owned, is_of_owned_order(event));
  if (owned) return true;
  const auto id = message_hash(event.source, event.message_id, scratch_);
  if (!event.replaces) {
    MILLRACE_ASSIGN(const bool repeat, message_ids_.is_repeat(id, event.received_time));
    return repeat ? true : is_repeated_order(event);
  }
  if (const auto key = order_key(event)) orders_.add(*key, kAnyTime);
  message_ids_.add(id, event.received_time);
  MILLRACE_TRY(open_.replacements.add(connection_, event.source, event.message_id,
                                      {partition, event.log_offset, event.event_index}));
  return false;
}

/// Return whether a purchase carries a whole order that is in the tables under another message id. Parts of
/// orders never do.
Result<bool> DuckFactWriter::is_repeated_order(const Event& event) {
  const auto key = order_key(event);
  if (!key) return false;
  if (carries_whole_order(event)) return orders_.is_repeat(*key, kAnyTime);
  orders_.add(*key, kAnyTime);
  return false;
}

/// Return whether the event is a purchase of an order that the shop's own database has told of.
Result<bool> DuckFactWriter::is_of_owned_order(const Event& event) {
  if (event.type != EventType::kPurchase || !event.order || event.order->order_id.empty()) return false;
  return orders_.knows(owned_order_key(event.source, event.order->order_id), kAnyTime);
}

/// Return whether what the database says of an order is to be dropped: an event brought the same order
/// before, which says more of who bought and why. It counts until the database says otherwise.
Result<bool> DuckFactWriter::is_known_order(const TopicPartition& partition, const Event& event) {
  const auto& order_id = event.order->order_id;
  MILLRACE_ASSIGN(const bool again, orders_.is_repeat(owned_order_key(event.source, order_id), kAnyTime));
  if (const auto key = order_key(event); key && !again) {
    MILLRACE_ASSIGN(const bool same, orders_.is_repeat(*key, kAnyTime));
    if (same) return true;
  } else if (key) {
    orders_.add(*key, kAnyTime);
  }
  message_ids_.add(message_hash(event.source, event.message_id, scratch_), event.received_time);
  MILLRACE_TRY(open_.replacements.add_order(connection_, event.source, event.message_id, order_id,
                                            {partition, event.log_offset, event.event_index}));
  return false;
}

Status DuckFactWriter::add_item_change(const RecordPlace& place, std::string_view value) {
  MILLRACE_TRY(items_.add(place, value));
  ++pending_.books[place.partition].applied;
  return {};
}

Status DuckFactWriter::add_user_change(const RecordPlace& place, std::string_view value) {
  MILLRACE_TRY(users_.add(place, value));
  ++pending_.books[place.partition].applied;
  return {};
}

Status DuckFactWriter::add_recommendation(const RecordPlace& place, std::string_view value) {
  if (!open_.recommendations) {
    MILLRACE_ASSIGN(open_.recommendations, duck::TableAppender::open(connection_, "recommendations"));
  }
  MILLRACE_TRY(append_recommendation(*open_.recommendations, place, value));
  ++pending_.books[place.partition].applied;
  return {};
}

Status DuckFactWriter::add_quarantine(const RecordPlace& place, const QuarantineRow& row) {
  if (!open_.quarantine) {
    MILLRACE_ASSIGN(open_.quarantine, duck::TableAppender::open(connection_, "quarantine"));
  }
  if (row.replaces) {
    MILLRACE_TRY(
        open_.replacements.add(connection_, row.source, row.message_id, {place.partition, place.offset}));
  }
  MILLRACE_TRY(append_quarantine(*open_.quarantine, place, row));
  auto& book = pending_.books[place.partition];
  (place.partition.topic == kQuarantine ? book.applied : book.quarantined) += row.events;
  return {};
}

Status DuckFactWriter::add_decision(const RecordPlace& place, std::string_view value) {
  if (!open_.decisions) {
    MILLRACE_ASSIGN(open_.decisions, duck::TableAppender::open(connection_, "quarantine_decisions"));
  }
  MILLRACE_TRY(append_decision(*open_.decisions, place, value));
  ++pending_.books[place.partition].applied;
  return {};
}

std::size_t DuckFactWriter::rows() const {
  return (open_.facts ? open_.facts->rows() : 0) + items_.size() + users_.size() +
         (open_.recommendations ? open_.recommendations->rows() : 0) +
         (open_.quarantine ? open_.quarantine->rows() : 0) + (open_.decisions ? open_.decisions->rows() : 0);
}

Status DuckFactWriter::write_all() {
  if (open_.facts) MILLRACE_TRY(open_.facts->flush());
  if (open_.recommendations) MILLRACE_TRY(open_.recommendations->flush());
  if (open_.quarantine) MILLRACE_TRY(open_.quarantine->flush());
  if (open_.decisions) MILLRACE_TRY(open_.decisions->flush());
  MILLRACE_TRY(delete_replaced());
  const bool facts = open_.facts.has_value() || deleted_events_;
  open_ = {};
  if (facts) MILLRACE_TRY(aggregator_->add());
  MILLRACE_TRY(items_.write(connection_));
  MILLRACE_TRY(users_.write(connection_));
  return write_progress();
}

/// Delete what new rows take the place of; in the books it turns from applied to duplicate.
Status DuckFactWriter::delete_replaced() {
  const Replacements::How how{
      options_.schema.empty() ? Replacements::Stays::kAddedLast : Replacements::Stays::kReceivedLast,
      !options_.goes_on_after.empty()};
  MILLRACE_ASSIGN(const auto deleted, open_.replacements.delete_older(connection_, how, [this] {
    deleted_events_ = true;
    return aggregator_->note_deleted();
  }));
  for (const auto& [partition, events] : deleted) {
    auto& book = pending_.books[partition];
    book.applied -= events;
    book.duplicate += events;
  }
  return {};
}

/// Topic names are of [A-Za-z0-9._-], so they need no escaping.
Status DuckFactWriter::write_progress() {
  std::string offsets, books;
  for (const auto& [partition, next] : pending_.next) {
    offsets += fmt::format("{}('{}', {}, {})", offsets.empty() ? "" : ", ", partition.topic,
                           partition.partition.value(), next.value());
  }
  for (const auto& [partition, book] : pending_.books) {
    books += fmt::format("{}('{}', {}, {}, {}, {})", books.empty() ? "" : ", ", partition.topic,
                         partition.partition.value(), book.applied, book.duplicate, book.quarantined);
  }
  if (!offsets.empty()) {
    MILLRACE_TRY(connection_.execute("DELETE FROM _offsets; INSERT INTO _offsets VALUES " + offsets));
  }
  if (books.empty()) return {};
  return connection_.execute("DELETE FROM _books; INSERT INTO _books VALUES " + books);
}

/// Return the received time before which no partition will bring a repeat: that of the slowest one, less the
/// window. What a partition at its end will bring is newer than anything loaded.
TimeUs DuckFactWriter::duplicate_horizon() const {
  TimeUs newest = kTimeMin;
  TimeUs slowest = kTimeMax;
  for (const auto& [partition, reach] : pending_.reach) {
    newest = std::max(newest, reach.newest);
    if (reach.waiting) slowest = std::min(slowest, reach.newest);
  }
  slowest = std::min(slowest, newest);
  return slowest == kTimeMin ? kTimeMin : slowest - options_.duplicate_window;
}

/// Show how much is remembered; called with `committed_` up to date.
void DuckFactWriter::report_duplicates() {
  TimeUs newest = kTimeMin;
  for (const auto& [partition, reach] : committed_.reach) newest = std::max(newest, reach.newest);
  const bool complete = message_ids_.complete_since() == kTimeMin;
  const auto window =
      complete ? options_.duplicate_window
               : std::clamp<DurationUs>(newest - message_ids_.complete_since(), 0, options_.duplicate_window);
  ids_.Set(static_cast<double>(message_ids_.size()));
  id_bytes_.Set(static_cast<double>(message_ids_.memory_bytes()));
  id_disk_bytes_.Set(static_cast<double>(message_ids_.disk_bytes()));
  window_seconds_.Set(static_cast<double>(window) / kSecondUs);
  forgotten_.Increment(static_cast<double>(message_ids_.forgotten_early() - forgotten_reported_));
  forgotten_reported_ = message_ids_.forgotten_early();
}

Status DuckFactWriter::commit() {
  auto done = write_all();
  if (done) {
    done = transaction_->commit();
    transaction_.reset();
  }
  if (!done) {
    rollback();
    return done;
  }
  message_ids_.commit(duplicate_horizon(), pending_.next);
  orders_.commit(kTimeMin, pending_.next);
  visits_.commit();
  aggregator_->committed();
  committed_ = pending_;
  report_duplicates();
  rollback();
  return {};
}

void DuckFactWriter::rollback() {
  open_ = {};  // before the transaction: what appenders still hold would go to the next one
  transaction_.reset();
  message_ids_.rollback();
  orders_.rollback();
  visits_.rollback();
  items_.clear();
  users_.clear();
  deleted_events_ = false;
  if (aggregator_) aggregator_->rolled_back();
}

}  // namespace

Status forget_message_ids(Env& env, const Path& message_ids_dir) {
  for (const auto& dir : {message_ids_dir, message_ids_dir / "orders"}) {
    if (message_ids_dir.empty() || !env.exists(dir)) continue;
    MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
    for (const auto& name : names) {
      if (dir / name != message_ids_dir / "orders") MILLRACE_TRY(env.remove(dir / name));
    }
  }
  return {};
}

Result<std::unique_ptr<FactWriter>> FactWriter::open(Warehouse& warehouse, const FactWriterOptions& options) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  if (!options.schema.empty()) MILLRACE_TRY(connection.use_schema(options.schema));
  auto writer = std::make_unique<DuckFactWriter>(warehouse, std::move(connection), options);
  MILLRACE_TRY(writer->restore());
  return writer;
}

}  // namespace millrace
