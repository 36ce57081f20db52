#include "warehouse/source_tables.h"

#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/logging.h"
#include "base/text.h"
#include "event/json_writer.h"
#include "warehouse/duck.h"
#include "warehouse/source_columns.h"
#include "warehouse/source_history.h"
#include "warehouse/source_order_marks.h"
#include "warehouse/source_progress.h"
#include "warehouse/source_sql.h"
#include "warehouse/write_transaction.h"

namespace millrace {
namespace {

constexpr int kRowBits = 21;  // of a row's number within its record, in a sequence number

/// Return what tells this key from others in the table _rejected.
std::int64_t key_hash(const std::vector<RowCell>& row, const std::vector<std::size_t>& key) {
  std::string bytes;
  for (const std::size_t i : key) append_cell(row[i], bytes);
  return static_cast<std::int64_t>(hash64(bytes));
}

/// Return the key for people: ["10100","S18_1749"].
std::string key_text(const std::vector<RowCell>& row, const std::vector<std::size_t>& key) {
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const std::size_t i : key) row[i] ? json.text(*row[i]) : json.null();
  json.end_array();
  return text;
}

std::string cursor_of(std::string_view resume) {
  const auto cells = read_cells(resume);
  return cells && !cells->empty() ? cells->front().value_or("") : "";
}

class DuckSourceTables final : public SourceTables {
 public:
  DuckSourceTables(Warehouse& warehouse, duck::Connection connection, std::vector<OrderTables> orders)
      : warehouse_(warehouse),
        connection_(std::move(connection)),
        history_(connection_),
        orders_(std::move(orders)) {}
  ~DuckSourceTables() override { rollback(); }

  Status restore();

  std::optional<Offset> next_offset(std::string_view source) const override {
    const auto found = committed_.next.find(source);
    return found == committed_.next.end() ? std::nullopt : std::optional(found->second);
  }
  const std::map<std::string, SourceStates, std::less<>>& states() const override {
    return committed_.states;
  }
  const std::map<std::string, SourceStreamState, std::less<>>& streams() const override {
    return committed_.streams;
  }
  bool in_changes(std::string_view source) const override { return in_changes_.contains(source); }
  Status begin() override;
  bool fits(std::string_view source, const RowRecord& record) const override;
  Status apply(std::string_view source, Offset offset, const RowRecord& record) override;
  void set_next(std::string_view source, Offset next) override { pending_.next[std::string(source)] = next; }
  Status commit() override;
  void rollback() override;

 private:
  using TableName = SourceProgress::TableName;

  /// Where rows of one table go in this transaction.
  struct Sink {
    TableSchema schema;
    std::vector<std::size_t> key;
    std::unique_ptr<SourceRowAppender> rows;
    std::string changes;  ///< the temporary table; empty: rows go to the staging table itself
    TimeUs moment = 0;    ///< when the changes being added were committed; 0: not known
    bool has_moments = false;
    std::vector<RowCell> row;
  };

  SourceTableState& state_of(std::string_view source, std::string_view table);
  Status begin_table(std::string_view source, const RowRecord& record);
  Status add_rows(std::string_view source, Offset offset, const RowRecord& record);
  Status end_table(std::string_view source, const RowRecord& record);
  Status publish(std::string_view source, Offset offset, const RowRecord& record);
  Status publish_table(const std::string& source, const std::string& run, const std::string& table,
                       Offset offset);
  Status keep_history(const std::string& source, const std::string& table,
                      const SourceTableState::Published& published, const SourceTableState::Filling& filling,
                      Offset offset);
  Status alter_table(std::string_view source, const RowRecord& record);
  void note_commit(std::string_view source, const RowRecord& record);
  Status add_changes(std::string_view source, Offset offset, const RowRecord& record);
  Status read_changes(const TableName& name, const std::string& run, Offset offset, const RowRecord& record,
                      Sink& sink);
  Result<Sink*> open_sink(std::map<TableName, Sink>& sinks, const TableName& name,
                          const std::string& schema_text, bool changes);
  Status add_row(const TableName& name, const std::string& run, Sink& sink, std::int64_t sequence,
                 std::optional<RowOp> op);
  Status reject(const TableName& name, const std::string& run, const Sink& sink, std::int64_t sequence);
  Status close_sinks();
  Status merge(const TableName& name, const Sink& sink);
  Result<std::uint64_t> count(const std::string& sql);
  Status count_published(const TableName& name);
  void end();

