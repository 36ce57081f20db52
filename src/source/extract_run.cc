#include "source/extract_run.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "base/text.h"
#include "log/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kPayloadBytes = 256 << 10;
constexpr std::uint64_t kFirstChunkRows = 1'000;
constexpr DurationUs kShowEvery = kSecondUs / 5;
constexpr DurationUs kSendEvery = kSecondUs / 2;  // what is read slowly becomes durable too
constexpr DurationUs kNapMax = kSecondUs / 10;

// Larger than others': the topic keeps its order by one append at a time.
constexpr LogWriter::Limits kWriterLimits{
    .batch_bytes = 4 << 20, .batch_records = 4'096, .appends_in_flight = 1};

/// Return whether a failure concerns one table alone.
bool blames_table(const Error& error) {
  return error.code == Code::kInvalid || error.code == Code::kNotFound || error.code == Code::kDenied;
}

std::vector<std::string> texts(std::string_view cells) {
  std::vector<std::string> out;
  if (const auto read = read_cells(cells))
    for (const auto& cell : *read) out.push_back(cell.value_or(""));
  return out;
}

}  // namespace

Status Pace::spend(std::uint64_t rows, std::uint64_t bytes) {
  const auto time = [](std::uint64_t amount, std::uint64_t per_second) {
    return per_second == 0 ? 0.0 : static_cast<double>(amount) / static_cast<double>(per_second) * kSecondUs;
  };
  const double cost = std::max(time(rows, limits_.rows_per_second), time(bytes, limits_.bytes_per_second));
  due_ = std::max(due_, env_.steady_now()) + static_cast<DurationUs>(cost);
  if (cost == 0) return {};
  for (DurationUs now = env_.steady_now(); now < due_; now = env_.steady_now()) {
    if (stop_.stop_requested()) return fail(Code::kCancelled, "stopped; the same command goes on");
    env_.sleep_for(std::min(due_ - now, kNapMax));
  }
  return {};
}

std::uint64_t Pace::rows_a_second(std::uint64_t rows_max, double row_bytes) const {
  std::uint64_t rows = rows_max;
  if (limits_.rows_per_second > 0) rows = std::min(rows, limits_.rows_per_second);
  if (limits_.bytes_per_second > 0)
    rows = row_bytes == 0 ? std::min(rows, kFirstChunkRows)
                          : std::min(rows, static_cast<std::uint64_t>(
                                               static_cast<double>(limits_.bytes_per_second) / row_bytes));
  return std::max<std::uint64_t>(rows, 1);
}

ExtractRun::ExtractRun(EventLog& log, Env& env, const MysqlSource& source, const ExtractRequest& request,
                       const SourceStates& states, const Extracts::OnProgress& on_progress,
                       std::stop_token stop)
    : log_(log),
      env_(env),
      source_(source),
      request_(request),
      states_(states),
      on_progress_(on_progress),
      stop_(stop),
      topic_(source_topic(source.name)),
      writer_(log, env, kWriterLimits, stop),
      pace_(env, source.limits, stop),
      run_(new_uuid(env)) {}

Result<ExtractResult> ExtractRun::run() {
  begun_ = env_.steady_now();
  MILLRACE_ASSIGN(guard_, SourceGuard::open(source_, env_, stop_));
  MILLRACE_ASSIGN(connection_, MysqlConnection::connect(source_));
  MILLRACE_TRY(open_snapshot());
  MILLRACE_ASSIGN(const auto tables, read_mysql_tables(*connection_, source_, request_.tables));
  result_.tables.resize(tables.size());
  for (const MysqlTable& table : tables) rows_total_ += table.rows_estimate;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    ExtractTableResult& result = result_.tables[i];
    result.table = tables[i].name;
    Status done;
    if (tables[i].problem) {
      done = fail(*tables[i].problem);
    } else if (auto reading = plan(tables[i], result)) {
      done = read_table(*reading);
    } else {
      done = fail(std::move(reading).error());
    }
    payload_.clear();
    payload_rows_ = payload_bytes_ = 0;
    if (done) continue;
    if (!blames_table(done.error())) return fail(std::move(done).error());
    result.error = std::move(done).error();
  }
  MILLRACE_TRY(publish());
  MILLRACE_TRY(writer_.flush());
  return std::move(result_);
}

