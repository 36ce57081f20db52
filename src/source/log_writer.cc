#include "source/log_writer.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "log/topics.h"

namespace millrace {
namespace {

constexpr DurationUs kPauseMin = 20 * kMillisecondUs;
constexpr DurationUs kPauseMax = kSecondUs;
constexpr auto kLookAtStopEvery = std::chrono::milliseconds(100);

/// Whether records mean something by their order. A batch that is refused and tried again must then not be
/// overtaken. Events carry their own times.
bool keeps_order(const TopicPartition& to) {
  return to.topic == kItemsTopic || to.topic == kUsersTopic || to.topic.starts_with(kSourceTopicPrefix);
}

}  // namespace

struct LogWriter::Batch {
  struct Piece {
    std::size_t key_size, attributes_size, value_size;
    TimeUs time;
    std::uint32_t count;
  };

  TopicPartition to;
  std::string bytes;  ///< key, attributes and value of each
  std::vector<Piece> pieces;

  void add(const NewRecord& record) {
    bytes.append(record.key).append(record.attributes).append(record.value);
    pieces.push_back(
        {record.key.size(), record.attributes.size(), record.value.size(), record.time, record.count});
  }

  std::vector<NewRecord> records() const {
    std::vector<NewRecord> records;
    records.reserve(pieces.size());
    std::string_view rest = bytes;
    const auto take = [&](std::size_t size) {
      const auto taken = rest.substr(0, size);
      rest.remove_prefix(size);
      return taken;
    };
    for (const auto& piece : pieces) {
      NewRecord& record = records.emplace_back();
      record.key = take(piece.key_size);
      record.attributes = take(piece.attributes_size);
      record.value = take(piece.value_size);
      record.time = piece.time;
      record.count = piece.count;
    }
    return records;
  }
};

LogWriter::LogWriter(EventLog& log, Env& env, const Limits& limits, std::stop_token stop)
    : log_(log), env_(env), limits_(limits), stop_(std::move(stop)), pause_us_(kPauseMin) {
  for (const auto& [topic, config] : log.topics()) partitions_[topic] = config.partitions;
}

LogWriter::~LogWriter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return in_flight_ == refused_.size(); });
}

Status LogWriter::add(std::string_view topic, const NewRecord& record, std::uint64_t spread) {
  const auto found = partitions_.find(topic);
  if (found == partitions_.end()) return fail(Code::kNotFound, fmt::format("there is no topic '{}'", topic));
  const TopicPartition to{found->first, EventLog::partition_for(record.key, found->second, spread)};
  auto& batch = filling_[to];
  if (!batch) {
    batch = std::make_unique<Batch>();
    batch->to = to;
  }
  batch->add(record);
  if (batch->bytes.size() < limits_.batch_bytes && batch->pieces.size() < limits_.batch_records) return {};
  return submit(std::move(batch));
}

Status LogWriter::send() {
  for (auto& [to, batch] : filling_) {
    if (batch) MILLRACE_TRY(submit(std::move(batch)));
  }
  return {};
}

Status LogWriter::flush() {
  MILLRACE_TRY(send());
  return wait_for_room(1);
}

Status LogWriter::submit(std::unique_ptr<Batch> batch) {
  MILLRACE_TRY(wait_for_room(keeps_order(batch->to) ? 1 : limits_.appends_in_flight));
  {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  append(std::move(batch));
  return {};
}

void LogWriter::append(std::shared_ptr<Batch> batch) {
  auto* bare = batch.get();
  log_.append(bare->to, bare->records(),
              [this, batch = std::move(batch)](const Result<Offset>& offset) { on_done(batch, offset); });
}

/// Runs on a thread of the log.
void LogWriter::on_done(std::shared_ptr<Batch> batch, const Result<Offset>& offset) {
  const std::lock_guard lock(mutex_);
  const bool try_again =
      !offset && (offset.error().code == Code::kOverloaded || offset.error().code == Code::kNoSpace);
  if (try_again) {
    refused_.push_back(std::move(batch));
  } else {
    --in_flight_;
    if (!offset && !error_) error_ = offset.error();
  }
  changed_.notify_all();  // under the lock: the destructor may be waiting for the last of us
}

/// Return a refused batch, or nothing. Called under mutex_.
std::shared_ptr<LogWriter::Batch> LogWriter::take_refused() {
  if (refused_.empty()) return nullptr;
  auto batch = std::move(refused_.back());
  refused_.pop_back();
  return batch;
}

/// Wait until fewer than `in_flight_max` appends are under way; meanwhile try again what was refused.
Status LogWriter::wait_for_room(std::size_t in_flight_max) {
  std::unique_lock lock(mutex_);
  while (!error_ && !stop_.stop_requested()) {
    if (auto batch = take_refused()) {
      lock.unlock();
      env_.sleep_for(pause_us_);
      pause_us_ = std::min(2 * pause_us_, kPauseMax);
      append(std::move(batch));
      lock.lock();
      continue;
    }
    if (in_flight_ < in_flight_max) {
      pause_us_ = kPauseMin;
      return {};
    }
    changed_.wait_for(lock, kLookAtStopEvery);
  }
  if (error_) return fail(*error_);
  return fail(Code::kCancelled, "stopped before everything was loaded");
}

}  // namespace millrace
