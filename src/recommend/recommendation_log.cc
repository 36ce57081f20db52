#include "recommend/recommendation_log.h"

#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <pthread.h>

#include "base/logging.h"
#include "base/metrics.h"
#include "log/topics.h"
#include "recommend/answer_json.h"

namespace millrace {
namespace {

using std::chrono::microseconds;

constexpr DurationUs kRetryPause = 100 * kMillisecondUs;

prometheus::Counter& written_counter() {
  return metrics::counter("millrace_recommendation_log_written_total", "Served answers kept in the log");
}

prometheus::Counter& dropped_counter() {
  return metrics::counter("millrace_recommendation_log_dropped_total",
                          "Served answers not kept, because the queue was full or the server stopped");
}

/// What an append's callback leaves for the waiting writer; shared, since the callback may come late.
struct Outcome {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<Status> status;  ///< guarded by mutex
};

}  // namespace

RecommendationLog::RecommendationLog(EventLog& log, const RecommendationLogOptions& options)
    : log_(log), options_(options), thread_([this](const std::stop_token& stop) { run(stop); }) {
  pthread_setname_np(thread_.native_handle(), "rec-log");
}

RecommendationLog::~RecommendationLog() {
  if (const Status stopped = stop(kSecondUs); !stopped) log_warning("recommend", stopped.error().message);
}

bool RecommendationLog::append(Recommendations answer, RecommendRequest request, std::string_view kind) {
  Waiting waiting{std::move(answer), std::move(request), std::string(kind)};
  std::size_t queued = 0;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.queue_max || draining_) {
      ++dropped_;
      dropped_counter().Increment();
      return false;
    }
    queue_.push_back(std::move(waiting));
    queued = queue_.size();
  }
  // Those between the first and a whole batch are taken when its company has been waited for.
  if (queued == 1 || queued == options_.batch_max) changed_.notify_all();
  return true;
}

/// Wait for answers, a little longer for company, and return them as records; none when stopped.
std::vector<RecommendationLog::Value> RecommendationLog::next_values(const std::stop_token& stop) {
  std::vector<Waiting> taken;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return !queue_.empty(); });
    const auto enough = [&] { return queue_.size() >= options_.batch_max || draining_; };
    changed_.wait_for(lock, stop, microseconds(options_.linger), enough);
    while (!queue_.empty() && taken.size() < options_.batch_max) {
      taken.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    in_hand_ = taken.size();
  }
  std::vector<Value> values;
  values.reserve(taken.size());
  for (const Waiting& each : taken) {
    values.push_back({record_json(each.answer, each.request, each.kind), each.answer.time});
  }
  return values;
}

Status RecommendationLog::write(const std::vector<Value>& values) {
  std::vector<NewRecord> records;
  records.reserve(values.size());
  for (const Value& each : values) records.push_back({.value = each.json, .time = each.time});
  const auto outcome = std::make_shared<Outcome>();
  log_.append({std::string(kRecommendationsTopic), PartitionId(0)}, std::move(records),
              [outcome](Result<Offset> result) {
                const std::lock_guard lock(outcome->mutex);
                outcome->status = result ? Status() : Status(fail(std::move(result).error()));
                outcome->arrived.notify_all();
              });
  std::unique_lock lock(outcome->mutex);
  outcome->arrived.wait(lock, [&] { return outcome->status.has_value(); });
  return *outcome->status;
}

void RecommendationLog::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::vector<Value> values = next_values(stop);
    if (values.empty()) continue;
    Status done = write(values);
    while (!done && done.error().code != Code::kInvalid && !stop.stop_requested()) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, microseconds(kRetryPause), [] { return false; });
      lock.unlock();
      done = write(values);
    }
    if (!done) log_warning("recommend", "answers could not be kept", {field("error", done.error().text())});
    (done ? written_counter() : dropped_counter()).Increment(static_cast<double>(values.size()));
    const std::lock_guard lock(mutex_);
    (done ? written_ : dropped_) += values.size();
    in_hand_ = 0;
    changed_.notify_all();
  }
}

Status RecommendationLog::stop(DurationUs limit) {
  if (!thread_.joinable()) return {};
  std::uint64_t dropped_before = 0;
  {
    std::unique_lock lock(mutex_);
    dropped_before = dropped_;
    draining_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, microseconds(limit), [&] { return queue_.empty() && in_hand_ == 0; });
  }
  thread_.request_stop();
  thread_.join();
  const std::lock_guard lock(mutex_);
  dropped_ += queue_.size();
  dropped_counter().Increment(static_cast<double>(queue_.size()));
  queue_.clear();
  const std::uint64_t lost = dropped_ - dropped_before;
  if (lost == 0) return {};
  return fail(Code::kDeadline,
              fmt::format("{} served answers were not kept: the log did not take them in time", lost));
}

std::uint64_t RecommendationLog::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

std::uint64_t RecommendationLog::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace millrace
