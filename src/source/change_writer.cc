#include "source/change_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "source/log_writer.h"

namespace millrace {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr std::size_t kWaitingBytesMax = 16 << 20;
constexpr DurationUs kGather = 20 * kMillisecondUs;  // so that few syncs serve many transactions

constexpr std::chrono::seconds kGatherNothing{2};

// Everything that is added until `send` is one append.
constexpr LogWriter::Limits kLimits{.batch_bytes = EventLog::kBatchBytesMax,
                                    .batch_records = EventLog::kBatchRecordsMax,
                                    .appends_in_flight = 1};

std::unexpected<Error> stopped() {
  return fail(Code::kCancelled, "stopped before everything was durable");
}

}  // namespace

ChangeWriter::ChangeWriter(EventLog& log, Env& env, std::string topic, GtidPosition from,
                           std::stop_token stop)
    : log_(log),
      env_(env),
      topic_(std::move(topic)),
      stop_(std::move(stop)),
      position_(std::move(from)),
      thread_([this](const std::stop_token& ending) { run(ending); }) {}

ChangeWriter::~ChangeWriter() = default;

void ChangeWriter::begin(const Gtid& gtid, TimeUs commit_time) {
  gtid_ = gtid;
  commit_time_ = commit_time;
  transaction_.clear();
  transaction_bytes_ = 0;
}

std::string& ChangeWriter::rows(const Table& table) {
  const auto fits = [&](const Piece& one) { return one.table == &table && one.payload.size() < kPieceBytes; };
  const auto found = std::ranges::find_if(transaction_, fits);
  filling_ = static_cast<std::size_t>(found - transaction_.begin());
  if (found == transaction_.end()) transaction_.push_back({.table = &table, .payload = {}});
  size_before_ = transaction_[filling_].payload.size();
  return transaction_[filling_].payload;
}

void ChangeWriter::added(std::uint64_t rows) {
  transaction_[filling_].rows += rows;
  transaction_bytes_ += transaction_[filling_].payload.size() - size_before_;
}

Status ChangeWriter::end() {
  position_.advance(gtid_);
  return hand_over();
}

Status ChangeWriter::end_part(std::uint64_t events) {
  position_.advance_within(gtid_, events);
  return hand_over();
}

Status ChangeWriter::hand_over() {
  std::unique_lock lock(mutex_);
  const auto has_room = [&] { return error_ || !waiting_ || waiting_->bytes < kWaitingBytesMax; };
  if (!changed_.wait(lock, stop_, has_room)) return stopped();
  if (error_) return fail(*error_);
  if (!waiting_) waiting_ = Batch();
  for (Piece& piece : transaction_) put(std::move(piece));
  transaction_.clear();
  transaction_bytes_ = 0;
  waiting_->position = position_;
  waiting_->commit_time = commit_time_;
  changed_.notify_all();
  return {};
}

/// Join the changes of one table in few records: each says when its changes were committed.
void ChangeWriter::put(Piece piece) {
  Batch& batch = *waiting_;
  const auto open = batch.open.find(piece.table);
  const bool joins = open != batch.open.end() &&
                     batch.pieces[open->second].payload.size() + piece.payload.size() < kPieceBytes;
  if (!joins) {
    batch.open[piece.table] = batch.pieces.size();
    batch.pieces.push_back({.table = piece.table, .payload = {}});
  }
  Piece& to = batch.pieces[batch.open[piece.table]];
  const std::size_t before = to.payload.size();
  if (to.moment != commit_time_) {
    append_op(RowOp::kMoment, to.payload);
    append_cell(std::to_string(commit_time_), to.payload);
    to.moment = commit_time_;
  }
  to.payload += piece.payload;
  to.rows += piece.rows;
  batch.bytes += to.payload.size() - before;
}

Status ChangeWriter::alter(const Table& table, const std::string& schema) {
  const std::lock_guard lock(mutex_);
  if (error_) return fail(*error_);
  if (!waiting_) waiting_ = Batch();
  waiting_->pieces.push_back({.table = &table, .kind = RowRecordKind::kAlter, .payload = schema});
  waiting_->open.erase(&table);
  waiting_->position = position_;
  waiting_->commit_time = commit_time_;
  changed_.notify_all();
  return {};
}

Status ChangeWriter::flush() {
  std::unique_lock lock(mutex_);
  flushing_ = true;
  changed_.notify_all();
  const bool is_done = changed_.wait(lock, stop_, [&] { return error_ || (!waiting_ && !appending_); });
  flushing_ = false;
  if (!is_done) return stopped();
  return error_ ? Status(fail(*error_)) : Status();
}

void ChangeWriter::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return waiting_.has_value(); })) {
    lock.unlock();
    env_.sleep_for(kGather);
    lock.lock();
    // How far a log without changes of ours goes is not worth an append each time.
    if (waiting_->pieces.empty())
      changed_.wait_for(lock, stop, kGatherNothing, [&] { return !waiting_->pieces.empty() || flushing_; });
    const Batch batch = *std::exchange(waiting_, std::nullopt);
    appending_ = true;
    changed_.notify_all();
    lock.unlock();
    Status done = append(batch, stop);
    lock.lock();
    appending_ = false;
    if (!done) error_ = std::move(done).error();
    changed_.notify_all();
    if (error_) return;
  }
}

Status ChangeWriter::append(const Batch& batch, const std::stop_token& stop) {
  LogWriter writer(log_, env_, kLimits, stop);
  std::string bytes;
  const auto add = [&](const RowRecord& record) {
    bytes.clear();
    encode_row_record(record, bytes);
    return writer.add(topic_,
                      {.key = {},
                       .attributes = {},
                       .value = bytes,
                       .time = env_.now(),
                       .count = static_cast<std::uint32_t>(record.count)},
                      0);
  };
  for (const Piece& piece : batch.pieces)
    MILLRACE_TRY(add({.kind = piece.kind,
                      .run = {},
                      .table = piece.table->name,
                      .schema_id = piece.table->schema_id,
                      .position = {},
                      .resume = {},
                      .count = piece.rows,
                      .payload = piece.payload}));
  const std::string position = batch.position.text();
  std::string time;
  append_cell(std::to_string(batch.commit_time), time);
  MILLRACE_TRY(add({.kind = RowRecordKind::kCommit,
                    .run = {},
                    .table = {},
                    .position = position,
                    .resume = time,
                    .payload = {}}));
  return writer.flush();
}

}  // namespace millrace
