#include "source/follow_run.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "log/topics.h"
#include "source/extract_run.h"
#include "source/follow_tables.h"
#include "source/source_events.h"
#include "source/statement.h"

namespace millrace {
namespace {

constexpr unsigned kAnswerTimeoutS = 15;
constexpr DurationUs kShowEvery = kSecondUs / 10;

std::set<std::string> names_of(const std::vector<MysqlTable>& tables) {
  std::set<std::string> names;
  for (const MysqlTable& table : tables) names.insert(table.name);
  return names;
}

}  // namespace

FollowRun::FollowRun(const Extracts::Tools& tools, const MysqlSource& source, std::uint32_t server_id,
                     FollowMemory& memory, FollowBoard& board, std::function<void()> on_streaming,
                     std::stop_token stop)
    : tools_(tools),
      source_(source),
      server_id_(server_id),
      memory_(memory),
      board_(board),
      on_streaming_(std::move(on_streaming)),
      stop_(std::move(stop)) {}

Status FollowRun::run() {
  MILLRACE_ASSIGN(const auto turn, tools_.turns.take_to_follow(source_.name, stop_));
  MILLRACE_TRY(tools_.log.create_topic(source_topic(source_.name), tools_.topic));
  MILLRACE_ASSIGN(SourceLoad load, wait_loaded(tools_, source_.name, stop_));
  {
    MILLRACE_ASSIGN(auto connection, MysqlConnection::connect(source_, kAnswerTimeoutS));
    MILLRACE_TRY(check_settings(*connection));
    MILLRACE_ASSIGN(tables_, read_mysql_tables(*connection, source_, {}));
    MILLRACE_TRY(note_cascades(*connection));
  }
  MILLRACE_ASSIGN(const Plan plan, this->plan(load));
  MILLRACE_TRY(take_snapshots(plan, load));
  MILLRACE_TRY(settle(load));
  if (followed_.empty())
    return fail(Code::kInvalid, "none of its tables can be followed; GET /v1/extracts says why");
  for (const MysqlTable* table : plan.altered) {
    const Followed& followed = followed_.at(table->name);
    MILLRACE_TRY(writer_->alter(followed.target, table->schema.to_json()));
  }
  MILLRACE_TRY(writer_->flush());
  memory_.planned.clear();
  return stream(turn);
}

Status FollowRun::check_settings(MysqlConnection& connection) const {
  if (!connection.is_mariadb())
    return fail(
        Code::kInvalid,
        "it is no MariaDB server, and others cannot be followed yet: take follow out, and read it with "
        "millrace extract --incremental");
  MILLRACE_ASSIGN(const auto rows, connection.query("SELECT @@global.log_bin, @@global.binlog_format, "
                                                    "@@global.binlog_row_image, @@global.log_bin_compress"));
  const auto at = [&](std::size_t i) { return rows.at(0).at(i).value_or(""); };
  if (at(0) != "1" || at(1) != "ROW")
    return fail(
        Code::kDenied,
        fmt::format("its binary log is {} and its binlog_format is {}: set log_bin (on a replica "
                    "log_slave_updates too) and binlog_format = ROW in the server's configuration and "
                    "restart it; following begins by itself",
                    at(0) == "1" ? "on" : "off", at(1)));
  if (at(2) != "FULL")
    return fail(Code::kDenied, fmt::format("its binlog_row_image is {}: SET GLOBAL binlog_row_image = FULL, "
                                           "and in the server's configuration",
                                           at(2)));
  if (at(3) != "0")
    return fail(Code::kDenied,
                "its log_bin_compress is on: SET GLOBAL log_bin_compress = OFF, and in the server's "
                "configuration");
  return {};
}

/// Rows that a foreign key changes are in no binary log.
Status FollowRun::note_cascades(MysqlConnection& connection) {
  MILLRACE_ASSIGN(const std::string database,
                  key_literal({"database", KeyColumn::Form::kBytes, "", ""}, source_.database));
  MILLRACE_ASSIGN(const auto rows,
                  connection.query("SELECT TABLE_NAME, CONSTRAINT_NAME FROM "
                                   "information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = " +
                                   database +
                                   " AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN "
                                   "('CASCADE', 'SET NULL'))"));
  const auto names = names_of(tables_);
  for (const auto& row : rows)
    if (names.contains(row[0].value_or("")))
      note_problem(*row[0],
                   fmt::format("what its foreign key {} changes by CASCADE or SET NULL is not in the "
                               "binary log: it is missing here until the table is extracted again",
                               row[1].value_or("")));
  return {};
}

void FollowRun::note_problem(const std::string& table, const std::string& problem) {
  board_.change([&](FollowStatus& status) { status.problems[table] = problem; });
  if (memory_.told[table] == problem) return;
  memory_.told[table] = problem;
  tell("table_problem", table, problem);
}

void FollowRun::tell(const std::string& type, const std::string& table, const std::string& message,
                     const std::string& before, const std::string& after) {
  tell_source_event(tools_.log, tools_.env,
                    {.type = type,
                     .source = source_.name,
                     .table = table,
                     .message = message,
                     .before = before,
                     .after = after});
}

/// Tell what is going to happen once, however often it must be tried.
void FollowRun::tell_plan(const std::string& type, const MysqlTable& table, const std::string& message,
                          const std::string& before) {
  const std::string schema = table.schema.to_json();
  if (memory_.planned.insert(type + " " + table.name + " " + schema).second)
    tell(type, table.name, message, before, schema);
}

Result<FollowRun::Plan> FollowRun::plan(const SourceLoad& load) {
  Plan plan;
  for (const MysqlTable& table : tables_) {
    if (const auto why = follow_obstacle(table)) {
      note_problem(table.name, *why);
      continue;
    }
    const auto found = load.states.find(table.name);
    if (found == load.states.end() || !found->second.published) {
      if (load.stream) tell_plan("table_added", table, "its rows are read now");
      plan.snapshots.push_back(table.name);
    } else if (needs_snapshot(table, *found->second.published, plan)) {
      plan.snapshots.push_back(table.name);
    }
  }
  note_gone(load);
  return plan;
}

/// Return whether what the warehouse has of the table cannot be continued by its changes.
bool FollowRun::needs_snapshot(const MysqlTable& table, const SourceTableState::Published& published,
                               Plan& plan) {
  const auto position = GtidPosition::parse(published.position);
  if (!position || !published.position.starts_with("gtid:")) return true;
  const auto stale = memory_.stale.find(table.name);
  const bool is_stale = stale != memory_.stale.end() && !position->covers(stale->second);
  if (published.schema_id == schema_id(table.schema)) return is_stale;
  const auto before = TableSchema::from_json(published.schema);
  const bool grows = before && !is_stale && only_grew(*before, table);
  tell_plan("schema_changed", table,
            grows ? "it has what is new; older rows have NULL there"
                  : "its columns changed: all its rows are read again, and until then it is as it was",
            published.schema);
  if (grows) plan.altered.push_back(&table);
  return !grows;
}

void FollowRun::note_gone(const SourceLoad& load) {
  const auto names = names_of(tables_);
  for (const auto& [name, state] : load.states) {
    if (!state.published || names.contains(name)) {
      memory_.gone.erase(name);
    } else if (memory_.gone.insert(name).second) {
      tell("table_gone", name, "the source has it no more, or it was taken out; what was read of it stays");
    }
  }
}

Status FollowRun::take_snapshots(const Plan& plan, SourceLoad& load) {
  if (plan.snapshots.empty()) return {};
  board_.change([](FollowStatus& status) { status.state = FollowStatus::State::kSnapshot; });
  // Where changes have been followed already, what a broken snapshot read before is not continued by them.
  const ExtractRequest request{
      .source = source_.name, .tables = plan.snapshots, .restart = load.stream.has_value()};
  ExtractRun reading(tools_.log, tools_.env, source_, request, load.states, {}, stop_);
  MILLRACE_ASSIGN(const ExtractResult result, reading.run());
  for (const ExtractTableResult& table : result.tables) {
    if (!table.error) continue;
    note_problem(table.table, table.error->text());
    // One that cannot be continued from what the warehouse has must be read first: the rest waits for it.
    const auto known = load.states.find(table.table);
    if (known != load.states.end() && known->second.published) return fail(*table.error);
  }
  MILLRACE_ASSIGN(load, wait_loaded(tools_, source_.name, stop_));
  return {};
}

/// Find out which tables are followed, from where on.
Status FollowRun::settle(const SourceLoad& load) {
  std::optional<GtidPosition> from;
  for (const MysqlTable& table : tables_) {
    const auto found = load.states.find(table.name);
    if (follow_obstacle(table) || found == load.states.end() || !found->second.published) continue;
    MILLRACE_ASSIGN(auto snapshot, GtidPosition::parse(found->second.published->position));
    from = from ? GtidPosition::earlier(*from, snapshot) : snapshot;
    Followed& followed = followed_[table.name];
    followed.table = &table;
    followed.target = {.name = table.name, .schema_id = schema_id(table.schema)};
    followed.snapshot = std::move(snapshot);
  }
  GtidPosition start = from.value_or(GtidPosition());
  if (load.stream) {
    MILLRACE_ASSIGN(const auto reached, GtidPosition::parse(load.stream->position));
    start = GtidPosition::later(reached, start);
  }
  writer_ = std::make_unique<ChangeWriter>(tools_.log, tools_.env, source_topic(source_.name), start, stop_);
  return {};
}

Status FollowRun::stream(const SourceTurns::Turn& turn) {
  auto opened = BinlogReader::open(source_, writer_->position(), server_id_);
  if (!opened) return fail(std::move(opened).error());
  BinlogReader& reader = **opened;
  const std::stop_callback interrupt(stop_, [&reader] { reader.interrupt(); });
  bool streams = false;
  for (;;) {
    const bool was_in_transaction = in_transaction_;
    auto event = reader.next();
    if (stop_.stop_requested()) return fail(Code::kCancelled, "stopped");
    if (!event && event.error().code == Code::kOutOfRange)
      return fail(
          Code::kOutOfRange,
          fmt::format("{}: the server no longer has what follows {}: millrace extract {} reads its tables "
                      "anew, and following goes on from there by itself",
                      event.error().message, writer_->position().text(), source_.name));
    if (!event) return fail(std::move(event).error());
    MILLRACE_ASSIGN(const bool more, take(*event));
    const bool idle = event->type == BinlogEventType::kHeartbeat;
    const bool ended = was_in_transaction && !in_transaction_;
    if (more && (idle || ended) && !std::exchange(streams, true)) on_streaming_();
    show(idle);
    if (!more || (!in_transaction_ && turn.wanted())) return writer_->flush();
  }
}

void FollowRun::show(bool idle) {
  const DurationUs clock = tools_.env.steady_now();
  if (!idle && clock - shown_ < kShowEvery) return;
  shown_ = clock;
  const double behind = idle ? 0 : static_cast<double>(tools_.env.now() - commit_time_) / kSecondUs;
  metrics::gauge("millrace_follow_behind_seconds", "How long ago the last transaction read was committed",
                 {{"source", source_.name}})
      .Set(commit_time_ == 0 ? 0 : std::max(behind, 0.0));
  board_.change([&](FollowStatus& status) {
    status.seen_time = tools_.env.now();
    status.position = writer_->position().text();
    if (gtid_.sequence != 0) status.commit_time = commit_time_;
    status.idle = idle;
  });
}

Result<bool> FollowRun::take(const BinlogEvent& event) {
  using enum BinlogEventType;
  switch (event.type) {
    case kGtid:
      MILLRACE_TRY(begin_transaction(event));
      return true;
    case kXid:
      return end_transaction();
    case kQuery:
      return take_query(event);
    case kTableMap:
      return take_table_map(event);
    case kFormat:
      by_id_.clear();  // a server that was started again counts its tables anew
      return true;
    case kIncident: {
      std::set<std::string> all;
      for (const auto& [name, followed] : followed_) all.insert(name);
      return make_stale(all);
    }
    case kXaPrepare:  // nobody knows yet whether it will be: what it did is read when it is
      writer_->begin(gtid_, commit_time_);
      return end_transaction();
    case kQueryCompressed:
    case kPartialUpdateRows:
      break;
    default:
      if (is_rows_event(event.type)) return take_rows(event);
      if (event.type < kFirstCompressedRows || event.type > kLastCompressedRows) return true;
  }
  return fail(
      Code::kDenied,
      "the binary log has compressed or partial rows: SET GLOBAL log_bin_compress = OFF on the server, "
      "and in its configuration; then millrace extract " +
          source_.name + " reads its tables anew, and following goes on behind them");
}

Status FollowRun::begin_transaction(const BinlogEvent& event) {
  MILLRACE_ASSIGN(const BinlogGtid begun, parse_gtid_event(event.body));
  gtid_ = {.domain = begun.domain, .server = event.server, .sequence = begun.sequence};
  in_transaction_ = true;
  standalone_ = begun.standalone;
  prepared_ = begun.prepared;
  events_ = 0;
  events_done_ = writer_->position().events_done(gtid_);
  touched_.clear();
  commit_time_ = event.time_s * kSecondUs;
  writer_->begin(gtid_, commit_time_);
  return {};
}

Result<bool> FollowRun::end_transaction() {
  if (!in_transaction_) return true;
  in_transaction_ = false;
  MILLRACE_TRY(writer_->end());
  return true;
}

Result<bool> FollowRun::take_query(const BinlogEvent& event) {
  MILLRACE_ASSIGN(const BinlogQuery query, parse_query_event(event.body));
  const std::string_view text = query.statement;
  if (text == "BEGIN" || text.starts_with("SAVEPOINT")) return true;
  if (text == "COMMIT") return end_transaction();
  if (text.starts_with("ROLLBACK") || text.starts_with("XA ")) {
    // What such a transaction did to which tables is not told by its rows alone: read them again.
    if (text.starts_with("ROLLBACK TO")) return touched_.empty() ? Result<bool>(true) : make_stale(touched_);
    if (text.starts_with("XA COMMIT")) {
      std::set<std::string> all;
      for (const auto& [name, followed] : followed_)
        if (!followed.snapshot.covers(gtid_)) all.insert(name);
      return all.empty() ? end_transaction() : make_stale(all);
    }
    if (!touched_.empty()) return make_stale(touched_);
    return end_transaction();
  }
  MILLRACE_ASSIGN(const bool more, take_statement(query));
  if (!more || !standalone_) return more;
  return end_transaction();
}

/// A statement that is none of rows: it may have altered tables, or emptied one.
Result<bool> FollowRun::take_statement(const BinlogQuery& query) {
  std::set<std::string> stale;
  bool columns = alters_tables(query.statement, query.database, source_.database);
  for (const auto& [name, followed] : followed_) {
    if (followed.snapshot.covers(gtid_)) continue;
    const auto effect = statement_effect(query.statement, query.database, source_.database, name);
    if (effect == StatementEffect::kContents) stale.insert(name);
    columns |= effect == StatementEffect::kColumns;
  }
  if (!stale.empty()) return make_stale(stale);
  if (!columns || memory_.settled == gtid_) return true;
  memory_.settled = gtid_;
  return false;  // look at all tables again, then go on from before this statement
}

Result<bool> FollowRun::make_stale(const std::set<std::string>& tables) {
  for (const std::string& table : tables) memory_.stale[table] = gtid_;
  in_transaction_ = false;
  return false;
}

Result<bool> FollowRun::take_table_map(const BinlogEvent& event) {
  MILLRACE_ASSIGN(const BinlogTableMap map, parse_table_map_event(event.body));
  const auto found = map.database == source_.database ? followed_.find(map.table) : followed_.end();
  if (found == followed_.end()) {
    by_id_[map.table_id] = nullptr;
    return true;
  }
  Followed& followed = found->second;
  by_id_[map.table_id] = &followed;
  if (followed.snapshot.covers(gtid_)) return true;
  if (followed.reader && followed.layout == event.body) return true;
  auto made = BinlogRowReader::make(map, *followed.table);
  if (made) {
    followed.reader.emplace(*std::move(made));
    followed.layout = event.body;
    memory_.misfits.erase(map.table);
    return true;
  }
  if (made.error().code == Code::kInvalid) return misfit(followed, made.error());
  return fail(std::move(made).error().with_context(source_.name + "." + map.table));
}

/// Rows of a table that was altered behind them: the table is read again, as it is now.
Result<bool> FollowRun::misfit(Followed& followed, const Error& why) {
  const std::string& name = followed.table->name;
  const auto last = memory_.misfits.find(name);
  if (last != memory_.misfits.end() && last->second == followed.target.schema_id)
    return fail(Code::kDenied,
                fmt::format("the rows of {}.{} do not fit its columns: {}; leave the table out with "
                            "exclude_tables",
                            source_.name, name, why.message));
  memory_.misfits[name] = followed.target.schema_id;
  return make_stale({name});
}

Result<bool> FollowRun::take_rows(const BinlogEvent& event) {
  MILLRACE_ASSIGN(const BinlogRows rows, parse_rows_event(event.type, event.body));
  const auto found = by_id_.find(rows.table_id);
  if (!in_transaction_ || found == by_id_.end())
    return fail(Code::kCorrupt, "the binary log has rows of no transaction or no table");
  const bool is_done = ++events_ <= events_done_;
  Followed* const followed = found->second;
  if (followed == nullptr || prepared_ || followed->snapshot.covers(gtid_)) return true;
  touched_.insert(followed->table->name);
  if (is_done) return true;
  std::string& payload = writer_->rows(followed->target);
  const std::size_t before = payload.size();
  auto count = followed->reader->read(rows, payload);
  if (!count) return fail(std::move(count).error().with_context(source_.name));
  if (payload.size() - before > kMysqlRowBytesMax)
    return fail(
        Code::kDenied,
        fmt::format("a row of {}.{} has more than the {} MB that a record of the log can hold: leave {} out "
                    "with exclude",
                    source_.name, followed->table->name, kMysqlRowBytesMax >> 20,
                    largest_column(followed->table->schema, std::string_view(payload).substr(before))));
  writer_->added(*count);
  metrics::counter("millrace_follow_rows_total", "Changes of rows read from databases that are followed",
                   {{"source", source_.name}})
      .Increment(static_cast<double>(*count));
  if (writer_->transaction_bytes() > ChangeWriter::kTransactionBytes)
    MILLRACE_TRY(writer_->end_part(events_));
  return true;
}

}  // namespace millrace