  Warehouse& warehouse_;
  duck::Connection connection_;
  SourceHistory history_;
  const std::vector<OrderTables> orders_;
  std::optional<WriteTransaction> transaction_;
  SourceProgress committed_;
  SourceProgress pending_;
  std::set<TableName> changed_;                    ///< whose rows this transaction has changed
  std::set<TableName> touched_;                    ///< whose state is to be written
  std::set<std::string, std::less<>> in_changes_;  ///< sources whose changes wait for their commit
  std::map<TableName, Sink> staging_;
  std::map<TableName, Sink> changes_;
  std::map<std::string, std::unique_ptr<duck::TableAppender>> rejected_;  ///< by source
};

Status DuckSourceTables::restore() {
  const WriterTurn turn(warehouse_);
  MILLRACE_ASSIGN(committed_, SourceProgress::read(connection_));
  return {};
}

Status DuckSourceTables::begin() {
  MILLRACE_ASSIGN(auto transaction, WriteTransaction::begin(warehouse_, connection_));
  transaction_.emplace(std::move(transaction));
  pending_ = committed_;
  return {};
}

SourceTableState& DuckSourceTables::state_of(std::string_view source, std::string_view table) {
  touched_.emplace(source, table);
  return pending_.states[std::string(source)][std::string(table)];
}

bool DuckSourceTables::fits(std::string_view source, const RowRecord& record) const {
  const auto is_unchanged = [&](std::string_view table) {
    const TableName name(source, table);
    return !changed_.contains(name) && !changes_.contains(name);
  };
  if (record.kind == RowRecordKind::kAlter) return is_unchanged(record.table);
  if (record.kind != RowRecordKind::kPublish) return true;
  const auto cells = read_cells(record.payload);
  if (!cells) return true;
  for (std::size_t i = 1; i < cells->size(); i += 2)
    if (!is_unchanged((*cells)[i].value_or(""))) return false;
  return true;
}

Status DuckSourceTables::apply(std::string_view source, Offset offset, const RowRecord& record) {
  switch (record.kind) {
    case RowRecordKind::kBegin:
      return begin_table(source, record);
    case RowRecordKind::kRows:
      return add_rows(source, offset, record);
    case RowRecordKind::kEnd:
      return end_table(source, record);
    case RowRecordKind::kPublish:
      return publish(source, offset, record);
    case RowRecordKind::kChanges:
      return add_changes(source, offset, record);
    case RowRecordKind::kCommit:
      note_commit(source, record);
      return {};
    case RowRecordKind::kAlter:
      return alter_table(source, record);
  }
  return {};
}

void DuckSourceTables::note_commit(std::string_view source, const RowRecord& record) {
  in_changes_.erase(std::string(source));
  pending_.streams[std::string(source)] = {
      .position = std::string(record.position),
      .commit_time = std::strtoll(cursor_of(record.resume).c_str(), nullptr, 10)};
}

Status DuckSourceTables::alter_table(std::string_view source, const RowRecord& record) {
  MILLRACE_TRY(close_sinks());
  in_changes_.emplace(source);
  auto& published = state_of(source, record.table).published;
  const auto after = TableSchema::from_json(record.payload);
  const auto before = TableSchema::from_json(published ? published->schema : "");
  if (!before || !after) {
    log_error("tables", "could not alter a table: extract it anew",
              {field("source", source), field("table", record.table)});
    return {};
  }
  if (const std::string sql = source_sql::alter(source, record.table, *before, *after); !sql.empty())
    MILLRACE_TRY(connection_.execute(sql));
  published->schema = record.payload;
  published->schema_id = record.schema_id;
  return history_.table_changed(std::string(source), std::string(record.table), *after);
}

Status DuckSourceTables::begin_table(std::string_view source, const RowRecord& record) {
  MILLRACE_TRY(close_sinks());
  SourceTableState& state = state_of(source, record.table);
  state.filling = SourceTableState::Filling{.run = std::string(record.run),
                                            .schema_id = record.schema_id,
                                            .schema = std::string(record.payload),
                                            .resume = "",
                                            .cursor = cursor_of(record.resume),
                                            .position = std::string(record.position),
                                            .rows = 0,
                                            .complete = false,
                                            .problem = ""};
  const auto schema = TableSchema::from_json(record.payload);
  if (!schema) {
    state.filling->problem = schema.error().text();
    return {};
  }
  const std::string name(record.table);
  MILLRACE_TRY(connection_.execute(source_sql::make_schema(source)));
  MILLRACE_TRY(connection_.execute(source_sql::make_staging(source, name, *schema)));
  return connection_.execute(
      source_sql::forget_rejected(source, name, state.published ? state.published->run : ""));
}

Result<DuckSourceTables::Sink*> DuckSourceTables::open_sink(std::map<TableName, Sink>& sinks,
                                                            const TableName& name,
                                                            const std::string& schema_text, bool changes) {
  if (const auto found = sinks.find(name); found != sinks.end()) return &found->second;
  Sink sink;
  MILLRACE_ASSIGN(sink.schema, TableSchema::from_json(schema_text));
  MILLRACE_ASSIGN(const TimeZone zone, TimeZone::load(warehouse_.env(), sink.schema.zone));
  sink.key = sink.schema.key_places();
  sink.row.resize(sink.schema.columns.size());
  std::string schema_name = name.first;
  std::string table = source_sql::staging_name(name.second);
  if (changes) {
    schema_name = "";
    table = sink.changes = fmt::format("_changes_{}", sinks.size());
    MILLRACE_TRY(connection_.execute(source_sql::make_changes(table, sink.schema)));
  }
  MILLRACE_ASSIGN(sink.rows, SourceRowAppender::open(connection_, schema_name, table, sink.schema, zone,
                                                     changes ? source_sql::kChangeColumns : 0));
  return &sinks.emplace(name, std::move(sink)).first->second;
}

Status DuckSourceTables::add_rows(std::string_view source, Offset offset, const RowRecord& record) {
  auto& filling = state_of(source, record.table).filling;
  if (!filling || filling->run != record.run || !filling->problem.empty()) return {};
  const TableName name(source, record.table);
  MILLRACE_ASSIGN(Sink* const sink, open_sink(staging_, name, filling->schema, false));
  CellReader cells(record.payload);
  std::uint64_t rows = 0;
  for (; !cells.done(); ++rows) {
    if (const auto read = cells.next_row(sink->row); !read) {
      filling->problem = read.error().text();
      return {};
    }
    const auto sequence = static_cast<std::int64_t>(offset.value() << kRowBits | rows);
    MILLRACE_TRY(add_row(name, filling->run, *sink, sequence, std::nullopt));
  }
  if (rows != record.count)
    filling->problem = fmt::format("a record says {} rows and has {}", record.count, rows);
  filling->rows += rows;
  filling->resume = record.resume;
  return {};
}

Status DuckSourceTables::add_row(const TableName& name, const std::string& run, Sink& sink,
                                 std::int64_t sequence, std::optional<RowOp> op) {
  if (op) {
    MILLRACE_TRY(sink.rows->append(
        sink.row, {static_cast<std::int64_t>(*op), sequence, key_hash(sink.row, sink.key), sink.moment}));
  } else {
    MILLRACE_TRY(sink.rows->append(sink.row));
  }
  if (sink.rows->rejected().empty() || op == RowOp::kDelete) return {};
  return reject(name, run, sink, sequence);
}

Status DuckSourceTables::reject(const TableName& name, const std::string& run, const Sink& sink,
                                std::int64_t sequence) {
  auto& appender = rejected_[name.first];
  if (!appender) {
    MILLRACE_ASSIGN(appender,
                    duck::TableAppender::open(connection_, std::string(kRejectedTable), name.first));
  }
  for (const RejectedCell& cell : sink.rows->rejected()) {
    appender->text(name.second)
        .text(key_text(sink.row, sink.key))
        .text(sink.schema.columns[cell.column].name);
    is_utf8(cell.value) ? appender->blob(cell.value) : appender->null();
    is_utf8(cell.value) ? appender->null() : appender->blob(cell.value);
    appender->text(cell.reason)
        .text(run)
        .int64(sequence)
        .int64(key_hash(sink.row, sink.key))
        .time(warehouse_.env().now());
    MILLRACE_TRY(appender->end_row());
  }
  return {};
}

Status DuckSourceTables::end_table(std::string_view source, const RowRecord& record) {
  auto& filling = state_of(source, record.table).filling;
  if (!filling || filling->run != record.run) return {};
  if (filling->rows != record.count && filling->problem.empty())
    filling->problem = fmt::format("{} rows were read and {} came", record.count, filling->rows);
  filling->complete = true;
  return {};
}

Status DuckSourceTables::publish(std::string_view source, Offset offset, const RowRecord& record) {
  MILLRACE_TRY(close_sinks());
  const auto cells = read_cells(record.payload);
  if (!cells) return {};  // nothing in it can be published; the snapshots stay as they are
  for (std::size_t i = 0; i + 1 < cells->size(); i += 2) {
    MILLRACE_TRY(
        publish_table(std::string(source), (*cells)[i].value_or(""), (*cells)[i + 1].value_or(""), offset));
  }
  return {};
}

/// What a followed table's rows were is kept, also where a snapshot takes their place.
Status DuckSourceTables::keep_history(const std::string& source, const std::string& table,
                                      const SourceTableState::Published& published,
                                      const SourceTableState::Filling& filling, Offset offset) {
  MILLRACE_ASSIGN(const auto before, TableSchema::from_json(published.schema));
  MILLRACE_ASSIGN(const auto after, TableSchema::from_json(filling.schema));
  return history_.add_snapshot(source, table, before, after, warehouse_.env().now(),
                               static_cast<std::int64_t>(offset.value() << kRowBits));
}

Status DuckSourceTables::publish_table(const std::string& source, const std::string& run,
                                       const std::string& table, Offset offset) {
  changed_.emplace(source, table);
  SourceTableState& state = state_of(source, table);
  auto& filling = state.filling;
  if (!filling || filling->run != run || !filling->complete || !filling->problem.empty()) {
    log_warning("tables", "did not publish a snapshot",
                {field("source", source), field("table", table),
                 field("why", filling ? filling->problem : "there is none")});
    return {};
  }
  if (state.published) MILLRACE_TRY(keep_history(source, table, *state.published, *filling, offset));
  MILLRACE_TRY(connection_.execute(source_sql::exchange(source, table)));
  for (const OrderTables& orders : orders_)
    if (orders.source == source && (orders.head.table == table || orders.lines.table == table))
      MILLRACE_TRY(source_order_marks::mark_all(connection_, orders, warehouse_.env().now()));
  state.published = SourceTableState::Published{.run = run,
                                                .schema_id = filling->schema_id,
                                                .schema = std::move(filling->schema),
                                                .cursor = std::move(filling->cursor),
                                                .position = std::move(filling->position)};
  filling.reset();
  const auto schema = TableSchema::from_json(state.published->schema);
  if (schema) MILLRACE_TRY(history_.table_changed(source, table, *schema));
  MILLRACE_TRY(connection_.execute(source_sql::forget_rejected(source, table, run)));
  return count_published({source, table});
}

Status DuckSourceTables::add_changes(std::string_view source, Offset offset, const RowRecord& record) {
  if (record.run.empty()) in_changes_.emplace(source);
  auto& published = state_of(source, record.table).published;
  if (!published || published->schema_id != record.schema_id) {
    log_warning("tables", "left out changes of a table that has other columns: extract it anew",
                {field("source", source), field("table", record.table)});
    return {};
  }
  const TableName name(source, record.table);
  MILLRACE_ASSIGN(Sink* const sink, open_sink(changes_, name, published->schema, true));
  MILLRACE_TRY(read_changes(name, published->run, offset, record, *sink));
  if (const std::string cursor = cursor_of(record.resume); !cursor.empty()) published->cursor = cursor;
  return {};  // the position stays the snapshot's: what was deleted since is not in these rows
}

Status DuckSourceTables::read_changes(const TableName& name, const std::string& run, Offset offset,
                                      const RowRecord& record, Sink& sink) {
  CellReader cells(record.payload);
  auto sequence = static_cast<std::int64_t>(offset.value() << kRowBits);
  sink.moment = 0;
  while (!cells.done()) {
    MILLRACE_ASSIGN(const RowOp op, cells.next_op());
    if (op == RowOp::kMoment) {
      MILLRACE_ASSIGN(const RowCell moment, cells.next());
      sink.moment = std::strtoll(std::string(moment.value_or("0")).c_str(), nullptr, 10);
      sink.has_moments = true;
      continue;
    }
    MILLRACE_TRY(cells.next_row(sink.row));
    const bool update = op == RowOp::kUpdate;
    MILLRACE_TRY(add_row(name, run, sink, sequence++, update ? RowOp::kDelete : op));
    if (!update) continue;
    const std::int64_t key = key_hash(sink.row, sink.key);
    MILLRACE_TRY(cells.next_row(sink.row));
    const bool moved = key_hash(sink.row, sink.key) != key;
    MILLRACE_TRY(add_row(name, run, sink, sequence++, moved ? RowOp::kInsert : RowOp::kUpsert));
  }
  return {};
}

/// Hand what the appenders hold to the transaction and merge changes into their tables.
Status DuckSourceTables::close_sinks() {
  for (auto& [name, sink] : staging_) MILLRACE_TRY(sink.rows->flush());
  staging_.clear();
  for (auto& [source, appender] : rejected_) MILLRACE_TRY(appender->flush());
  rejected_.clear();
  for (auto& [name, sink] : changes_) {
    MILLRACE_TRY(sink.rows->flush());
    sink.rows.reset();
    MILLRACE_TRY(merge(name, sink));
  }
  changes_.clear();
  return {};
}

Status DuckSourceTables::merge(const TableName& name, const Sink& sink) {
  const auto& [source, table] = name;
  changed_.insert(name);
  for (const OrderTables& orders : orders_)
    if (orders.source == source)
      MILLRACE_TRY(source_order_marks::mark_changes(connection_, orders, table, sink.schema, sink.changes,
                                                    warehouse_.env().now()));
  if (sink.has_moments) MILLRACE_TRY(history_.add_changes(source, table, sink.schema, sink.changes));
  MILLRACE_TRY(connection_.execute(source_sql::merge(source, table, sink.changes, sink.schema)));
  return count_published(name);
}

Result<std::uint64_t> DuckSourceTables::count(const std::string& sql) {
  MILLRACE_ASSIGN(const auto number, connection_.scalar(sql));
  return static_cast<std::uint64_t>(number.value_or(0));
}

Status DuckSourceTables::count_published(const TableName& name) {
  auto& published = *state_of(name.first, name.second).published;
  MILLRACE_ASSIGN(published.rows, count(source_sql::count_rows(name.first, name.second)));
  MILLRACE_ASSIGN(published.rejected, count(source_sql::count_rejected(name.first, name.second)));
  published.loaded_time = warehouse_.env().now();
  return {};
}

Status DuckSourceTables::commit() {
  Status done = close_sinks();
  if (done) done = pending_.write(connection_, committed_, touched_);
  if (done) {
    done = transaction_->commit();
    transaction_.reset();
  }
  if (!done) {
    rollback();
    return done;
  }
  committed_ = std::move(pending_);
  end();
  return done;
}

void DuckSourceTables::rollback() {
  history_.rollback();
  end();
}

void DuckSourceTables::end() {
  staging_.clear();  // before the transaction: what appenders still hold would go to the next one
  changes_.clear();
  rejected_.clear();
  touched_.clear();
  changed_.clear();
  in_changes_.clear();
  pending_ = {};
  transaction_.reset();
}

}  // namespace

Result<std::unique_ptr<SourceTables>> SourceTables::open(Warehouse& warehouse,
                                                         std::vector<OrderTables> orders) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect());
  auto tables = std::make_unique<DuckSourceTables>(warehouse, std::move(connection), std::move(orders));
  MILLRACE_TRY(tables->restore());
  return tables;
}

}  // namespace millrace