/// All tables are read as they were at this one moment.
Status ExtractRun::open_snapshot() {
  MILLRACE_TRY(connection_->execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
  MILLRACE_TRY(connection_->execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
  return read_position();
}

/// MariaDB knows where its binary log was when the snapshot was taken; MySQL has no such thing without a
/// lock.
Status ExtractRun::read_position() {
  if (!connection_->is_mariadb()) return {};
  MILLRACE_ASSIGN(const auto rows, connection_->query("SHOW STATUS LIKE 'binlog_snapshot_%'"));
  std::string file;
  std::string position;
  for (const auto& row : rows) {
    const std::string name = row[0].value_or("");
    if (name == "Binlog_snapshot_file") file = row[1].value_or("");
    if (name == "Binlog_snapshot_position") position = row[1].value_or("");
  }
  if (file.empty()) return {};
  MILLRACE_ASSIGN(const std::string literal, key_literal({"file", KeyColumn::Form::kBytes, "", ""}, file));
  MILLRACE_ASSIGN(const std::string gtid,
                  connection_->value(fmt::format("SELECT BINLOG_GTID_POS({}, {})", literal,
                                                 position.empty() ? "0" : position)));
  result_.position = gtid.empty() ? fmt::format("file:{}:{}", file, position) : "gtid:" + gtid;
  return {};
}

/// Decide whether the table is read from its beginning, from where a snapshot broke off, or from its cursor.
Result<ExtractRun::Reading> ExtractRun::plan(const MysqlTable& table, ExtractTableResult& result) {
  Reading reading{
      .table = table, .run = run_, .schema_id = schema_id(table.schema), .after = {}, .result = result};
  reading.key = table.whole ? std::vector<KeyColumn>() : table.key;
  reading.index = table.whole ? "" : table.key_index;
  reading.one_piece = table.whole;
  const auto found = states_.find(table.name);
  if (found == states_.end()) return reading;
  const auto& [published, filling] = found->second;
  const bool resumable = filling && filling->schema_id == reading.schema_id && filling->problem.empty() &&
                         !request_.restart && !table.whole;
  if (resumable) {
    reading.mode = ExtractMode::kResumed;
    reading.run = filling->run;
    reading.after = texts(filling->resume);
    reading.rows_before = filling->rows;
  } else if (request_.incremental && !(request_.restart && filling) && table.cursor && published &&
             !published->cursor.empty() && published->schema_id == reading.schema_id) {
    reading.mode = ExtractMode::kChanges;
    MILLRACE_TRY(plan_changes(published->cursor, reading));
  }
  result.mode = reading.mode;
  return reading;
}

/// Rows with the cursor's last value are read again, since others may have come with the same.
Status ExtractRun::plan_changes(const std::string& cursor, Reading& reading) const {
  const MysqlTable& table = reading.table;
  MILLRACE_ASSIGN(std::string from, key_literal(*table.cursor, cursor));
  if (table.cursor_is_time && source_.cursor_overlap > 0)
    from += fmt::format(" - INTERVAL {} MICROSECOND", source_.cursor_overlap);
  reading.from = fmt::format("{} >= {}", mysql_name(table.cursor->name), from);
  reading.key = table.key;  // also of a table that snapshots read whole: chunks may end amid one cursor value
  reading.key.insert(reading.key.begin(), *table.cursor);
  for (const KeyColumn& column : table.key)
    if (column.name == table.cursor->name && reading.key.size() > 1)
      std::erase_if(reading.key, [&, first = true](const KeyColumn& one) mutable {
        return one.name == column.name && !std::exchange(first, false);
      });
  reading.index = table.cursor_index;
  reading.one_piece = table.cursor_index.empty();  // else each chunk would sort the table anew
  return {};
}

/// The cursor's value of the beginning holds for the whole snapshot: what changes while it is read, or before
/// it is resumed, is read again by the next incremental extraction.
Status ExtractRun::begin(Reading& reading) {
  if (reading.mode != ExtractMode::kSnapshot) return {};
  std::string resume;
  if (reading.table.cursor) {
    MILLRACE_ASSIGN(
        const std::string newest,
        connection_->value(fmt::format("SELECT MAX({}) FROM {}.{}", mysql_name(reading.table.cursor->name),
                                       mysql_name(source_.database), mysql_name(reading.table.name))));
    append_cell(newest, resume);
  }
  const std::string schema = reading.table.schema.to_json();
  return put({.kind = RowRecordKind::kBegin,
              .run = reading.run,
              .table = reading.table.name,
              .schema_id = reading.schema_id,
              .position = result_.position,
              .resume = resume,
              .payload = schema});
}

Status ExtractRun::read_table(Reading& reading) {
  MILLRACE_TRY(begin(reading));
  for (;;) {
    MILLRACE_TRY(guard_->check());
    const double row_bytes =
        result_.rows == 0 ? 0 : static_cast<double>(result_.bytes) / static_cast<double>(result_.rows);
    const std::uint64_t limit = reading.one_piece ? 0 : pace_.rows_a_second(source_.chunk_rows, row_bytes);
    MILLRACE_ASSIGN(const std::uint64_t rows, read_chunk(reading, limit));
    if (limit == 0 || rows < limit) break;
  }
  if (reading.mode == ExtractMode::kChanges) return {};
  complete_.emplace_back(reading.run, reading.table.name);
  return put({.kind = RowRecordKind::kEnd,
              .run = reading.run,
              .table = reading.table.name,
              .schema_id = reading.schema_id,
              .position = result_.position,
              .count = reading.rows_before + reading.result.rows});
}

Result<std::uint64_t> ExtractRun::read_chunk(Reading& reading, std::uint64_t limit) {
  std::vector<std::string> expressions = reading.table.expressions;
  if (!reading.table.sizes_expression.empty()) expressions.push_back(reading.table.sizes_expression);
  MILLRACE_ASSIGN(const std::string sql, keyset_sql({.database = source_.database,
                                                     .table = reading.table.name,
                                                     .expressions = std::move(expressions),
                                                     .index = reading.index,
                                                     .key = reading.key,
                                                     .after = reading.after,
                                                     .from = reading.from,
                                                     .limit = limit}));
  std::vector<std::size_t> key_places;
  for (const KeyColumn& column : reading.key)
    key_places.push_back(static_cast<std::size_t>(
        std::ranges::find(reading.table.schema.columns, column.name, &ColumnSchema::name) -
        reading.table.schema.columns.begin()));
  MILLRACE_ASSIGN(auto rows, connection_->stream(sql));
  std::uint64_t count = 0;
  for (;; ++count) {
    MILLRACE_ASSIGN(const bool more, rows.next());
    if (!more) break;
    Status added = add_row(reading, rows, key_places);
    if (added) continue;
    // The connection serves the other tables too: leave it whole.
    for (bool rest = blames_table(added.error()); rest;) {
      MILLRACE_ASSIGN(rest, rows.next());
    }
    return fail(std::move(added).error());
  }
  MILLRACE_TRY(flush(reading));
  return count;
}

Status ExtractRun::add_row(Reading& reading, const MysqlRows& rows,
                           const std::vector<std::size_t>& key_places) {
  const std::size_t columns = reading.table.schema.columns.size();
  if (rows.columns() > columns && rows.cell(columns)) return too_large(reading, *rows.cell(columns));
  const std::size_t before = payload_.size();
  if (reading.mode == ExtractMode::kChanges) append_op(RowOp::kUpsert, payload_);
  for (std::size_t i = 0; i < columns; ++i) append_cell(rows.cell(i), payload_);
  const std::size_t bytes = payload_.size() - before;
  if (bytes > kMysqlRowBytesMax) return too_large(reading, "");
  ++payload_rows_;
  payload_bytes_ += bytes;
  const bool full = payload_.size() >= kPayloadBytes;
  reading.after.resize(key_places.size());
  for (std::size_t i = 0; i < key_places.size(); ++i) {
    const RowCell cell = rows.cell(key_places[i]);
    reading.after[i].assign(cell.value_or(""));
  }
  return full ? flush(reading) : Status{};
}

/// Say which column is to be left out. `sizes`: of those that may be large.
Status ExtractRun::too_large(const Reading& reading, std::string_view sizes) const {
  std::string largest;
  std::uint64_t most = 0;
  for (const std::string& name : reading.table.large) {
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(sizes.data(), sizes.data() + sizes.size(), size);
    sizes.remove_prefix(std::min(static_cast<std::size_t>(end - sizes.data()) + 1, sizes.size()));
    if (error == std::errc() && size > most) {
      largest = name;
      most = size;
    }
  }
  return fail(
      Code::kInvalid,
      fmt::format("a row behind the key ({}) has more than the {} MB that a record of the log can hold{}: "
                  "leave {} out with exclude",
                  fmt::join(reading.after, ", "), kMysqlRowBytesMax >> 20,
                  largest.empty() ? "" : fmt::format(", {} MB of them in {}", most >> 20, largest),
                  largest.empty() ? "its large columns" : largest),
      reading.table.name);
}

/// Hand over the record that is being filled.
Status ExtractRun::flush(Reading& reading) {
  if (payload_rows_ == 0) return {};
  const bool changes = reading.mode == ExtractMode::kChanges;
  std::string resume;
  for (const std::string& value : reading.after) append_cell(value, resume);
  MILLRACE_TRY(put({.kind = changes ? RowRecordKind::kChanges : RowRecordKind::kRows,
                    .run = reading.run,
                    .table = reading.table.name,
                    .schema_id = reading.schema_id,
                    .position = result_.position,
                    .resume = resume,
                    .count = payload_rows_,
                    .payload = payload_}));
  reading.result.rows += payload_rows_;
  result_.rows += payload_rows_;
  result_.bytes += payload_bytes_;
  const std::uint64_t rows = std::exchange(payload_rows_, 0);
  const std::uint64_t bytes = std::exchange(payload_bytes_, 0);
  payload_.clear();
  metrics::counter("millrace_extract_rows_total", "Rows read from databases", {{"source", source_.name}})
      .Increment(static_cast<double>(rows));
  metrics::counter("millrace_extract_bytes_total", "Bytes of values read from databases",
                   {{"source", source_.name}})
      .Increment(static_cast<double>(bytes));
  show(reading.table.name);
  if (const DurationUs now = env_.steady_now(); now - sent_ >= kSendEvery) {
    sent_ = now;
    MILLRACE_TRY(writer_.send());
  }
  MILLRACE_TRY(pace_.spend(rows, bytes));
  if (stop_.stop_requested()) return fail(Code::kCancelled, "stopped; the same command goes on");
  return reading.one_piece ? guard_->check() : Status{};
}

Status ExtractRun::publish() {
  if (complete_.empty()) return {};
  std::string payload;
  for (const auto& [run, table] : complete_) {
    append_cell(run, payload);
    append_cell(table, payload);
  }
  return put(
      {.kind = RowRecordKind::kPublish, .run = run_, .position = result_.position, .payload = payload});
}

Status ExtractRun::put(const RowRecord& record) {
  record_.clear();
  encode_row_record(record, record_);
  const bool has_rows = record.kind == RowRecordKind::kRows || record.kind == RowRecordKind::kChanges;
  return writer_.add(topic_,
                     {.key = {},
                      .attributes = {},
                      .value = record_,
                      .time = env_.now(),
                      .count = has_rows ? static_cast<std::uint32_t>(record.count) : 0},
                     0);
}

void ExtractRun::show(const std::string& table) {
  const DurationUs clock = env_.steady_now();
  if (!on_progress_ || clock - shown_ < kShowEvery) return;
  shown_ = clock;
  const double seconds = static_cast<double>(std::max<DurationUs>(1, clock - begun_)) / kSecondUs;
  on_progress_({.table = table,
                .rows = result_.rows,
                .rows_total = std::max(rows_total_, result_.rows),
                .bytes = result_.bytes,
                .rows_per_second = static_cast<double>(result_.rows) / seconds});
}

}  // namespace millrace
